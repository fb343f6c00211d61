package dev.chasqui.examples.swingchat.markdown;

import java.util.List;

/// A part of a text that is laid out by itself. Immutable.
public sealed interface Element {

    /// What a paragraph is, which decides how it looks.
    enum Kind {
        TEXT,
        HEADING,
        /// A thematic break; it has no text.
        RULE
    }

    /// A paragraph.
    ///
    /// @param level  of a heading, 1 to 6, else 0
    /// @param indent depth of lists that it is in
    /// @param quote  depth of quotations that it is in
    /// @param marker in front of a list's item: a bullet or a number; "" elsewhere
    /// @param spans  its text
    record Paragraph(Kind kind, int level, int indent, int quote, String marker, List<Span> spans) implements Element {

        public Paragraph {
            spans = List.copyOf(spans);
        }

        public String text() {
            StringBuilder text = new StringBuilder();
            spans.forEach(span -> text.append(span.text()));
            return text.toString();
        }
    }

    /// Program text, with its language as the text names it, "" = none.
    record Code(String language, String text) implements Element { }

    /// A table. Each row has as many cells as the first, which is the heading.
    record Table(List<List<List<Span>>> rows) implements Element {

        public Table {
            rows = rows.stream().map(List::copyOf).toList();
        }
    }

    /// Text of one look.
    ///
    /// @param link where it leads, "" = nowhere
    record Span(String text, boolean bold, boolean italic, boolean struck, boolean code, String link) {

        public static Span plain(String text) {
            return new Span(text, false, false, false, false, "");
        }
    }
}
