package dev.chasqui.examples.swingchat.markdown;

import dev.chasqui.examples.swingchat.markdown.Element.Span;
import java.util.ArrayList;
import java.util.List;
import org.commonmark.ext.gfm.strikethrough.Strikethrough;
import org.commonmark.node.Emphasis;
import org.commonmark.node.HardLineBreak;
import org.commonmark.node.HtmlInline;
import org.commonmark.node.Image;
import org.commonmark.node.Link;
import org.commonmark.node.Node;
import org.commonmark.node.SoftLineBreak;
import org.commonmark.node.StrongEmphasis;
import org.commonmark.node.Text;

/// Turns the text inside of a block into spans. Neighbours of the same look become one.
final class Spans {

    private final List<Span> all = new ArrayList<>();

    private Spans() {}

    static List<Span> of(Node block) {
        Spans spans = new Spans();
        spans.addChildren(block, Span.plain(""));
        return spans.all;
    }

    private void addChildren(Node parent, Span look) {
        for (Node child = parent.getFirstChild(); child != null; child = child.getNext()) {
            add(child, look);
        }
    }

    private void add(Node node, Span look) {
        switch (node) {
            case Text text -> add(text.getLiteral(), look);
            case org.commonmark.node.Code code -> add(code.getLiteral(), new Span("", look.bold(), look.italic(), look.struck(), true, look.link()));
            case HtmlInline html -> add(html.getLiteral(), look);
            case SoftLineBreak _ -> add(" ", look);
            case HardLineBreak _ -> add("\n", look);
            case StrongEmphasis _ -> addChildren(node, new Span("", true, look.italic(), look.struck(), look.code(), look.link()));
            case Emphasis _ -> addChildren(node, new Span("", look.bold(), true, look.struck(), look.code(), look.link()));
            case Strikethrough _ -> addChildren(node, new Span("", look.bold(), look.italic(), true, look.code(), look.link()));
            case Link link -> addChildren(node, new Span("", look.bold(), look.italic(), look.struck(), look.code(), link.getDestination()));
            case Image image -> addChildren(node, new Span("", look.bold(), look.italic(), look.struck(), look.code(), image.getDestination()));
            default -> addChildren(node, look);
        }
    }

    private void add(String text, Span look) {
        Span more = new Span(text, look.bold(), look.italic(), look.struck(), look.code(), look.link());
        if (!all.isEmpty() && sameLook(all.getLast(), more)) {
            Span last = all.removeLast();
            more = new Span(last.text() + text, last.bold(), last.italic(), last.struck(), last.code(), last.link());
        }
        all.add(more);
    }

    private static boolean sameLook(Span a, Span b) {
        return a.bold() == b.bold() && a.italic() == b.italic() && a.struck() == b.struck() && a.code() == b.code() && a.link().equals(b.link());
    }
}
