package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.KvType;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.kv.CellSelector;
import dev.chasqui.kv.KvFileStats;
import dev.chasqui.kv.KvStats;
import dev.chasqui.kv.PrefillStats;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.kv.SparsePrefill;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "kv", mixinStandardHelpOptions = true,
        description = "Sparse against full attention, teacher-forced along a text: how far the logits are apart, or with --speed how long steps take in turns. "
                + "With --needles and --copies whether it finds what is hidden in the text. Prints a JSON object for each selector, share and context.")
final class BenchKvCommand implements Callable<Integer> {

    /// Tokens that sparse attention goes on from its own keys and values before it starts again from those of full attention.
    private static final int BLOCK = 256;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Mixin
    private KvFileOption kvFile;

    @Option(names = {"-f", "--file"}, required = true, paramLabel = "TEXT", description = "The text, UTF-8.")
    private Path file;

    @Option(names = {"-c", "--context"}, split = ",", paramLabel = "N", defaultValue = "8192",
            description = "Tokens before those that are measured (default: ${DEFAULT-VALUE}).")
    private List<Integer> contexts;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "" + BLOCK,
            description = "Tokens that are measured (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--selector", split = ",", paramLabel = "NAME", defaultValue = "sketch",
            description = "What chooses: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private List<CellSelector> selectors;

    @Option(names = "--share", split = ",", paramLabel = "SHARE", defaultValue = "0.05,0.1,0.2",
            description = "Shares of the tokens that are chosen, beside sinks and window (default: ${DEFAULT-VALUE}).")
    private List<Double> shares;

    @Option(names = "--missing", split = ",", paramLabel = "SHARE",
            description = "Instead of fixed shares, by the selectors' estimates: from 2%% of the tokens to the largest share, so many that no more of the attention is left out.")
    private List<Double> missing = List.of();

    @Option(names = "--kv-type", paramLabel = "TYPE", defaultValue = "f16", description = "Type of keys and values (default: ${DEFAULT-VALUE}).")
    private KvType type = KvType.F16;

    @Option(names = "--refresh", paramLabel = "N", defaultValue = "1", description = "Tokens that a choice is used for (default: ${DEFAULT-VALUE}).")
    private int refresh;

    @Option(names = "--layers-per-choice", paramLabel = "N", defaultValue = "1", description = "Layers that share a choice (default: ${DEFAULT-VALUE}).")
    private int layers;

    @Option(names = "--dense-layers", paramLabel = "N", defaultValue = "0", description = "First layers with full attention (default: ${DEFAULT-VALUE}).")
    private int denseLayers;

    @Option(names = "--prefill", split = ",", paramLabel = "SHARE",
            description = "Sparse against full attention of the prompt instead: shares of the attention that may be left out of it. Both are timed in turns, "
                    + "and the tokens that follow are computed with full attention.")
    private List<Double> prefill = List.of();

    @Option(names = "--needles", paramLabel = "N", description = "Hide N codes of five digits in the text, ask for each, and count the answers that are right.")
    private int needles;

    @Option(names = "--copies", paramLabel = "N",
            description = "Hide N runs of random tokens in the text, give the beginning of each again, and count the tokens that are continued right.")
    private int copies;

    @Option(names = "--state", paramLabel = "FILE", description = "Keep the computed text there, and begin with what is there already.")
    private @Nullable Path state;

    @Option(names = "--speed", description = "Measure time, full and sparse attention in turns.")
    private boolean speed;

    @Option(names = {"-r", "--repetitions"}, paramLabel = "N", defaultValue = "3", description = "Turns with --speed and --prefill (default: ${DEFAULT-VALUE}).")
    private int repetitions;

