/// What a model made of a text: how probable it found each token, and which passages of a prompt made it say what it said.
@NullMarked
package dev.chasqui.analysis;

import org.jspecify.annotations.NullMarked;
