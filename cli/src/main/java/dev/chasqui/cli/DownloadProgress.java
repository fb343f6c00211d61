package dev.chasqui.cli;

import dev.chasqui.models.ProgressListener;

/// Shows how far a download is: a bar on a terminal, one line per source elsewhere.
final class DownloadProgress implements ProgressListener, AutoCloseable {

    private final ProgressBar bar = ProgressBar.onStderr();
    private String lastSource = "";

    @Override
    public boolean progress(long bytesDone, long bytesTotal, String source) {
        if (!Terminal.stderrIsTerminal() && !source.equals(lastSource)) {
            lastSource = source;
            System.err.println("chasqui: " + source);
        }
        bar.bytes(source, bytesDone, bytesTotal);
        return true;
    }

    @Override
    public void message(String text) {
        bar.message("chasqui: " + text);
    }

    @Override
    public void close() {
        bar.close();
    }
}
