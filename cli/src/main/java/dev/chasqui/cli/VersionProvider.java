package dev.chasqui.cli;

import dev.chasqui.Chasqui;
import picocli.CommandLine.IVersionProvider;

/// What `--version` prints.
final class VersionProvider implements IVersionProvider {

    @Override
    public String[] getVersion() {
        return new String[] {"chasqui " + Chasqui.version() + " (llama.cpp " + Chasqui.llamaVersion() + ")"};
    }
}
