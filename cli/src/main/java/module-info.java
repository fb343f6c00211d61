/// The command line `chasqui`.
module dev.chasqui.cli {
    requires dev.chasqui;
    requires java.desktop; // pictures
    requires info.picocli;
    requires com.fasterxml.jackson.core;
    requires static org.jspecify;

    opens dev.chasqui.cli to info.picocli;
}
