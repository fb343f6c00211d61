package dev.chasqui.cli;

import dev.chasqui.models.ModelStore;
import dev.chasqui.models.NamedModel;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jline.reader.Candidate;
import org.jline.reader.Completer;
import org.jline.reader.LineReader;
import org.jline.reader.ParsedLine;

/// Completes the commands of a chat, names of models, and files.
final class ChatCompleter implements Completer {

    private final ModelStore models;

    ChatCompleter(ModelStore models) {
        this.models = models;
    }

    @Override
    public void complete(LineReader reader, ParsedLine line, List<Candidate> candidates) {
        if (line.wordIndex() == 0) {
            for (ChatVerb verb : ChatVerb.values()) {
                candidates.add(candidate(verb.word(), verb.description(), true));
            }
            return;
        }
        if (line.wordIndex() > 1) {
            return;
        }
        switch (ChatVerb.of(line.words().getFirst()).orElse(ChatVerb.HELP)) {
            case MODEL -> {
                for (NamedModel model : models.catalog().models()) {
                    candidates.add(candidate(model.name(), models.find(model.name()).isPresent() ? "" : "to be fetched", true));
                }
                files(line.word(), candidates);
            }
            case IMAGE, AUDIO, LOAD, SAVE, JSON -> files(line.word(), candidates);
            default -> { }
        }
    }

    private static void files(String begin, List<Candidate> candidates) {
        String folder = begin.substring(0, begin.lastIndexOf('/') + 1);
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(Path.of(folder))) {
            for (Path entry : entries) {
                boolean isFolder = Files.isDirectory(entry);
                candidates.add(candidate(folder + entry.getFileName() + (isFolder ? "/" : ""), "", !isFolder));
            }
        } catch (IOException | IllegalArgumentException nothingToRead) {
            // then there is nothing to complete
        }
    }

    private static Candidate candidate(String value, String description, boolean complete) {
        return new Candidate(value, value, null, description.isEmpty() ? null : description, null, null, complete);
    }
}
