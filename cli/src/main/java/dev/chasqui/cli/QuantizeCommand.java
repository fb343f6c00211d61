package dev.chasqui.cli;

import dev.chasqui.GgmlType;
import dev.chasqui.GgufFile;
import dev.chasqui.QuantizationType;
import dev.chasqui.QuantizeOptions;
import dev.chasqui.Quantizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "quantize", mixinStandardHelpOptions = true, description = "Write a model file with its weights in fewer bits.")
final class QuantizeCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "INPUT", description = "The path of a GGUF file.")
    private Path input;

    @Parameters(index = "1", paramLabel = "OUTPUT", description = "The file to write. It is replaced as a whole, or not at all.")
    private Path output;

    @Parameters(index = "2", paramLabel = "TYPE", description = "The type of the weights, mostly: ${COMPLETION-CANDIDATES}.")
    private QuantizationType type;

    @Option(names = "--pure", description = "Every matrix in the one type, no mixture.")
    private boolean pure;

    @Option(names = "--requantize", description = "Take a file whose weights are quantised already.")
    private boolean requantize;

    @Option(names = "--output-type", paramLabel = "TYPE", description = "Type of the output layer.")
    private @Nullable GgmlType outputType;

    @Option(names = "--embedding-type", paramLabel = "TYPE", description = "Type of the token embeddings.")
    private @Nullable GgmlType embeddingType;

    @Option(names = "--tensor-type", paramLabel = "PATTERN=TYPE",
            description = "Type of the tensors in whose names the regular expression is found; may be given several times.")
    private Map<String, GgmlType> tensorTypes = new LinkedHashMap<>();

    @Mixin
    private ThreadsOption threads;

    @Option(names = "--json", description = "Print a JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        GgufFile file;
        try (ProgressBar bar = ProgressBar.onStderr()) {
            QuantizeOptions options = QuantizeOptions.to(type).withPure(pure).withRequantize(requantize).withThreads(threads.count())
                    .withOutputType(outputType).withEmbeddingType(embeddingType).withTensorTypes(new LinkedHashMap<>(tensorTypes));
            file = Quantizer.quantize(input, output, options.withListener((index, count, tensor) -> {
                bar.fraction(tensor, (double) index / count);
                return true;
            }));
        }
        long before = Files.size(input);
        double bits = 8.0 * file.fileSize() / Math.max(1, file.parameterCount());
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Json.line(out, object -> {
                object.writeStringField("file", file.path().toString());
                object.writeStringField("type", type.name());
                object.writeNumberField("size_before", before);
                object.writeNumberField("size", file.fileSize());
                object.writeNumberField("bits_per_weight", bits);
            });
        } else {
            out.printf("%s: %s instead of %s, %.2f bits per weight%n", file.path(), Bytes.text(file.fileSize()), Bytes.text(before), bits);
        }
        return 0;
    }
}
