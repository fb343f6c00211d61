package dev.chasqui.diffusion;

import dev.chasqui.Vocabulary;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/// Writes tokens of which some are masks.
final class DiffusionText {

    private DiffusionText() {
    }

    /// The bytes of all tokens one after the other, a placeholder for each mask and nothing for control tokens.
    static String of(Vocabulary vocabulary, int[] tokens, int mask, String placeholder) {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        for (int token : tokens) {
            if (token == mask) {
                text.writeBytes(placeholder.getBytes(StandardCharsets.UTF_8));
            } else if (!vocabulary.info(token).isControl()) {
                text.writeBytes(vocabulary.piece(token));
            }
        }
        return text.toString(StandardCharsets.UTF_8);
    }
}
