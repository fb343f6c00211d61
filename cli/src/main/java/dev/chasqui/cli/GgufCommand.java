package dev.chasqui.cli;

import dev.chasqui.GgufFile;
import dev.chasqui.GgufTensor;
import dev.chasqui.GgufValue;
import dev.chasqui.GgufWriter;
import dev.chasqui.KvType;
import dev.chasqui.MemoryEstimate;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "gguf", mixinStandardHelpOptions = true,
        description = "Show what a model file says of itself, without loading it, and estimate the memory it needs; or write it with other metadata.")
final class GgufCommand implements Callable<Integer> {

    private static final int LONGEST_VALUE = 100;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Option(names = "--tensors", description = "List the tensors too.")
    private boolean tensors;

    @Option(names = {"-c", "--context"}, paramLabel = "N", defaultValue = "4096",
            description = "Context size for the memory estimate (default: ${DEFAULT-VALUE}).")
    private int contextSize;

    @Option(names = "--json", description = "Print JSON objects: the file, then one per metadata value, then one per tensor with --tensors.")
    private boolean json;

    @Option(names = "--set", paramLabel = "KEY=VALUE",
            description = "Set a metadata value in the file of --output: of the type that is there, or else a boolean, an integer, a number or a text.")
    private Map<String, String> set = new LinkedHashMap<>();

    @Option(names = "--remove", paramLabel = "KEY", description = "Leave a metadata value out of the file of --output.")
    private List<String> remove = List.of();

    @Option(names = {"-o", "--output"}, paramLabel = "FILE", description = "Write the file with what --set and --remove change, and show that one.")
    private @Nullable Path output;

    @Override
    public Integer call() throws IOException {
        GgufFile file = GgufFile.read(model.file());
        if (output != null) {
            file = changed(file, output);
        } else if (!set.isEmpty() || !remove.isEmpty()) {
            throw new ParameterException(spec.commandLine(), "--set and --remove want --output");
        }
        MemoryEstimate estimate = file.estimate(contextSize, KvType.F16, KvType.F16);
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            printJson(out, file, estimate);
        } else {
            printText(out, file, estimate);
        }
        return 0;
    }

    private GgufFile changed(GgufFile file, Path to) throws IOException {
        GgufWriter writer = GgufWriter.copyOf(file);
        set.forEach((key, text) -> writer.put(key, MetadataText.parse(key, text, file.metadata().get(key))));
        remove.forEach(writer::remove);
        return writer.write(to);
    }

    private void printText(PrintWriter out, GgufFile file, MemoryEstimate estimate) {
        out.printf("%s: GGUF version %d, %s, %d metadata values, %d tensors, %,d parameters%n", file.path(), file.version(),
                Bytes.text(file.fileSize()), file.metadata().size(), file.tensors().size(), file.parameterCount());
        out.println();
        int width = file.metadata().keySet().stream().mapToInt(String::length).max().orElse(0);
        for (Map.Entry<String, GgufValue> entry : file.metadata().entrySet()) {
            out.printf("%-" + Math.max(1, width) + "s  %s%n", entry.getKey(), shortened(entry.getValue()));
        }
        if (tensors) {
            out.println();
            for (GgufTensor tensor : file.tensors()) {
                out.printf("%-40s %-8s %-24s %12s%n", tensor.name(), tensor.type(), shape(tensor), Bytes.text(tensor.byteSize()));
            }
        }
        out.println();
        out.printf("memory for a context of %,d tokens: %s = weights %s + KV cache %s + recurrent state %s + compute about %s + logits %s%n",
                estimate.contextSize(), Bytes.text(estimate.totalBytes()), Bytes.text(estimate.weightBytes()), Bytes.text(estimate.kvBytes()),
                Bytes.text(estimate.recurrentBytes()), Bytes.text(estimate.computeBytes()), Bytes.text(estimate.outputBytes()));
        estimate.notes().forEach(note -> out.println("note: " + note));
    }

    private void printJson(PrintWriter out, GgufFile file, MemoryEstimate estimate) {
        Json.line(out, object -> {
            object.writeStringField("file", file.path().toString());
            object.writeNumberField("version", file.version());
            object.writeNumberField("size", file.fileSize());
            object.writeStringField("architecture", file.architecture().orElse(""));
            object.writeNumberField("parameters", file.parameterCount());
            object.writeNumberField("tensors", file.tensors().size());
            object.writeObjectFieldStart("memory");
            object.writeNumberField("context", estimate.contextSize());
            object.writeNumberField("weights", estimate.weightBytes());
            object.writeNumberField("kv", estimate.kvBytes());
            object.writeNumberField("recurrent", estimate.recurrentBytes());
            object.writeNumberField("compute", estimate.computeBytes());
            object.writeNumberField("logits", estimate.outputBytes());
            object.writeEndObject();
        });
        for (Map.Entry<String, GgufValue> entry : file.metadata().entrySet()) {
            Json.line(out, object -> {
                object.writeStringField("key", entry.getKey());
                object.writeStringField("type", String.valueOf(entry.getValue().type()));
                object.writeStringField("value", entry.getValue().toString());
            });
        }
        if (tensors) {
            for (GgufTensor tensor : file.tensors()) {
                Json.line(out, object -> {
                    object.writeStringField("tensor", tensor.name());
                    object.writeStringField("type", tensor.type().name());
                    object.writeFieldName("shape");
                    object.writeArray(tensor.shape(), 0, tensor.shape().length);
                    object.writeNumberField("offset", tensor.offset());
                    object.writeNumberField("size", tensor.byteSize());
                });
            }
        }
    }

    private static String shape(GgufTensor tensor) {
        return Arrays.stream(tensor.shape()).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
    }

    private static String shortened(GgufValue value) {
        String text = Escapes.text(value.toString());
        return text.length() <= LONGEST_VALUE ? text : text.substring(0, LONGEST_VALUE) + "...";
    }
}