    @Option(names = "--json", description = "Accepted for symmetry: the output is JSON in any case.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (tokens < 1) {
            throw new IllegalArgumentException("--tokens must be at least 1");
        }
        if (needles < 0 || copies < 0) {
            throw new IllegalArgumentException("--needles and --copies must not be negative");
        }
        byte[] text = Files.readAllBytes(file);
        int deepest = contexts.stream().mapToInt(Integer::intValue).max().orElseThrow();
        List<SparseAttention> policies = policies();
        try (Model loaded = model.load()) {
            int[] all = loaded.vocabulary().tokenize(text, true, false);
            if (all.length < deepest + tokens + 1) {
                throw new IllegalArgumentException("%s has %d tokens, %d are needed".formatted(file, all.length, deepest + tokens + 1));
            }
            ContextOptions options = threads.apply(ContextOptions.defaults().withContextSize(deepest + tokens + 1).withKvTypes(type, type));
            try (Context context = loaded.newContext(options); Sequence sequence = context.newSequence()) {
                if (kvFile.isSet()) {
                    try (Context small = loaded.newContext(kvFile.applyTo(options)); Sequence onFile = small.newSequence()) {
                        measure(sequence, onFile, all, policies);
                    }
                } else {
                    measure(sequence, sequence, all, policies);
                }
            }
        }
        return 0;
    }

    /// @param full   in memory
    /// @param sparse the same, or one whose KV cache is on a file
    private void measure(Sequence full, Sequence sparse, int[] all, List<SparseAttention> policies) throws IOException {
        for (int depth : contexts.stream().sorted().toList()) {
            if (!prefill.isEmpty()) {
                comparePrompts(full, Arrays.copyOf(all, depth), Arrays.copyOfRange(all, depth, depth + tokens + 1));
                continue;
            }
            if (needles > 0) {
                find(full, sparse, "needles", HiddenItems.needles(full.context().model().vocabulary(), all, depth, needles), policies);
            }
            if (copies > 0) {
                find(full, sparse, "copies", HiddenItems.copies(full.context().model().vocabulary(), all, depth, copies), policies);
            }
            if (needles > 0 || copies > 0) {
                continue;
            }
            if (state != null && Files.exists(state)) {
                full.restore(state);
            }
            int known = full.set(Arrays.copyOf(all, depth));
            if (state != null && known < depth - 1) { // the last token is computed for its logits in any case
                full.save(state);
            }
            int[] next = Arrays.copyOfRange(all, depth, depth + tokens + 1);
            if (!speed) {
                compare(full, sparse, depth, next, policies);
            } else if (full == sparse) {
                policies.forEach(policy -> time(full, depth, next, policy));
            } else {
                policies.forEach(policy -> timeOnFile(full, sparse, depth, next, policy));
            }
        }
    }

    private List<SparseAttention> policies() {
        List<SparseAttention> policies = new ArrayList<>();
        double most = shares.stream().mapToDouble(Double::doubleValue).max().orElseThrow();
        for (CellSelector selector : selectors) {
            SparseAttention base = SparseAttention.sketch().withSelector(selector).withRefresh(refresh).withLayersPerChoice(layers).withDenseLayers(denseLayers)
                    .withAlways(true);
            if (missing.isEmpty()) {
                shares.forEach(share -> policies.add(base.withShare(share)));
            } else {
                missing.forEach(limit -> policies.add(base.withShares(Math.min(0.02, most), most).withMissing(limit)));
            }
        }
        return policies;
    }

    // ---- quality

    /// What came of a policy so far.
    private static final class Tally {
        private final List<Double> divergences = new ArrayList<>();
        private double lossDifference;
        private int sameBest;
        private double cells;
        private double left;
        private KvFileStats onFile = KvFileStats.NONE;

        void add(float[] full, float[] sparse, int next) {
            double fullSum = logSum(full);
            double sparseSum = logSum(sparse);
            double divergence = 0;
            for (int i = 0; i < full.length; i++) {
                double log = full[i] - fullSum;
                divergence += Math.exp(log) * (log - (sparse[i] - sparseSum));
            }
            divergences.add(Math.max(0, divergence));
            lossDifference += (sparseSum - sparse[next]) - (fullSum - full[next]);
            sameBest += HiddenItems.best(full) == HiddenItems.best(sparse) ? 1 : 0;
        }

        private static double logSum(float[] row) {
            float most = Float.NEGATIVE_INFINITY;
            for (float x : row) {
                most = Math.max(most, x);
            }
            double sum = 0;
            for (float x : row) {
                sum += Math.exp(x - most);
            }
            return most + Math.log(sum);
        }
    }

    /// Along the text in blocks: full attention first, then each policy from the same cache, or on a file from a copy of it.
    private void compare(Sequence sequence, Sequence other, int depth, int[] next, List<SparseAttention> policies) {
        Map<SparseAttention, Tally> tallies = new LinkedHashMap<>();
        policies.forEach(policy -> tallies.put(policy, new Tally()));
        Context context = other.context();
        try (ProgressBar bar = ProgressBar.onStderr()) {
            for (int start = 0; start < tokens; start += BLOCK) {
                int n = Math.min(BLOCK, tokens - start);
                byte @Nullable [] before = other == sequence ? null : sequence.save();
                float[][] full = new float[n][];
                for (int i = 0; i < n; i++) {
                    sequence.append(next[start + i]);
                    full[i] = sequence.logits();
                }
                int done = 0;
                for (Map.Entry<SparseAttention, Tally> entry : tallies.entrySet()) {
                    if (before == null) {
                        other.rewind(depth + start);
                    } else {
                        other.restore(before);
                    }
                    context.setSparseAttention(entry.getKey());
                    for (int i = 0; i < n; i++) {
                        other.append(next[start + i]);
                        entry.getValue().add(full[i], other.logits(), next[start + i + 1]);
                    }
                    KvStats stats = context.sparseStats();
                    entry.getValue().cells += stats.cells() * n;
                    entry.getValue().left += stats.missing().orElse(Double.NaN) * n;
                    entry.getValue().onFile = stats.file();
                    context.setSparseAttention(null);
                    bar.fraction("%s at %d".formatted(name(entry.getKey()), depth + start), (start + n * ++done / (double) policies.size()) / tokens);
                }
                sequence.rewind(depth + start);
                sequence.append(Arrays.copyOfRange(next, start, start + n));
            }
        }
        sequence.rewind(depth);
        tallies.forEach((policy, tally) -> print(depth, policy, tally));
    }

    private void print(int depth, SparseAttention policy, Tally tally) {
        int n = tally.divergences.size();
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("test", "quality");
            describe(object, depth, policy);
            object.writeNumberField("cells", tally.cells / n);
            write(object, tally);
            if (!Double.isNaN(tally.left)) {
                object.writeNumberField("missing", tally.left / n);
            }
            KvFileOption.write(object, tally.onFile);
        });
    }

    private static void write(JsonGenerator object, Tally tally) throws IOException {
        double[] divergences = tally.divergences.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        object.writeNumberField("tokens", divergences.length);
        object.writeNumberField("kl", Statistics.mean(divergences));
        object.writeNumberField("kl_p99", divergences[(int) (0.99 * (divergences.length - 1))]);
        object.writeNumberField("delta_nll", tally.lossDifference / divergences.length);
        object.writeNumberField("agreement", (double) tally.sameBest / divergences.length);
    }

    private void describe(JsonGenerator object, int depth, SparseAttention policy) throws IOException {
        object.writeStringField("model", model.name());
        object.writeStringField("text", file.getFileName().toString());
        object.writeStringField("kv_type", type.name().toLowerCase(Locale.ROOT));
        object.writeNumberField("context", depth);
        object.writeStringField("selector", name(policy));
        object.writeNumberField("share", policy.maxShare());
        if (policy.missing() > 0) {
            object.writeNumberField("missing_limit", policy.missing());
        }
        if (policy.refresh() > 1) {
            object.writeNumberField("refresh", policy.refresh());
        }
        if (policy.layersPerChoice() > 1) {
            object.writeNumberField("layers_per_choice", policy.layersPerChoice());
        }
        if (policy.denseLayers() > 0) {
            object.writeNumberField("dense_layers", policy.denseLayers());
        }
    }

    private static String name(SparseAttention policy) {
        return policy.selector().name().toLowerCase(Locale.ROOT);
    }

    // ---- what is hidden in the text

    private void find(Sequence full, Sequence sparse, String test, HiddenItems hidden, List<SparseAttention> policies) {
        try (ProgressBar bar = ProgressBar.onStderr()) {
            full.set(hidden.text());
            HiddenItems.Found expected = hidden.ask(full, share -> bar.fraction("%s, full attention".formatted(test), share));
            if (sparse != full) {
                full.rewind(hidden.text().length);
                sparse.restore(full.save());
            }
            for (SparseAttention policy : policies) {
                sparse.context().setSparseAttention(policy);
                HiddenItems.Found found = hidden.ask(sparse, share -> bar.fraction("%s, %s".formatted(test, name(policy)), share));
                KvStats stats = sparse.context().sparseStats();
                sparse.context().setSparseAttention(null);
                Json.line(spec.commandLine().getOut(), object -> {
                    object.writeStringField("test", test);
                    describe(object, hidden.text().length, policy);
                    object.writeNumberField("cells", stats.cells());
                    object.writeNumberField("items", hidden.items().size());
                    object.writeNumberField("found", found.items());
                    object.writeNumberField("accuracy", found.accuracy());
                    object.writeNumberField("full_found", expected.items());
                    object.writeNumberField("full_accuracy", expected.accuracy());
                    KvFileOption.write(object, stats.file());
                });
            }
        }
    }

    // ---- prompts

    /// What prompts with one setting came to.
    private static final class Prompts {
        private final List<Double> seconds = new ArrayList<>();
        private final Tally tally = new Tally();
        private @Nullable PrefillStats stats;
    }

    private void comparePrompts(Sequence sequence, int[] prompt, int[] next) {
        Context context = sequence.context();
        List<Double> full = new ArrayList<>();
        Map<Double, Prompts> sparse = new LinkedHashMap<>();
        prefill.forEach(missing -> sparse.put(missing, new Prompts()));
        float[][] expected = new float[tokens][];
        try (ProgressBar bar = ProgressBar.onStderr()) {
            for (int turn = 0; turn < repetitions; turn++) {
                bar.fraction("turn %d of %d".formatted(turn + 1, repetitions), turn / (double) repetitions);
                full.add(timePrompt(sequence, prompt, null));
                for (int i = 0; i < tokens && turn == 0; i++) {
                    sequence.append(next[i]);
                    expected[i] = sequence.logits();
                }
                for (Map.Entry<Double, Prompts> entry : sparse.entrySet()) {
                    Prompts prompts = entry.getValue();
                    prompts.seconds.add(timePrompt(sequence, prompt, SparsePrefill.defaults().withMissing(entry.getKey())));
                    prompts.stats = context.sparsePrefillStats();
                    for (int i = 0; i < tokens && turn == 0; i++) {
                        sequence.append(next[i]);
                        prompts.tally.add(expected[i], sequence.logits(), next[i + 1]);
                    }
                }
            }
        }
        context.setSparsePrefill(null);
        sparse.forEach((missing, prompts) -> print(prompt.length, missing, full, prompts));
    }

    private static double timePrompt(Sequence sequence, int[] prompt, @Nullable SparsePrefill wanted) {
        sequence.rewind(0);
        sequence.context().setSparsePrefill(wanted);
        long start = System.nanoTime();
        sequence.append(prompt);
        return (System.nanoTime() - start) / 1e9;
    }

    private void print(int depth, double missing, List<Double> full, Prompts prompts) {
        double[] fullTimes = full.stream().mapToDouble(Double::doubleValue).toArray();
        double[] sparseTimes = prompts.seconds.stream().mapToDouble(Double::doubleValue).toArray();
        PrefillStats stats = Objects.requireNonNull(prompts.stats);
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("test", "prefill");
            object.writeStringField("model", model.name());
            object.writeStringField("text", file.getFileName().toString());
            object.writeStringField("kv_type", type.name().toLowerCase(Locale.ROOT));
            object.writeNumberField("context", depth);
            object.writeNumberField("threads", threads.count());
            object.writeNumberField("missing_limit", missing);
            object.writeNumberField("missing", stats.missing());
            object.writeNumberField("pairs", stats.pairs());
            object.writeNumberField("sparse_tokens", stats.sparseTokens());
            object.writeNumberField("dense_s", Statistics.median(fullTimes));
            object.writeNumberField("sparse_s", Statistics.median(sparseTimes));
            object.writeNumberField("speedup", Statistics.median(fullTimes) / Statistics.median(sparseTimes));
            object.writeNumberField("turns", sparseTimes.length);
            write(object, prompts.tally);
        });
    }

    // ---- speed

    private void time(Sequence sequence, int depth, int[] next, SparseAttention policy) {
        List<Double> full = new ArrayList<>();
        List<Double> sparse = new ArrayList<>();
        Context context = sequence.context();
        KvStats stats = KvStats.NONE;
        for (int turn = 0; turn < 2 * repetitions; turn++) {
            @Nullable SparseAttention wanted = turn % 2 == 1 ? policy : null;
            context.setSparseAttention(wanted);
            for (int i = 0; i < tokens; i++) {
                long start = System.nanoTime();
                sequence.append(next[i]);
                if (i > 0) { // the first sparse step reads all keys
                    (wanted == null ? full : sparse).add((System.nanoTime() - start) / 1e6);
                }
            }
            if (wanted != null) {
                stats = context.sparseStats();
            }
            context.setSparseAttention(null);
            sequence.rewind(depth);
        }
        print(depth, policy, full, sparse, stats);
    }

    /// The same policy in memory and on a file in turns; the first quarter of a turn brings in what is chosen.
    private void timeOnFile(Sequence inMemory, Sequence onFile, int depth, int[] next, SparseAttention policy) {
        List<Double> memoryTimes = new ArrayList<>();
        List<Double> fileTimes = new ArrayList<>();
        onFile.restore(inMemory.save());
        inMemory.context().setSparseAttention(policy);
        onFile.context().setSparseAttention(policy);
        long loaded = 0;
        for (int turn = 0; turn < 2 * repetitions; turn++) {
            Sequence sequence = turn % 2 == 0 ? inMemory : onFile;
            for (int i = 0; i < tokens; i++) {
                boolean counts = i >= Math.max(1, tokens / 4);
                long before = counts && sequence == onFile ? onFile.context().sparseStats().file().loadedBytes() : 0;
                long start = System.nanoTime();
                sequence.append(next[i]);
                if (counts) {
                    (sequence == onFile ? fileTimes : memoryTimes).add((System.nanoTime() - start) / 1e6);
                    loaded += sequence == onFile ? onFile.context().sparseStats().file().loadedBytes() - before : 0;
                }
            }
            sequence.rewind(depth);
        }
        KvStats stats = onFile.context().sparseStats();
        long loadedBytes = loaded;
        double[] memory = memoryTimes.stream().mapToDouble(Double::doubleValue).toArray();
        double[] file = fileTimes.stream().mapToDouble(Double::doubleValue).toArray();
        inMemory.context().setSparseAttention(null);
        onFile.context().setSparseAttention(null);
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("test", "file speed");
            describe(object, depth, policy);
            object.writeNumberField("threads", threads.count());
            object.writeNumberField("steps", file.length);
            object.writeNumberField("memory_ms", Statistics.median(memory));
            object.writeNumberField("memory_deviation", Statistics.deviation(memory));
            object.writeNumberField("file_ms", Statistics.median(file));
            object.writeNumberField("file_deviation", Statistics.deviation(file));
            object.writeNumberField("ratio", Statistics.median(file) / Statistics.median(memory));
            object.writeNumberField("cells", stats.cells());
            object.writeNumberField("loaded_bytes_per_step", loadedBytes / file.length);
            KvFileOption.write(object, stats.file());
        });
    }

    private void print(int depth, SparseAttention policy, List<Double> full, List<Double> sparse, KvStats stats) {
        double[] fullTimes = full.stream().mapToDouble(Double::doubleValue).toArray();
        double[] sparseTimes = sparse.stream().mapToDouble(Double::doubleValue).toArray();
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("test", "speed");
            describe(object, depth, policy);
            object.writeNumberField("threads", threads.count());
            object.writeNumberField("steps", sparseTimes.length);
            object.writeNumberField("dense_ms", Statistics.median(fullTimes));
            object.writeNumberField("dense_deviation", Statistics.deviation(fullTimes));
            object.writeNumberField("sparse_ms", Statistics.median(sparseTimes));
            object.writeNumberField("sparse_deviation", Statistics.deviation(sparseTimes));
            object.writeNumberField("speedup", Statistics.median(fullTimes) / Statistics.median(sparseTimes));
            object.writeNumberField("cells", stats.cells());
            object.writeNumberField("sketch_bytes", stats.sketchBytes());
            KvFileOption.write(object, stats.file());
        });
    }
}
