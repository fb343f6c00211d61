package dev.chasqui.examples.swingchat.markdown;

import java.util.ArrayList;
import java.util.List;
import org.commonmark.ext.gfm.strikethrough.StrikethroughExtension;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.node.Node;
import org.commonmark.parser.IncludeSourceSpans;
import org.commonmark.parser.Parser;

/// A text in Markdown that grows. What is above the last block cannot change any more and is parsed once, so that a long answer costs no more for
/// each piece than a short one.
///
/// The one exception is a link that is defined below its use: it shows as plain text if its block was complete before. One thread at a time.
public final class MarkdownText {

    private static final Parser PARSER = Parser.builder()
            .extensions(List.of(TablesExtension.create(), StrikethroughExtension.create()))
            .includeSourceSpans(IncludeSourceSpans.BLOCKS)
            .build();

    private final StringBuilder open = new StringBuilder();
    private final List<Element> settled = new ArrayList<>();

    /// The elements of a whole text.
    public static List<Element> parse(String text) {
        List<Element> all = new ArrayList<>();
        for (Node block = PARSER.parse(text).getFirstChild(); block != null; block = block.getNext()) {
            all.addAll(Elements.of(block));
        }
        return all;
    }

    /// Adds to the end of the text.
    public void append(String more) {
        open.append(more);
        int end = open.lastIndexOf("\n") + 1; // a line that is not complete may still become something else
        if (more.indexOf('\n') >= 0) {
            settle(open.substring(0, end));
        }
    }

    /// The elements of the text so far. Those that cannot change are the same objects each time.
    public List<Element> elements() {
        List<Element> all = new ArrayList<>(settled);
        all.addAll(parse(open.toString()));
        return all;
    }

    /// Takes all blocks but the last out of what is open, up to one with an empty line in front: what begins below text could be something else without it.
    private void settle(String lines) {
        for (Node block = PARSER.parse(lines).getLastChild(); block != null && block.getPrevious() != null; block = block.getPrevious()) {
            if (block.getSourceSpans().isEmpty()) {
                return;
            }
            int begin = lines.lastIndexOf('\n', block.getSourceSpans().getFirst().getInputIndex() - 1) + 1; // with the spaces in front of it
            if (lines.substring(lines.lastIndexOf('\n', begin - 2) + 1, begin).isBlank()) {
                settled.addAll(parse(lines.substring(0, begin)));
                open.delete(0, begin);
                return;
            }
        }
    }
}
