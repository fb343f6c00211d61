/// Sound for language models that hear: [Audio] from files and samples, and [EncodedAudio] as a model takes it.
@NullMarked
package dev.chasqui.audio;

import org.jspecify.annotations.NullMarked;
