package dev.chasqui.cli;

import dev.chasqui.Chasqui;
import dev.chasqui.Context;
import dev.chasqui.ContextInfo;
import dev.chasqui.ContextOptions;
import dev.chasqui.Device;
import dev.chasqui.Model;
import dev.chasqui.ModelInfo;
import dev.chasqui.Sequence;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "bench", mixinStandardHelpOptions = true,
        subcommands = {BenchKvCommand.class, BenchLosslessCommand.class, BenchSpeculationCommand.class, BenchVisionCommand.class},
        description = "Measure prompt processing (pp) and generation (tg) as llama-bench does, through the Java API.")
final class BenchCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Option(names = {"-p", "--prompt-tokens"}, split = ",", paramLabel = "N", defaultValue = "512",
            description = "Prompt lengths, 0 for none (default: ${DEFAULT-VALUE}).")
    private List<Integer> promptTokens;

    @Option(names = {"-n", "--tokens"}, split = ",", paramLabel = "N", defaultValue = "128",
            description = "Numbers of generated tokens, 0 for none (default: ${DEFAULT-VALUE}).")
    private List<Integer> generatedTokens;

    @Option(names = {"-d", "--depth"}, split = ",", paramLabel = "N", defaultValue = "0",
            description = "Tokens in the context before the test (default: ${DEFAULT-VALUE}).")
    private List<Integer> depths;

    @Option(names = {"-t", "--threads"}, split = ",", paramLabel = "N", defaultValue = "0",
            description = "CPU threads, 0 for the number of physical cores (default: ${DEFAULT-VALUE}).")
    private List<Integer> threads;

    @Option(names = {"-b", "--batch-size"}, paramLabel = "N", defaultValue = "2048", description = "Batch size (default: ${DEFAULT-VALUE}).")
    private int batchSize;

    @Option(names = {"-ub", "--ubatch-size"}, paramLabel = "N", defaultValue = "512", description = "Micro-batch size (default: ${DEFAULT-VALUE}).")
    private int microBatchSize;

    @Option(names = {"-r", "--repetitions"}, paramLabel = "N", defaultValue = "5", description = "Repetitions (default: ${DEFAULT-VALUE}).")
    private int repetitions;

    @Option(names = {"-o", "--output"}, paramLabel = "md|csv|jsonl", defaultValue = "md", description = "Format (default: ${DEFAULT-VALUE}).")
    private Format format;

    @Option(names = "--json", description = "The same as -o jsonl.")
    private boolean json;

    private enum Format { MD, CSV, JSONL }

    /// One row of the result.
    private record Row(Test test, ContextInfo context, long[] nanos) {

        double[] tokensPerSecond() {
            return LongStream.of(nanos).mapToDouble(t -> test.tokens() / (t / 1e9)).toArray();
        }
    }

    /// @param prompt    tokens computed at once, or 0
    /// @param generated tokens computed one by one, or 0
    /// @param depth     tokens before them
    private record Test(int prompt, int generated, int depth) {

        int tokens() {
            return prompt + generated;
        }

        String name() {
            return (prompt > 0 ? "pp" + prompt : "tg" + generated) + (depth > 0 ? " @ d" + depth : "");
        }
    }

    @Override
    public Integer call() {
        if (json) {
            format = Format.JSONL;
        }
        PrintWriter out = spec.commandLine().getOut();
        try (Model loaded = model.load()) {
            header(out);
            for (int t : threads) {
                for (int depth : depths) {
                    for (int p : promptTokens) {
                        measure(out, loaded, new Test(p, 0, depth), t);
                    }
                    for (int n : generatedTokens) {
                        measure(out, loaded, new Test(0, n, depth), t);
                    }
                }
            }
        }
        return 0;
    }

    private void measure(PrintWriter out, Model loaded, Test test, int threadCount) {
        if (test.tokens() == 0) {
            return;
        }
        ContextOptions options = ContextOptions.defaults()
                .withContextSize(test.tokens() + test.depth())
                .withBatchSize(batchSize)
                .withMicroBatchSize(Math.min(batchSize, microBatchSize))
                .withFullWindowCache(false)
                .withThreads(threadCount);
        try (Context context = loaded.newContext(options); Sequence sequence = context.newSequence()) {
            Random random = new Random(1);
            int vocabulary = loaded.vocabulary().size();
            run(sequence, new Test(test.prompt(), Math.min(1, test.generated()), 0), random, vocabulary);
            long[] nanos = new long[repetitions];
            for (int i = 0; i < repetitions; i++) {
                nanos[i] = run(sequence, test, random, vocabulary);
            }
            row(out, loaded, new Row(test, context.info(), nanos));
        }
    }

    private static long run(Sequence sequence, Test test, Random random, int vocabulary) {
        sequence.rewind(0);
        if (test.depth() > 0) {
            sequence.append(random.ints(test.depth(), 0, vocabulary).toArray());
        }
        int[] tokens = random.ints(test.tokens(), 0, vocabulary).toArray();
        long start = System.nanoTime();
        if (test.prompt() > 0) {
            sequence.append(tokens);
        } else {
            for (int token : tokens) {
                sequence.append(token);
            }
        }
        return System.nanoTime() - start;
    }

    // ---- output -------------------------------------------------------------------------------------------------------

    private void header(PrintWriter out) {
        switch (format) {
            case MD -> {
                out.println("| model                          |       size |     params | backend    | threads |            test |                  t/s |");
                out.println("| ------------------------------ | ---------: | ---------: | ---------- | ------: | --------------: | -------------------: |");
            }
            case CSV -> out.println("build_commit,backends,model_filename,model_type,model_size,model_n_params,n_batch,n_ubatch,n_threads,"
                    + "n_prompt,n_gen,n_depth,test_time,avg_ns,stddev_ns,avg_ts,stddev_ts");
            case JSONL -> { }
        }
        out.flush();
    }

    private void row(PrintWriter out, Model loaded, Row row) {
        ModelInfo info = loaded.info();
        double[] speed = row.tokensPerSecond();
        double[] nanos = LongStream.of(row.nanos()).asDoubleStream().toArray();
        Test test = row.test();
        switch (format) {
            case MD -> out.printf(Locale.ROOT, "| %-30s | %10s | %10s | %-10s | %7d | %15s | %20s |%n",
                    info.description(), Bytes.text(info.sizeInBytes()), parameters(info.parameters()), backends(),
                    row.context().threads(), test.name(),
                    String.format(Locale.ROOT, "%.2f ± %.2f", Statistics.mean(speed), Statistics.deviation(speed)));
            case CSV -> out.printf(Locale.ROOT, "\"%s\",\"%s\",\"%s\",\"%s\",%d,%d,%d,%d,%d,%d,%d,%d,\"%s\",%.0f,%.0f,%f,%f%n",
                    Chasqui.llamaVersion(), backends(), loaded.path(), info.description(), info.sizeInBytes(), info.parameters(),
                    row.context().batchSize(), row.context().microBatchSize(), row.context().threads(), test.prompt(), test.generated(),
                    test.depth(), Instant.now().truncatedTo(ChronoUnit.SECONDS), Statistics.mean(nanos), Statistics.deviation(nanos),
                    Statistics.mean(speed), Statistics.deviation(speed));
            case JSONL -> Json.line(out, object -> {
                object.writeStringField("build", "chasqui " + Chasqui.version() + ", llama.cpp " + Chasqui.llamaVersion());
                object.writeStringField("backends", backends());
                object.writeStringField("cpu_info", cpu());
                object.writeStringField("model_filename", loaded.path().toString());
                object.writeStringField("model_type", info.description());
                object.writeNumberField("model_size", info.sizeInBytes());
                object.writeNumberField("model_n_params", info.parameters());
                object.writeNumberField("packed_bytes", info.packedBytes());
                object.writeNumberField("n_batch", row.context().batchSize());
                object.writeNumberField("n_ubatch", row.context().microBatchSize());
                object.writeNumberField("n_threads", row.context().threads());
                object.writeNumberField("n_prompt", test.prompt());
                object.writeNumberField("n_gen", test.generated());
                object.writeNumberField("n_depth", test.depth());
                object.writeStringField("test_time", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
                object.writeNumberField("avg_ns", Math.round(Statistics.mean(nanos)));
                object.writeNumberField("stddev_ns", Math.round(Statistics.deviation(nanos)));
                object.writeNumberField("avg_ts", Statistics.mean(speed));
                object.writeNumberField("stddev_ts", Statistics.deviation(speed));
                object.writeFieldName("samples_ns");
                object.writeArray(row.nanos(), 0, row.nanos().length);
                object.writeFieldName("samples_ts");
                object.writeArray(speed, 0, speed.length);
            });
        }
        out.flush();
    }

    private static String backends() {
        return Chasqui.devices().stream().map(Device::backend).distinct().collect(Collectors.joining(","));
    }

    private static String cpu() {
        return Chasqui.devices().stream().filter(device -> device.type() == Device.Type.CPU)
                .map(Device::description).findFirst().orElse("");
    }

    private static String parameters(long n) {
        return n >= 1_000_000_000 ? String.format(Locale.ROOT, "%.2f B", n / 1e9) : String.format(Locale.ROOT, "%.2f M", n / 1e6);
    }
}
