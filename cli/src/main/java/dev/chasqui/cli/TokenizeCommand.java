package dev.chasqui.cli;

import dev.chasqui.Model;
import dev.chasqui.Vocabulary;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "tokenize", description = "Show the tokens of a text.", mixinStandardHelpOptions = true)
final class TokenizeCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Parameters(paramLabel = "TEXT", description = "The text; - reads it from standard input.")
    private String text;

    @Option(names = "--special", description = "Read the names of control tokens in the text as those tokens.")
    private boolean parseSpecial;

    @Option(names = "--no-bos", description = "Do not add the tokens that begin and end a text.")
    private boolean bare;

    @Option(names = "--json", description = "Print one JSON object per token.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        byte[] bytes = text.equals("-") ? System.in.readAllBytes() : text.getBytes(StandardCharsets.UTF_8);
        PrintWriter out = spec.commandLine().getOut();
        try (Model loaded = model.loadVocabulary()) {
            Vocabulary vocabulary = loaded.vocabulary();
            for (int token : vocabulary.tokenize(bytes, !bare, parseSpecial)) {
                String piece = new String(vocabulary.piece(token), StandardCharsets.UTF_8);
                if (json) {
                    Json.line(out, object -> {
                        object.writeNumberField("token", token);
                        object.writeStringField("piece", piece);
                        object.writeBooleanField("control", vocabulary.info(token).isControl());
                    });
                } else {
                    out.printf("%7d  '%s'%n", token, Escapes.text(piece));
                }
            }
        }
        return 0;
    }
}
