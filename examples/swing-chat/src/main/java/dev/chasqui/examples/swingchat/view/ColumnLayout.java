package dev.chasqui.examples.swingchat.view;

import java.awt.Component;
import java.awt.Container;
import java.awt.Dimension;
import java.awt.Insets;
import java.awt.LayoutManager2;
import javax.swing.text.JTextComponent;

/// One component below the other, each as wide as the container and as high as its content needs at that width.
///
/// Swing asks for sizes without saying how wide there is room; text that wraps needs to know.
final class ColumnLayout implements LayoutManager2 {

    private final int gap;
    private final int maxWidth;
    private int measuredWidth = -1;
    private int measuredHeight;

    /// @param gap      pixels between two components
    /// @param maxWidth of a component; where there is more room they are in the middle
    ColumnLayout(int gap, int maxWidth) {
        this.gap = gap;
        this.maxWidth = maxWidth;
    }

    ColumnLayout(int gap) {
        this(gap, Integer.MAX_VALUE);
    }

    /// The height that a component needs at a width.
    static int heightFor(Component component, int width) {
        if (component instanceof Container container && container.getLayout() instanceof ColumnLayout column) {
            return column.height(container, width);
        }
        if (component instanceof TableView table) {
            return table.heightFor(width);
        }
        if (component instanceof JTextComponent text && component.getWidth() != width) {
            text.setSize(width, Short.MAX_VALUE);
        }
        return component.getPreferredSize().height;
    }

    private int height(Container parent, int width) {
        if (measuredWidth != width) {
            Insets insets = parent.getInsets();
            int inner = Math.min(maxWidth, width - insets.left - insets.right);
            int height = insets.top + insets.bottom;
            int count = 0;
            for (Component child : parent.getComponents()) {
                if (child.isVisible()) {
                    height += heightFor(child, inner);
                    count++;
                }
            }
            measuredHeight = height + Math.max(0, count - 1) * gap;
            measuredWidth = width;
        }
        return measuredHeight;
    }

    @Override
    public void layoutContainer(Container parent) {
        Insets insets = parent.getInsets();
        int room = parent.getWidth() - insets.left - insets.right;
        int width = Math.min(maxWidth, room);
        int x = insets.left + (room - width) / 2;
        int y = insets.top;
        for (Component child : parent.getComponents()) {
            if (child.isVisible()) {
                int height = heightFor(child, width);
                child.setBounds(x, y, width, height);
                y += height + gap;
            }
        }
    }

    @Override
    public Dimension preferredLayoutSize(Container parent) {
        int width = parent.getWidth() > 0 ? parent.getWidth() : 600;
        return new Dimension(width, height(parent, width));
    }

    @Override
    public Dimension minimumLayoutSize(Container parent) {
        return new Dimension(0, 0);
    }

    @Override
    public Dimension maximumLayoutSize(Container target) {
        return new Dimension(Integer.MAX_VALUE, Integer.MAX_VALUE);
    }

    @Override
    public void invalidateLayout(Container target) {
        measuredWidth = -1;
    }

    @Override
    public void addLayoutComponent(Component component, Object constraints) {}

    @Override
    public void addLayoutComponent(String name, Component component) {}

    @Override
    public void removeLayoutComponent(Component component) {}

    @Override
    public float getLayoutAlignmentX(Container target) {
        return 0;
    }

    @Override
    public float getLayoutAlignmentY(Container target) {
        return 0;
    }
}
