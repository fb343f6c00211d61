package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;

@Tag("standalone")
class Utf8Test {

    @Example
    void encodesEachLength() {
        assertThat(Utf8.encode("aé€😀")).isEqualTo(new byte[] {
            'a', (byte) 0xC3, (byte) 0xA9, (byte) 0xE2, (byte) 0x82, (byte) 0xAC, (byte) 0xF0, (byte) 0x9F, (byte) 0x98, (byte) 0x80});
        assertThat(Utf8.encode("")).isEmpty();
        assertThat(Utf8.length("aé€😀")).isEqualTo(10);
    }

    @Example
    void keepsNul() {
        assertThat(Utf8.encode("a\0b")).isEqualTo(new byte[] {'a', 0, 'b'});
    }

    @Example
    void replacesLoneSurrogates() {
        byte[] replacement = {(byte) 0xEF, (byte) 0xBF, (byte) 0xBD};

        assertThat(Utf8.encode("\uD83D")).isEqualTo(replacement);
        assertThat(Utf8.encode("\uDE00")).isEqualTo(replacement);
        assertThat(new String(Utf8.encode("\uDE00\uD83Dx\uD83D\uDE00"), StandardCharsets.UTF_8)).isEqualTo("\uFFFD\uFFFDx😀");
    }

    /// `Arbitraries.strings().all()` has lone surrogates.
    @Property
    void anyStringComesBackWithReplacements(@ForAll("anyText") String text) {
        assertThat(new String(Utf8.encode(text), StandardCharsets.UTF_8)).isEqualTo(wellFormed(text));
    }

    @Property
    void incompleteTailIsWhatFollowsTheLastWholeCharacter(@ForAll("wellFormedText") String text, @ForAll int where) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int cut = Math.floorMod(where, bytes.length + 1);
        int whole = 0;
        for (int i = 0; i < text.length(); i = text.offsetByCodePoints(i, 1)) {
            int next = whole + new String(Character.toChars(text.codePointAt(i))).getBytes(StandardCharsets.UTF_8).length;
            if (next > cut) {
                break;
            }
            whole = next;
        }

        assertThat(Utf8.incompleteTail(bytes, cut)).isEqualTo(cut - whole);
    }

    @Property
    void incompleteTailOfAnyBytesLeavesTheTextAsItIs(@ForAll byte[] bytes) {
        int tail = Utf8.incompleteTail(bytes, bytes.length);
        int head = bytes.length - tail;

        assertThat(tail).isBetween(0, Math.min(3, bytes.length));
        assertThat(new String(bytes, 0, head, StandardCharsets.UTF_8) + new String(bytes, head, tail, StandardCharsets.UTF_8))
                .isEqualTo(new String(bytes, StandardCharsets.UTF_8));
    }

    @Example
    void invalidBytesAreNotHeldBack() {
        assertThat(tail(0x80)).isZero();
        assertThat(tail(0x80, 0x80, 0x80, 0x80)).isZero();
        assertThat(tail(0xFF)).isZero();
        assertThat(tail(0xF8)).isZero();
        assertThat(tail(0xC3)).isEqualTo(1);
        assertThat(tail(0xE2, 0x82)).isEqualTo(2);
        assertThat(tail(0xF0, 0x9F, 0x98)).isEqualTo(3);
        assertThat(tail(0xF0, 0x9F, 0x98, 0x80)).isZero();
    }

    @Provide
    Arbitrary<String> anyText() {
        return anyStrings();
    }

    @Provide
    Arbitrary<String> wellFormedText() {
        return anyStrings().map(Utf8Test::wellFormed);
    }

    /// Strings of every kind of character, lone surrogates among them.
    static Arbitrary<String> anyStrings() {
        return Arbitraries.strings().ofMaxLength(40)
                .all().withChars('\0', '\n', ' ', 'a', 'é', '€', '\u2581', '\uFFFD')
                .withChars('\uD83D', '\uDE00')
                .withCharRange('\uD800', '\uDFFF');
    }

    static String wellFormed(String text) {
        StringBuilder result = new StringBuilder();
        text.codePoints().forEach(c -> result.appendCodePoint(c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c));
        return result.toString();
    }

    private static int tail(int... values) {
        byte[] bytes = new byte[values.length];
        Arrays.setAll(values, i -> {
            bytes[i] = (byte) values[i];
            return values[i];
        });
        return Utf8.incompleteTail(bytes, bytes.length);
    }
}
