package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.markdown.Element;
import dev.chasqui.examples.swingchat.markdown.Element.Code;
import dev.chasqui.examples.swingchat.markdown.Element.Kind;
import dev.chasqui.examples.swingchat.markdown.Element.Paragraph;
import dev.chasqui.examples.swingchat.markdown.Element.Table;
import dev.chasqui.examples.swingchat.markdown.MarkdownText;
import java.awt.Component;
import java.util.ArrayList;
import java.util.List;
import javax.swing.JComponent;
import javax.swing.JPanel;
import javax.swing.JSeparator;

/// A text in Markdown that can grow. Components of what has not changed stay as they are.
final class MarkdownView extends JPanel {

    private final transient MarkdownText markdown = new MarkdownText();
    private int length;

    MarkdownView() {
        super(new ColumnLayout(10));
        setOpaque(false);
    }

    /// Shows a text that begins with the one that is shown.
    void show(String text) {
        if (text.length() == length) {
            return;
        }
        markdown.append(text.substring(length));
        length = text.length();
        List<List<Element>> groups = groups(markdown.elements());
        for (int i = 0; i < groups.size(); i++) {
            show(i, groups.get(i));
        }
        while (getComponentCount() > groups.size()) {
            remove(getComponentCount() - 1);
        }
        revalidate();
        repaint();
    }

    private void show(int index, List<Element> group) {
        Element first = group.getFirst();
        Class<? extends JComponent> kind = switch (first) {
            case Code _ -> CodeBlock.class;
            case Table _ -> TableView.class;
            case Paragraph paragraph -> paragraph.kind() == Kind.RULE ? JSeparator.class : ProsePane.class;
        };
        if (index < getComponentCount() && !kind.isInstance(getComponent(index))) {
            while (getComponentCount() > index) {
                remove(getComponentCount() - 1);
            }
        }
        if (index == getComponentCount()) {
            add(switch (first) {
                case Code _ -> new CodeBlock();
                case Table _ -> new TableView();
                case Paragraph paragraph -> paragraph.kind() == Kind.RULE ? new JSeparator() : new ProsePane();
            });
        }
        Component component = getComponent(index);
        switch (component) {
            case CodeBlock block -> block.show((Code) first);
            case TableView table -> table.show((Table) first);
            case ProsePane prose -> prose.show(group.stream().map(Paragraph.class::cast).toList());
            default -> { }
        }
    }

    /// Paragraphs that follow each other are shown in one component.
    private static List<List<Element>> groups(List<Element> elements) {
        List<List<Element>> groups = new ArrayList<>();
        boolean prose = false;
        for (Element element : elements) {
            boolean joins = element instanceof Paragraph paragraph && paragraph.kind() != Kind.RULE;
            if (!joins || !prose) {
                groups.add(new ArrayList<>());
            }
            groups.getLast().add(element);
            prose = joins;
        }
        return groups;
    }
}
