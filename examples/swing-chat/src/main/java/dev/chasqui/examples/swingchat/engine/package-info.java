@NullMarked
package dev.chasqui.examples.swingchat.engine;

import org.jspecify.annotations.NullMarked;
