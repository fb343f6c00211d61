/// Speculative decoding: several tokens of an answer for one pass of the model, and the same tokens as without.
@NullMarked
package dev.chasqui.speculation;

import org.jspecify.annotations.NullMarked;
