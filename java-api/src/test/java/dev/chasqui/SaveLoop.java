package dev.chasqui;

import java.io.IOException;
import java.nio.file.Path;

/// Saves two states to one file in turns, until it is killed.
///
/// Arguments: a directory with `a` and `b`.
final class SaveLoop {

    private SaveLoop() {
    }

    public static void main(String[] args) throws IOException {
        Path directory = Path.of(args[0]);
        SavedSequence a = SavedSequence.load(directory.resolve("a"));
        SavedSequence b = SavedSequence.load(directory.resolve("b"));
        System.out.println("ready");
        while (true) {
            a.save(directory.resolve("target"));
            b.save(directory.resolve("target"));
        }
    }
}
