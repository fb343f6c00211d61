package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.markdown.Element.Kind;
import dev.chasqui.examples.swingchat.markdown.Element.Paragraph;
import dev.chasqui.examples.swingchat.markdown.Element.Span;
import dev.chasqui.examples.swingchat.markdown.Element.Table;
import java.awt.Dimension;
import java.awt.Graphics;
import java.util.ArrayList;
import java.util.List;
import javax.swing.JPanel;
import javax.swing.UIManager;

/// A table whose columns share the width by how much text they have.
final class TableView extends JPanel {

    private static final int PAD = 8;

    private List<List<ProsePane>> rows = List.of();
    private transient Table shown = new Table(List.of());

    TableView() {
        super(null);
        setOpaque(false);
    }

    void show(Table table) {
        if (table.equals(shown)) {
            return;
        }
        shown = table;
        removeAll();
        rows = new ArrayList<>();
        for (List<List<Span>> cells : table.rows()) {
            List<ProsePane> row = new ArrayList<>();
            for (List<Span> cell : cells) {
                List<Span> spans = rows.isEmpty() ? cell.stream().map(TableView::bold).toList() : cell;
                ProsePane pane = new ProsePane();
                pane.show(List.of(new Paragraph(Kind.TEXT, 0, 0, 0, "", spans)));
                row.add(pane);
                add(pane);
            }
            rows.add(row);
        }
        revalidate();
    }

    int heightFor(int width) {
        return place(width, false);
    }

    @Override
    public void doLayout() {
        place(getWidth(), true);
    }

    @Override
    public Dimension getPreferredSize() {
        int width = getWidth() > 0 ? getWidth() : 400;
        return new Dimension(width, heightFor(width));
    }

    @Override
    protected void paintComponent(Graphics graphics) {
        super.paintComponent(graphics);
        graphics.setColor(Colors.line());
        graphics.drawRect(0, 0, getWidth() - 1, getHeight() - 1);
        for (List<ProsePane> row : rows.subList(Math.min(1, rows.size()), rows.size())) {
            int y = row.isEmpty() ? 0 : row.getFirst().getY() - PAD;
            graphics.drawLine(0, y, getWidth(), y);
        }
    }

    /// @return the height
    private int place(int width, boolean set) {
        int[] widths = widths(width);
        int y = 0;
        for (List<ProsePane> row : rows) {
            int height = 0;
            for (int i = 0; i < row.size(); i++) {
                height = Math.max(height, ColumnLayout.heightFor(row.get(i), widths[i] - 2 * PAD));
            }
            int x = 0;
            for (int i = 0; set && i < row.size(); i++) {
                row.get(i).setBounds(x + PAD, y + PAD, widths[i] - 2 * PAD, height);
                x += widths[i];
            }
            y += height + 2 * PAD;
        }
        return y;
    }

    private int[] widths(int width) {
        int columns = rows.isEmpty() ? 0 : rows.getFirst().size();
        double[] wanted = new double[columns];
        double sum = 0;
        int letter = getFontMetrics(UIManager.getFont("Label.font")).charWidth('n');
        for (int i = 0; i < columns; i++) {
            int letters = 3;
            for (List<List<Span>> cells : shown.rows()) {
                letters = Math.max(letters, cells.get(i).stream().mapToInt(span -> span.text().length()).sum());
            }
            wanted[i] = Math.min(40, letters) * letter * 1.1 + 2 * PAD;
            sum += wanted[i];
        }
        int[] widths = new int[columns];
        for (int i = 0; i < columns; i++) {
            widths[i] = (int) Math.max(2 * PAD + 1, wanted[i] * width / Math.max(1, sum));
        }
        return widths;
    }

    private static Span bold(Span span) {
        return new Span(span.text(), true, span.italic(), span.struck(), span.code(), span.link());
    }
}
