package dev.chasqui.examples.swingchat.markdown;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.examples.swingchat.markdown.Element.Code;
import dev.chasqui.examples.swingchat.markdown.Element.Kind;
import dev.chasqui.examples.swingchat.markdown.Element.Paragraph;
import dev.chasqui.examples.swingchat.markdown.Element.Span;
import dev.chasqui.examples.swingchat.markdown.Element.Table;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class MarkdownTextTest {

    @Test
    void blocksBecomeElements() {
        List<Element> elements = MarkdownText.parse("""
                # Title

                Some **bold**, *italic*, ~~struck~~ and `code` with a [link](https://example.org).

                > quoted

                ---
                """);
        assertThat(elements).containsExactly(
                new Paragraph(Kind.HEADING, 1, 0, 0, "", List.of(Span.plain("Title"))),
                new Paragraph(Kind.TEXT, 0, 0, 0, "", List.of(
                        Span.plain("Some "), new Span("bold", true, false, false, false, ""), Span.plain(", "),
                        new Span("italic", false, true, false, false, ""), Span.plain(", "), new Span("struck", false, false, true, false, ""),
                        Span.plain(" and "), new Span("code", false, false, false, true, ""), Span.plain(" with a "),
                        new Span("link", false, false, false, false, "https://example.org"), Span.plain("."))),
                new Paragraph(Kind.TEXT, 0, 0, 1, "", List.of(Span.plain("quoted"))),
                new Paragraph(Kind.RULE, 0, 0, 0, "", List.of()));
    }

    @Test
    void listsKeepTheirMarksAndDepths() {
        List<Element> elements = MarkdownText.parse("""
                3. three
                   - inner

                     more
                4. four
                   ```java
                   int x;
                   ```
                """);
        assertThat(elements).containsExactly(
                new Paragraph(Kind.TEXT, 0, 1, 0, "3.", List.of(Span.plain("three"))),
                new Paragraph(Kind.TEXT, 0, 2, 0, "•", List.of(Span.plain("inner"))),
                new Paragraph(Kind.TEXT, 0, 2, 0, "", List.of(Span.plain("more"))),
                new Paragraph(Kind.TEXT, 0, 1, 0, "4.", List.of(Span.plain("four"))),
                new Code("java", "int x;"));
    }

    @Test
    void aTableHasRowsOfCells() {
        assertThat(MarkdownText.parse("| a | **b** |\n|---|---|\n| 1 | 2 |\n")).containsExactly(new Table(List.of(
                List.of(List.of(Span.plain("a")), List.of(new Span("b", true, false, false, false, ""))),
                List.of(List.of(Span.plain("1")), List.of(Span.plain("2"))))));
    }

    @Test
    void markupOfPagesIsShownAndNotObeyed() {
        assertThat(MarkdownText.parse("<script>alert(1)</script>")).singleElement()
                .isEqualTo(new Paragraph(Kind.TEXT, 0, 0, 0, "", List.of(Span.plain("<script>alert(1)</script>"))));
    }

    @Test
    void completeBlocksStayTheSameObjects() {
        MarkdownText text = new MarkdownText();
        text.append("one\n\ntwo\n\nthree");
        List<Element> before = text.elements();
        text.append(" and more\n\nfour\n");
        List<Element> after = text.elements();
        assertThat(after).hasSize(4);
        assertThat(after.get(0)).isSameAs(before.get(0));
        assertThat(after.get(2)).isNotEqualTo(before.get(2));
    }

    @Property(tries = 1000)
    void aTextThatComesInPiecesIsReadAsTheWhole(@ForAll("texts") String text, @ForAll("sizes") List<Integer> sizes) {
        MarkdownText growing = new MarkdownText();
        int at = 0;
        for (int i = 0; at < text.length(); i++) {
            int end = Math.min(text.length(), at + sizes.get(i % sizes.size()));
            growing.append(text.substring(at, end));
            at = end;
            assertThat(growing.elements()).as("after %s", text.substring(0, at)).isEqualTo(MarkdownText.parse(text.substring(0, at)));
        }
    }

    @Provide
    Arbitrary<String> texts() {
        return Arbitraries.of("word", "**bold**", " ", "\n", "\n\n", "- item", "1. item", "# ", "```\n", "```", "``", "`", "    ", "  ", "> ", "***", "---", "\n---\n",
                "| a | b |\n", "|---|---|\n", "| 1 | 2 |\n", "<div>\n", "</div>", "*", "_", "~~", "\t", "===\n", "\r\n", "é", "[x](y)")
                .list().ofMinSize(1).ofMaxSize(25).map(parts -> String.join("", parts));
    }

    @Provide
    Arbitrary<List<Integer>> sizes() {
        return Arbitraries.integers().between(1, 9).list().ofMinSize(1).ofMaxSize(5);
    }
}
