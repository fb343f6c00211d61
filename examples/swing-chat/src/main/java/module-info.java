/// A chat on the desktop.
module dev.chasqui.examples.swingchat {
    requires dev.chasqui;
    requires java.desktop;
    requires java.management;
    requires jdk.management; // how much memory is free
    requires com.formdev.flatlaf;
    requires com.fasterxml.jackson.databind;
    requires org.commonmark;
    requires org.commonmark.ext.gfm.strikethrough;
    requires org.commonmark.ext.gfm.tables;
    requires static org.jspecify;

    opens dev.chasqui.examples.swingchat.conversation to com.fasterxml.jackson.databind;
    opens dev.chasqui.examples.swingchat.settings to com.fasterxml.jackson.databind;
}
