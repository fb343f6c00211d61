package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.markdown.Element.Kind;
import dev.chasqui.examples.swingchat.markdown.Element.Paragraph;
import dev.chasqui.examples.swingchat.markdown.Element.Span;
import java.awt.Color;
import java.awt.Cursor;
import java.awt.Desktop;
import java.awt.Font;
import java.awt.event.MouseAdapter;
import java.awt.event.MouseEvent;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import javax.swing.JTextPane;
import javax.swing.UIManager;
import javax.swing.text.BadLocationException;
import javax.swing.text.MutableAttributeSet;
import javax.swing.text.SimpleAttributeSet;
import javax.swing.text.StyleConstants;
import javax.swing.text.StyledDocument;
import javax.swing.text.TabSet;
import javax.swing.text.TabStop;

/// Paragraphs that can be selected together. When they change, only what follows the first difference is written anew.
final class ProsePane extends JTextPane {

    private static final String LINK = "link";
    private static final float STEP = 22;
    private static final double[] HEADING_SCALE = {1.5, 1.3, 1.15, 1.05, 1, 1};

    private final transient List<Paragraph> shown = new ArrayList<>();
    private final List<Integer> starts = new ArrayList<>();

    ProsePane() {
        setEditorKit(new WrappingKit());
        setEditable(false);
        setOpaque(false);
        setBorder(null);
        setMargin(null);
        setCaret(new QuietCaret());
        getAccessibleContext().setAccessibleName("Text");
        MouseAdapter links = new MouseAdapter() {
            @Override
            public void mouseClicked(MouseEvent event) {
                browse(linkAt(event));
            }

            @Override
            public void mouseMoved(MouseEvent event) {
                String link = linkAt(event);
                setCursor(Cursor.getPredefinedCursor(link.isEmpty() ? Cursor.TEXT_CURSOR : Cursor.HAND_CURSOR));
                setToolTipText(link.isEmpty() ? null : link);
            }
        };
        addMouseListener(links);
        addMouseMotionListener(links);
    }

    void show(List<Paragraph> paragraphs) {
        int same = 0;
        while (same < shown.size() && same < paragraphs.size() && shown.get(same).equals(paragraphs.get(same))) {
            same++;
        }
        if (same == shown.size() && same == paragraphs.size()) {
            return;
        }
        StyledDocument document = getStyledDocument();
        try {
            if (same < shown.size()) {
                int from = same == 0 ? 0 : starts.get(same) - 1; // with the line break in front
                document.remove(from, document.getLength() - from);
                shown.subList(same, shown.size()).clear();
                starts.subList(same, starts.size()).clear();
            }
            for (Paragraph paragraph : paragraphs.subList(same, paragraphs.size())) {
                append(document, paragraph);
            }
        } catch (BadLocationException e) {
            throw new AssertionError(e);
        }
    }

    private void append(StyledDocument document, Paragraph paragraph) throws BadLocationException {
        if (!shown.isEmpty()) {
            document.insertString(document.getLength(), "\n", null);
        }
        int start = document.getLength();
        starts.add(start);
        boolean first = shown.isEmpty();
        shown.add(paragraph);
        if (paragraph.indent() > 0) {
            document.insertString(start, paragraph.marker() + "\t", look(paragraph, Span.plain("")));
        }
        for (Span span : paragraph.spans()) {
            document.insertString(document.getLength(), span.text(), look(paragraph, span));
        }
        document.setParagraphAttributes(start, Math.max(1, document.getLength() - start), shape(paragraph, first), true);
    }

    private static MutableAttributeSet shape(Paragraph paragraph, boolean first) {
        MutableAttributeSet shape = new SimpleAttributeSet();
        float left = STEP * (paragraph.indent() + paragraph.quote());
        StyleConstants.setLeftIndent(shape, left);
        if (paragraph.indent() > 0) {
            StyleConstants.setFirstLineIndent(shape, -STEP);
            StyleConstants.setTabSet(shape, new TabSet(new TabStop[] {new TabStop(0)})); // counted from the left indent
        }
        StyleConstants.setSpaceAbove(shape, first ? 0 : paragraph.kind() == Kind.HEADING ? 14 : paragraph.indent() > 0 ? 3 : 7);
        StyleConstants.setLineSpacing(shape, 0.18f);
        return shape;
    }

    private static MutableAttributeSet look(Paragraph paragraph, Span span) {
        MutableAttributeSet look = new SimpleAttributeSet();
        Font font = UIManager.getFont("Label.font");
        double scale = paragraph.kind() == Kind.HEADING ? HEADING_SCALE[paragraph.level() - 1] : 1;
        StyleConstants.setFontFamily(look, span.code() ? Font.MONOSPACED : font.getFamily());
        StyleConstants.setFontSize(look, (int) Math.round(font.getSize() * scale));
        StyleConstants.setBold(look, span.bold() || paragraph.kind() == Kind.HEADING);
        StyleConstants.setItalic(look, span.italic());
        StyleConstants.setStrikeThrough(look, span.struck());
        Color color = paragraph.quote() > 0 ? Colors.faint() : Colors.text();
        if (!span.link().isEmpty()) {
            look.addAttribute(LINK, span.link());
            StyleConstants.setUnderline(look, true);
            color = Colors.accent();
        }
        StyleConstants.setForeground(look, color);
        if (span.code()) {
            StyleConstants.setBackground(look, Colors.codeBackground());
        }
        return look;
    }

    private String linkAt(MouseEvent event) {
        int at = viewToModel2D(event.getPoint());
        Object link = at < 0 ? null : getStyledDocument().getCharacterElement(at).getAttributes().getAttribute(LINK);
        return link == null ? "" : link.toString();
    }

    private static void browse(String link) {
        if (!link.matches("(?i)(https?://|mailto:).*") || !Desktop.isDesktopSupported()) {
            return;
        }
        Thread.startVirtualThread(() -> {
            try {
                Desktop.getDesktop().browse(URI.create(link));
            } catch (IOException | IllegalArgumentException | UnsupportedOperationException e) {
                System.getLogger("dev.chasqui.examples.swingchat").log(System.Logger.Level.WARNING, "cannot open " + link, e);
            }
        });
    }
}
