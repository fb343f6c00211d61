/// Diffusion language models: answers that are not written from left to right, but filled in where the model is sure first.
@NullMarked
package dev.chasqui.diffusion;

import org.jspecify.annotations.NullMarked;
