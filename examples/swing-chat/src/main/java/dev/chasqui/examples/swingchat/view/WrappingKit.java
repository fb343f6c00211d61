package dev.chasqui.examples.swingchat.view;

import javax.swing.text.AbstractDocument;
import javax.swing.text.Element;
import javax.swing.text.LabelView;
import javax.swing.text.StyledEditorKit;
import javax.swing.text.View;
import javax.swing.text.ViewFactory;

/// Breaks words that are longer than a line, which the standard kit lets run out of sight.
final class WrappingKit extends StyledEditorKit {

    private static final ViewFactory FACTORY = new ViewFactory() {

        private final ViewFactory standard = new StyledEditorKit().getViewFactory();

        @Override
        public View create(Element element) {
            if (!AbstractDocument.ContentElementName.equals(element.getName())) {
                return standard.create(element);
            }
            return new LabelView(element) {
                @Override
                public float getMinimumSpan(int axis) {
                    return axis == X_AXIS ? 0 : super.getMinimumSpan(axis);
                }
            };
        }
    };

    @Override
    public ViewFactory getViewFactory() {
        return FACTORY;
    }
}
