package dev.chasqui.kv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.chasqui.StateMismatchException;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class PromptKeyTest {

    private static final PromptKey IMAGE = PromptKey.builder().tokens(1, 2).chunk(77, 3).tokens(9).build();

    @Test
    void tokensAreTheirOwnElements() {
        assertThat(PromptKey.of(5, 0, Integer.MAX_VALUE).elements()).containsExactly(5, 0, Integer.MAX_VALUE);
        assertThat(PromptKey.of(5, 6)).isEqualTo(PromptKey.builder().tokens(5).tokens(6).build());
        assertThat(PromptKey.of(5, 6).tokens()).containsExactly(5, 6);
        assertThatIllegalArgumentException().isThrownBy(() -> PromptKey.of(1, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> PromptKey.builder().tokens(-5));
    }

    @Test
    void commonPrefixIsExact() {
        assertThat(PromptKey.of(1, 2, 3).commonPrefix(PromptKey.of(1, 2, 4))).isEqualTo(2);
        assertThat(PromptKey.of(1, 2, 3).commonPrefix(PromptKey.of(1, 2))).isEqualTo(2);
        assertThat(PromptKey.of(1, 2).commonPrefix(PromptKey.of(1, 2))).isEqualTo(2);
        assertThat(PromptKey.of(4).commonPrefix(PromptKey.of(5))).isZero();
    }

    /// Two keep ratios of one image are two contents, and a content of another length is another one, too.
    @Test
    void chunksAreWhatTheirContentIs() {
        assertThat(IMAGE.length()).isEqualTo(6);
        assertThat(IMAGE.tokens()).isNull();
        assertThat(IMAGE).isEqualTo(PromptKey.builder().tokens(1, 2).chunk(77, 3).tokens(9).build());
        assertThat(IMAGE.commonPrefix(PromptKey.builder().tokens(1, 2).chunk(78, 3).tokens(9).build())).isEqualTo(2);
        assertThat(IMAGE.commonPrefix(PromptKey.builder().tokens(1, 2).chunk(77, 4).tokens(9).build())).isEqualTo(2);
        assertThat(IMAGE.commonPrefix(PromptKey.of(1, 2, 77))).isEqualTo(2);
        assertThat(Arrays.stream(IMAGE.elements()).filter(element -> element < 0)).hasSize(3).doesNotHaveDuplicates();
        assertThatIllegalArgumentException().isThrownBy(() -> PromptKey.builder().chunk(1, 0));
    }

    @Test
    void prefixesDoNotEndInsideAChunk() {
        assertThat(new int[] {0, 1, 2, 3, 4, 5, 6}).satisfies(lengths ->
                assertThat(Arrays.stream(lengths).map(IMAGE::wholeChunks)).containsExactly(0, 1, 2, 2, 2, 5, 6));
        PromptKey two = PromptKey.builder().chunk(1, 2).chunk(2, 2).build();
        assertThat(new int[] {1, 2, 3, 4}).satisfies(lengths ->
                assertThat(Arrays.stream(lengths).map(two::wholeChunks)).containsExactly(0, 2, 2, 4));
    }

    @Test
    void scopesTellKeysApart() {
        PromptKey key = PromptKey.of(1, 2);
        assertThat(key.withScope("adapter")).isNotEqualTo(key);
        assertThat(key.withScope("adapter").withScope("")).isEqualTo(key);
        assertThat(key.withScope("adapter").commonPrefix(key)).isEqualTo(2);
    }

    @Test
    void notesComeBack() {
        PromptKey tokens = PromptKey.of(3, 4, 5).withScope("größer");
        SequenceNote note = new SequenceNote(tokens, 0.25);
        assertThat(SequenceNote.decode(note.encode(), new int[] {3, 4, 5, 99})).as("the last token was not computed").isEqualTo(note);
        SequenceNote image = new SequenceNote(IMAGE, 0);
        assertThat(SequenceNote.decode(image.encode(), new int[] {1, 2, 0, 0, 0, 9})).isEqualTo(image);
    }

    @Test
    void otherNotesAreRefused() {
        byte[] good = new SequenceNote(IMAGE.withScope("s"), 0.5).encode();
        int refused = 0;
        for (int at = 0; at < good.length; at++) {
            byte[] cut = Arrays.copyOf(good, at);
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> SequenceNote.decode(cut, new int[6]));
            byte[] changed = good.clone();
            changed[at] ^= (byte) 0xff;
            try {
                assertThat(SequenceNote.decode(changed, new int[6])).isNotEqualTo(SequenceNote.decode(good, new int[6]));
            } catch (StateMismatchException e) {
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(10);
        byte[] longer = new SequenceNote(PromptKey.of(1, 2, 3), 0).encode();
        assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> SequenceNote.decode(longer, new int[2]));
        assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> SequenceNote.decode("text".getBytes(), new int[2]));
    }
}
