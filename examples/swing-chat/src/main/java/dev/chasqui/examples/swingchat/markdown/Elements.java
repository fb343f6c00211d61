package dev.chasqui.examples.swingchat.markdown;

import dev.chasqui.examples.swingchat.markdown.Element.Code;
import dev.chasqui.examples.swingchat.markdown.Element.Kind;
import dev.chasqui.examples.swingchat.markdown.Element.Paragraph;
import dev.chasqui.examples.swingchat.markdown.Element.Table;
import java.util.ArrayList;
import java.util.List;
import org.commonmark.ext.gfm.tables.TableBlock;
import org.commonmark.ext.gfm.tables.TableCell;
import org.commonmark.ext.gfm.tables.TableRow;
import org.commonmark.node.BlockQuote;
import org.commonmark.node.BulletList;
import org.commonmark.node.FencedCodeBlock;
import org.commonmark.node.Heading;
import org.commonmark.node.HtmlBlock;
import org.commonmark.node.IndentedCodeBlock;
import org.commonmark.node.LinkReferenceDefinition;
import org.commonmark.node.ListBlock;
import org.commonmark.node.Node;
import org.commonmark.node.OrderedList;
import org.commonmark.node.ThematicBreak;

/// Turns the blocks of a parsed text into a flat list of elements.
final class Elements {

    private static final String BULLET = "•";

    private final List<Element> all = new ArrayList<>();
    private int indent;
    private int quote;
    /// Of the item whose first paragraph has yet to come.
    private String marker = "";

    private Elements() {}

    static List<Element> of(Node block) {
        Elements elements = new Elements();
        elements.add(block);
        return elements.all;
    }

    private void add(Node block) {
        switch (block) {
            case ListBlock list -> addList(list);
            case BlockQuote quotation -> {
                quote++;
                addChildren(quotation);
                quote--;
            }
            case Heading heading -> addParagraph(Kind.HEADING, heading.getLevel(), Spans.of(heading));
            case ThematicBreak _ -> addParagraph(Kind.RULE, 0, List.of());
            case FencedCodeBlock code -> addCode(language(code.getInfo()), code.getLiteral());
            case IndentedCodeBlock code -> addCode("", code.getLiteral());
            case TableBlock table -> all.add(new Table(rows(table)));
            case HtmlBlock html -> addParagraph(Kind.TEXT, 0, List.of(Element.Span.plain(html.getLiteral()))); // shown, never obeyed
            case LinkReferenceDefinition _ -> { }
            default -> addParagraph(Kind.TEXT, 0, Spans.of(block));
        }
    }

    private void addChildren(Node parent) {
        for (Node child = parent.getFirstChild(); child != null; child = child.getNext()) {
            add(child);
        }
    }

    private void addList(ListBlock list) {
        indent++;
        int number = list instanceof OrderedList ordered && ordered.getMarkerStartNumber() != null ? ordered.getMarkerStartNumber() : 1;
        for (Node item = list.getFirstChild(); item != null; item = item.getNext()) {
            marker = list instanceof BulletList ? BULLET : number++ + ".";
            addChildren(item);
            if (!marker.isEmpty()) { // nothing in it yet
                addParagraph(Kind.TEXT, 0, List.of());
            }
        }
        indent--;
    }

    private void addParagraph(Kind kind, int level, List<Element.Span> spans) {
        all.add(new Paragraph(kind, level, indent, quote, marker, spans));
        marker = "";
    }

    private void addCode(String language, String literal) {
        if (!marker.isEmpty()) {
            addParagraph(Kind.TEXT, 0, List.of());
        }
        all.add(new Code(language, literal.endsWith("\n") ? literal.substring(0, literal.length() - 1) : literal));
    }

    private static String language(String info) {
        return info == null ? "" : info.strip().split("\\s", 2)[0];
    }

    private static List<List<List<Element.Span>>> rows(TableBlock table) {
        List<List<List<Element.Span>>> rows = new ArrayList<>();
        for (Node part = table.getFirstChild(); part != null; part = part.getNext()) {
            for (Node row = part.getFirstChild(); row instanceof TableRow; row = row.getNext()) {
                List<List<Element.Span>> cells = new ArrayList<>();
                for (Node cell = row.getFirstChild(); cell instanceof TableCell; cell = cell.getNext()) {
                    cells.add(Spans.of(cell));
                }
                rows.add(cells);
            }
        }
        return rows;
    }
}
