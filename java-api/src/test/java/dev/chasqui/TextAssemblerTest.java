package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Assume;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

@Tag("standalone")
class TextAssemblerTest {

    @Example
    void emojiOverFourTokensComesOutWhole() {
        Run run = new Run();
        byte[] bytes = "x😀y".getBytes(StandardCharsets.UTF_8);

        List<String> pieces = new ArrayList<>();
        for (byte b : bytes) {
            pieces.add(run.feed(b));
        }

        assertThat(pieces).containsExactly("x", "", "", "", "😀", "y");
        assertThat(run.assembler.finish()).isEmpty();
    }

    @Example
    void cutOffCharacterIsReplacedAtTheEnd() {
        Run run = new Run();

        assertThat(run.feed('a', 0xF0, 0x9F)).isEqualTo("a");
        assertThat(run.assembler.finish()).isEqualTo("\uFFFD");
    }

    @Example
    void stopStringOverSeveralTokens() {
        Run run = new Run("<|end|>");

        assertThat(run.feed("so <")).isEqualTo("so ");
        assertThat(run.feed("|en")).isEmpty();
        assertThat(run.feed("d|> and more")).isEmpty();
        assertThat(run.assembler.stopped()).isTrue();
        assertThat(run.assembler.finish()).isEmpty();
    }

    @Example
    void falseStartOfAStopStringIsReleased() {
        Run run = new Run("<|end|>");

        assertThat(run.feed("a<|en")).isEqualTo("a");
        assertThat(run.feed("ough")).isEqualTo("<|enough");
        assertThat(run.assembler.stopped()).isFalse();
    }

    @Example
    void beginningOfAStopStringAtTheEndIsText() {
        Run run = new Run("END");

        assertThat(run.feed("the EN")).isEqualTo("the ");
        assertThat(run.assembler.finish()).isEqualTo("EN");
    }

    @Example
    void stopStringThatOverlapsItself() {
        Run run = new Run("aab");
        StringBuilder text = new StringBuilder();
        for (char c : "aaaab".toCharArray()) {
            text.append(run.feed(c));
        }

        assertThat(text).hasToString("aa");
        assertThat(run.assembler.stopped()).isTrue();
    }

    @Example
    void stopStringAtTheVeryStart() {
        Run run = new Run("stop");

        assertThat(run.feed("stop here")).isEmpty();
        assertThat(run.assembler.stopped()).isTrue();
    }

    @Example
    void stopStringInTheMiddleOfAPiece() {
        Run run = new Run("\n\n", "###");

        assertThat(run.feed("one ### two\n\n")).isEqualTo("one ");
        assertThat(run.assembler.stopped()).isTrue();
    }

    @Example
    void stopStringOfWideCharacters() {
        Run run = new Run("終わり");
        byte[] bytes = "は終わり".getBytes(StandardCharsets.UTF_8);
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            text.append(run.feed(b));
        }

