/// The command line `chasqui`.
module dev.chasqui.cli {
    requires dev.chasqui;
    requires java.desktop; // pictures
    requires info.picocli;
    requires com.fasterxml.jackson.core;
    requires org.jline.reader;
    requires org.jline.terminal;
    requires jdk.unsupported; // by which JLine hears of Ctrl-C
    requires static org.jspecify;

    opens dev.chasqui.cli to info.picocli;
}
