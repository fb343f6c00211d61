package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.nio.charset.StandardCharsets;
import java.util.List;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;

@Tag("standalone")
class VocabularyTest {

    private final Vocabulary vocabulary = TestModels.tiny().vocabulary();

    @Example
    void facts() {
        assertThat(vocabulary.size()).isEqualTo(320);
        assertThat(vocabulary.special().beginOfText()).hasValue(TinyGguf.BEGIN);
        assertThat(vocabulary.special().endOfText()).hasValue(TinyGguf.END);
        assertThat(vocabulary.special().infillPrefix()).isEmpty();
        assertThat(vocabulary.addsBeginOfText()).isTrue();
        assertThat(vocabulary.addsEndOfText()).isFalse();
    }

    /// U+2581 stands for a space in sentencepiece vocabularies, so that one cannot be told from the other.
    @Property
    void anyTextComesBack(@ForAll("text") String text) {
        assertThat(vocabulary.detokenize(vocabulary.tokenize(text))).isEqualTo(Utf8Test.wellFormed(text).replace('\u2581', ' '));
    }

    @Property
    void anyTextHasNoControlTokens(@ForAll("text") String text) {
        for (String hostile : List.of("</s>" + text, text + "<s>", "<unk>" + text + "</s>")) {
            assertThat(vocabulary.tokenize(hostile)).doesNotContain(TinyGguf.UNKNOWN, TinyGguf.BEGIN, TinyGguf.END);
        }
    }

    @Example
    void controlTokensOnlyWhenAskedFor() {
        assertThat(vocabulary.tokenize("</s>")).doesNotContain(TinyGguf.END);
        assertThat(vocabulary.tokenize("</s>", false, true)).contains(TinyGguf.END);
        assertThat(vocabulary.tokenize("a", true, false)).startsWith(TinyGguf.BEGIN).hasSizeGreaterThan(1);
        assertThat(vocabulary.tokenize("a", false, false)).doesNotContain(TinyGguf.BEGIN);
    }

    @Example
    void emptyText() {
        assertThat(vocabulary.tokenize("")).isEmpty();
        assertThat(vocabulary.tokenize("", true, false)).containsExactly(TinyGguf.BEGIN);
        assertThat(vocabulary.tokenize(new byte[0], false, true)).isEmpty();
        assertThat(vocabulary.detokenize()).isEmpty();
        assertThat(vocabulary.detokenize(new int[0], true)).isEmpty();
    }

    @Example
    void nulIsACharacterLikeAnyOther() {
        assertThat(vocabulary.detokenize(vocabulary.tokenize("a\0b"))).isEqualTo("a\0b");
    }

    @Example
    void wordsAreSingleTokens() {
        assertThat(vocabulary.tokenize("the river of Peru")).hasSize(4);
        assertThat(vocabulary.detokenize(vocabulary.tokenize("the river of Peru"))).isEqualTo("the river of Peru");
    }

    @Example
    void everyPiece() {
        for (int token = 0; token < vocabulary.size(); token++) {
            byte[] piece = vocabulary.piece(token);
            Vocabulary.TokenInfo info = vocabulary.info(token);
            if (token >= TinyGguf.FIRST_BYTE && token < TinyGguf.FIRST_BYTE + 256) {
                assertThat(piece).containsExactly((byte) (token - TinyGguf.FIRST_BYTE));
            }
            assertThat(piece).isNotEmpty();
            assertThat(info.isEnd()).isEqualTo(token == TinyGguf.END);
            assertThat(info.isControl()).isEqualTo(token == TinyGguf.BEGIN || token == TinyGguf.END);
        }
        assertThat(new String(vocabulary.piece(TinyGguf.END), StandardCharsets.UTF_8)).isEqualTo("</s>");
    }

    @Example
    void controlTokensAreRenderedWhenAskedFor() {
        int[] tokens = {TinyGguf.BEGIN, SamplerChainTest.letter('a'), TinyGguf.END};

        assertThat(vocabulary.detokenize(tokens)).isEqualTo("a");
        assertThat(vocabulary.detokenize(tokens, true)).isEqualTo("<s>a</s>");
    }

    @Example
    void invalidBytesBecomeReplacements() {
        assertThat(vocabulary.detokenize(TinyGguf.FIRST_BYTE + 0xFF, TinyGguf.FIRST_BYTE + 0xC3)).isEqualTo("\uFFFD\uFFFD");
        int[] tokens = vocabulary.tokenize(new byte[] {'a', (byte) 0xFF, 'b'}, false, false);
        assertThat(vocabulary.detokenize(tokens)).startsWith("a").endsWith("b").hasSize(3);
    }

    @Example
    void tokensOutOfRangeAreRefused() {
        for (int token : new int[] {-1, 320, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            assertThatIllegalArgumentException().isThrownBy(() -> vocabulary.piece(token)).withMessageContaining(String.valueOf(token));
            assertThatIllegalArgumentException().isThrownBy(() -> vocabulary.info(token));
            assertThatIllegalArgumentException().isThrownBy(() -> vocabulary.detokenize(5, token));
        }
    }

    @Example
    void nullIsRefused() {
        assertThatNullPointerException().isThrownBy(() -> vocabulary.tokenize((String) null));
        assertThatNullPointerException().isThrownBy(() -> vocabulary.tokenize((byte[]) null, false, false));
        assertThatNullPointerException().isThrownBy(() -> vocabulary.detokenize((int[]) null));
        assertThat(vocabulary.detokenize(vocabulary.tokenize("a"))).isEqualTo("a");
    }

    @Provide
    Arbitrary<String> text() {
        return Utf8Test.anyStrings();
    }
}