        assertThat(text).hasToString("は");
        assertThat(run.assembler.stopped()).isTrue();
    }

    @Example
    void stopStringThatHoldsAnother() {
        for (String[] order : new String[][] {{"abc", "b"}, {"b", "abc"}}) {
            Run run = new Run(order);
            StringBuilder text = new StringBuilder();
            for (char c : "xabc".toCharArray()) {
                text.append(run.feed(c));
                if (run.assembler.stopped()) {
                    break;
                }
            }

            assertThat(run.assembler.stopped()).isTrue();
            assertThat(text.toString()).isIn("x", "xa");
        }
    }

    @Property
    void anyTextSplitAnywhereComesOutWhole(@ForAll("text") String text, @ForAll @Size(max = 20) List<@IntRange(max = 200) Integer> cuts) {
        Run run = new Run();
        StringBuilder out = new StringBuilder();
        int fed = 0;
        for (byte[] chunk : split(text.getBytes(StandardCharsets.UTF_8), cuts)) {
            out.append(run.feed(chunk));
            fed += chunk.length;

            assertThat(text).startsWith(out);
            assertThat(out.isEmpty() || !Character.isHighSurrogate(out.charAt(out.length() - 1))).isTrue();
            // Nothing is held back but the beginning of a character.
            assertThat(fed - out.toString().getBytes(StandardCharsets.UTF_8).length).isBetween(0, 3);
        }

        assertThat(run.assembler.finish()).isEmpty();
        assertThat(out).hasToString(text);
    }

    @Property
    void anyBytesSplitAnywhereComeOutAsIfDecodedAtOnce(
            @ForAll byte[] bytes, @ForAll @Size(max = 20) List<@IntRange(max = 50) Integer> cuts) {
        Run run = new Run();
        StringBuilder out = new StringBuilder();
        for (byte[] chunk : split(bytes, cuts)) {
            out.append(run.feed(chunk));
        }
        out.append(run.assembler.finish());

        assertThat(out).hasToString(new String(bytes, StandardCharsets.UTF_8));
    }

    @Property(tries = 5_000)
    void textEndsBeforeTheFirstStopString(
            @ForAll("shortText") String text,
            @ForAll("stops") List<String> stops,
            @ForAll @Size(max = 20) List<@IntRange(max = 40) Integer> cuts) {
        // Where one stop string holds another, which comes first depends on how the bytes arrive.
        Assume.that(stops.stream().noneMatch(a -> stops.stream().anyMatch(b -> !a.equals(b) && a.contains(b))));
        int first = stops.stream().mapToInt(text::indexOf).filter(at -> at >= 0).min().orElse(-1);
        String expected = first < 0 ? text : text.substring(0, first);

        Run run = new Run(stops.toArray(String[]::new));
        StringBuilder out = new StringBuilder();
        for (byte[] chunk : split(text.getBytes(StandardCharsets.UTF_8), cuts)) {
            out.append(run.feed(chunk));
            assertThat(expected).startsWith(out);
            if (run.assembler.stopped()) {
                break;
            }
        }
        if (!run.assembler.stopped()) {
            out.append(run.assembler.finish());
        }

        assertThat(run.assembler.stopped()).isEqualTo(first >= 0);
        assertThat(out).hasToString(expected);
    }

    @Example
    void largePieces() {
        String text = "0123456789€".repeat(10_000);
        Run run = new Run("never");

        assertThat(run.feed(text)).isEqualTo(text);
        assertThat(run.feed(text)).isEqualTo(text);
    }

    @Provide
    Arbitrary<String> text() {
        return Utf8Test.anyStrings().map(Utf8Test::wellFormed);
    }

    /// Few characters, so that stop strings, their beginnings and their overlaps are common; é and è share their first byte.
    @Provide
    Arbitrary<String> shortText() {
        return Arbitraries.strings().withChars('a', 'b', 'é', 'è').ofMaxLength(20);
    }

    @Provide
    Arbitrary<List<String>> stops() {
        return Arbitraries.strings().withChars('a', 'b', 'é', 'è').ofMinLength(1).ofMaxLength(4).list().ofMinSize(1).ofMaxSize(3);
    }

    private static List<byte[]> split(byte[] bytes, List<Integer> cuts) {
        int[] at = cuts.stream().mapToInt(cut -> Math.min(cut, bytes.length)).sorted().toArray();
        List<byte[]> chunks = new ArrayList<>();
        int from = 0;
        for (int cut : at) {
            chunks.add(Arrays.copyOfRange(bytes, from, cut));
            from = cut;
        }
        chunks.add(Arrays.copyOfRange(bytes, from, bytes.length));
        return chunks;
    }

    private static final class Run {

        final TextAssembler assembler;

        Run(String... stops) {
            assembler = new TextAssembler(List.of(stops));
        }

        String feed(int... values) {
            byte[] bytes = new byte[values.length];
            for (int i = 0; i < values.length; i++) {
                bytes[i] = (byte) values[i];
            }
            return feed(bytes);
        }

        String feed(String text) {
            return feed(text.getBytes(StandardCharsets.UTF_8));
        }

        String feed(byte[] bytes) {
            assembler.append(MemorySegment.ofArray(bytes), bytes.length);
            return assembler.take();
        }
    }
}
