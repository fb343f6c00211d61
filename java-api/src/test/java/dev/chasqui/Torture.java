package dev.chasqui;

import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;

import dev.chasqui.kv.CellSelector;
import dev.chasqui.kv.SparseAttention;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/// Bad input of every kind, for a JVM of its own. Prints a line before and after each case, so that a crash has a name.
///
/// Arguments: a directory for files, and the index of the first case.
final class Torture {

    static final String START = "START ";
    static final String OK = "OK ";
    static final String WRONG = "WRONG ";
    static final String DONE = "DONE";
    static final int HUNG = 3;

    private static final int CUTS = 250;
    private static final int FLIPS = 500;
    private static final int ZEROED = 50;

    private static final String GREEDY_ROOT = "root ::= [a-z]+";

    private final Path directory;
    private final byte[] bytes = TinyGguf.builder().chatTemplate(TestModels.CHAT_TEMPLATE).bytes();
    private final Path file;
    private final Model model;
    private final Model other;
    private final Context context;
    private final Sequence sequence;
    private final int[] prompt = tokens(20, 1);
    private final int[] expected;
    private final List<Case> cases = new ArrayList<>();

    /// @param accepted what the body may throw; empty: any exception of the library's or the JDK's for wrong calls, or none at all
    record Case(String name, List<Class<? extends Throwable>> accepted, Body body) { }

    interface Body {
        void run() throws Exception;
    }

    private Torture(Path directory) throws IOException {
        this.directory = directory;
        this.file = Files.write(directory.resolve("good.gguf"), bytes);
        this.model = Model.load(file);
        this.other = Model.load(TinyGguf.builder().vocabularySize(330).write(directory.resolve("other.gguf")));
        this.context = model.newContext(small().withMaxSequences(3));
        this.sequence = context.newSequence();
        sequence.append(prompt);
        this.expected = greedy(sequence, 12);
        sequence.rewind(prompt.length);
        addCases();
    }

    /// Names only, for the test that reports them.
    static List<String> names(Path directory) throws IOException {
        Torture torture = new Torture(directory);
        List<String> names = torture.cases.stream().map(Case::name).toList();
        torture.context.close();
        torture.model.close();
        torture.other.close();
        return names;
    }

    public static void main(String[] args) throws IOException {
        Torture torture = new Torture(Path.of(args[0]));
        int from = Integer.parseInt(args[1]);
        for (Case one : torture.cases.subList(from, torture.cases.size())) {
            say(START + one.name());
            Thread watchdog = watch(one.name());
            String verdict = torture.verdict(one);
            watchdog.interrupt();
            say(verdict);
        }
        say(DONE);
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static Thread watch(String name) {
        return Thread.ofPlatform().daemon().start(() -> {
            try {
                TimeUnit.SECONDS.sleep(60);
                say(WRONG + name + ": no end after a minute");
                Runtime.getRuntime().halt(HUNG);
            } catch (InterruptedException e) {
                // it ended
            }
        });
    }

    private String verdict(Case one) {
        Throwable thrown = null;
        try {
            one.body().run();
        } catch (Throwable e) {
            thrown = e;
        }
        if (!accepted(one, thrown)) {
            return WRONG + one.name() + ": " + (thrown == null ? "nothing was thrown" : thrown.toString().replace('\n', ' '));
        }
        if (thrown != null && (thrown.getMessage() == null || thrown.getMessage().isBlank()) && !(thrown instanceof NullPointerException)) {
            return WRONG + one.name() + ": no message in " + thrown.getClass().getName();
        }
        String after = afterwards();
        return after.isEmpty() ? OK + one.name() : WRONG + one.name() + ": " + after;
    }

    private static boolean accepted(Case one, Throwable thrown) {
        if (one.accepted().isEmpty()) {
            return thrown == null || thrown instanceof ChasquiException || thrown instanceof IllegalArgumentException
                    || thrown instanceof IllegalStateException || thrown instanceof NullPointerException;
        }
        return one.accepted().stream().anyMatch(type -> type.isInstance(thrown));
    }

    /// The context that was there from the start must go on as if nothing had happened.
    private String afterwards() {
        try {
            sequence.set(prompt);
            int[] tokens = greedy(sequence, expected.length);
            sequence.rewind(prompt.length);
            return Arrays.equals(tokens, expected) ? "" : "afterwards other tokens come: " + Arrays.toString(tokens);
        } catch (RuntimeException e) {
            return "afterwards: " + e;
        }
    }

    @SafeVarargs
    private void add(String name, Body body, Class<? extends Throwable>... accepted) {
        List<Class<? extends Throwable>> list = new ArrayList<>();
        for (Class<? extends Throwable> type : accepted) {
            list.add(type);
        }
        cases.add(new Case(name, list, body));
    }

    private void addCases() {
        files();
        overrides();
        loading();
        contexts();
        tokensOutOfRange();
        sequences();
        states();
        samplers();
        grammars();
        chats();
        tools();
        nulls();
        closed();
        threads();
        damage();
    }

    private void tools() {
        Path quantized = directory.resolve("quantized.gguf");
        QuantizeOptions options = QuantizeOptions.to(QuantizationType.Q8_0).withThreads(2);
        add("quantise text", () -> Quantizer.quantize(write("text", "Once upon a time".getBytes()), quantized, options), ModelLoadException.class);
        add("quantise onto a folder", () -> {
            try {
                Quantizer.quantize(file, directory, options);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }, IllegalStateException.class);
        add("quantise with a pattern that nests", () -> {
            var types = new LinkedHashMap<String, GgmlType>();
            types.put("(".repeat(200) + ")".repeat(200), GgmlType.Q8_0);
            Quantizer.quantize(file, quantized, options.withTensorTypes(types));
        }, IllegalArgumentException.class);
        Path adapter = TinyLora.write(directory.resolve("adapter.gguf"), 1);
        damaged("quantise", bytes, 150, damaged -> Quantizer.quantize(damaged, quantized, options));
        damaged("adapter", bytes(adapter), 250, damaged -> {
            try (LoraAdapter lora = LoraAdapter.load(model, damaged); Context other = model.newContext(small())) {
                other.setAdapters(lora.scaled(1));
                other.newSequence().append(prompt);
            }
        });
        add("adapter of another model", () -> {
            try (LoraAdapter lora = LoraAdapter.load(other, adapter)) {
                context.setAdapters(lora.scaled(1));
            }
        }, IllegalArgumentException.class);
        add("endless control vector", () -> context.setControlVector(ControlVector.of(new float[] {Float.POSITIVE_INFINITY})), IllegalArgumentException.class);
        add("tokens that cannot be embedded", () -> {
            try (Embedder embedder = Embedder.of(model)) {
                embedder.embedTokens(List.of(new int[] {-1, Integer.MAX_VALUE})).close();
            }
        }, IllegalArgumentException.class);
        add("tensors on a device that is not there", () -> Model.load(file, ModelOptions.defaults().withPlacement(
                Placement.defaults().withTensors(".*", "nowhere"))).close(), IllegalArgumentException.class);
        for (Placement.SplitMode mode : Placement.SplitMode.values()) {
            add("split mode " + mode, () -> Model.load(file, ModelOptions.defaults().withPlacement(
                    Placement.defaults().withSplitMode(mode).withShares(List.of(0.0, 0.0)))).close());
        }
    }

    /// Works with a damaged file.
    private interface Work {
        void on(Path damaged) throws IOException;
    }

    /// Bits flipped near the beginning, where the header is, mostly.
    private void damaged(String what, byte[] whole, int count, Work work) {
        Random random = new Random(7);
        for (int i = 0; i < count; i++) {
            int at = i % 4 == 0 ? random.nextInt(whole.length) : random.nextInt(Math.min(whole.length, 12_000));
            int bit = random.nextInt(8);
            add("bit flipped: " + what + " at " + at + "." + bit + " #" + i, () -> {
                byte[] damaged = whole.clone();
                damaged[at] ^= (byte) (1 << bit);
                work.on(write("damaged " + what, damaged));
            });
        }
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void files() {
        add("missing file", () -> load(directory.resolve("missing.gguf")), ModelLoadException.class);
        add("directory as a model", () -> load(directory), ModelLoadException.class);
        add("empty file", () -> load(write("empty", new byte[0])), ModelLoadException.class);
        add("one byte", () -> load(write("one", new byte[1])), ModelLoadException.class);
        add("text file", () -> load(write("text", "Once upon a time\n".repeat(1000).getBytes())), ModelLoadException.class);
        add("magic alone", () -> load(write("magic", "GGUF".getBytes())), ModelLoadException.class);
        add("a megabyte of zeros", () -> load(write("zeros", new byte[1 << 20])), ModelLoadException.class);
        add("a megabyte of random bytes", () -> load(write("random", random(1 << 20, 1))), ModelLoadException.class);
        add("header and random bytes", () -> {
            byte[] header = random(1 << 16, 2);
            System.arraycopy(bytes, 0, header, 0, 24);
            load(write("header", header));
        }, ModelLoadException.class);
        if (Files.exists(Path.of("/dev/zero"))) {
            add("/dev/zero", () -> load(Path.of("/dev/zero")), ModelLoadException.class);
            add("/dev/null", () -> load(Path.of("/dev/null")), ModelLoadException.class);
            add("/proc/self/mem", () -> load(Path.of("/proc/self/mem")), ModelLoadException.class);
            add("named pipe", () -> {
                Path pipe = directory.resolve("pipe");
                Files.deleteIfExists(pipe);
                new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor();
                load(pipe);
            }, ModelLoadException.class);
        }
        add("path with NUL", () -> load(Path.of("a\0b")), IllegalArgumentException.class);
        add("path that is too long", () -> load(directory.resolve("x/".repeat(5000))), ModelLoadException.class);
        add("missing file with a wide name", () -> load(directory.resolve("模型😀.gguf")), ModelLoadException.class, IllegalArgumentException.class);
        add("empty path", () -> load(Path.of("")), ModelLoadException.class, IllegalArgumentException.class);
        add("symbolic link to itself", () -> {
            Path link = directory.resolve("loop.gguf");
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, link);
            load(link);
        }, ModelLoadException.class);
        add("part of a split model", () -> load(write("m-00001-of-00003.gguf",
                TinyGguf.builder().writer().put("split.no", new GgufValue.Uint16(0)).put("split.count", new GgufValue.Uint16(3)).bytes())),
                ModelLoadException.class);
    }

    /// Wrong values for what the file says; each must be refused, or make a model that works.
    private void overrides() {
        Map<String, Object> values = new TreeMap<>();
        for (String key : List.of("llama.block_count", "llama.attention.head_count", "llama.attention.head_count_kv",
                "llama.embedding_length", "llama.feed_forward_length", "llama.rope.dimension_count", "llama.context_length",
                "llama.expert_count", "llama.expert_used_count", "llama.vocab_size", "llama.attention.sliding_window",
                "llama.attention.key_length", "llama.attention.value_length",
                "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id",
                "tokenizer.ggml.padding_token_id", "general.alignment", "split.count")) {
            for (long value : new long[] {0, -1, 3, 7, 1_000_000, 4_294_967_295L, Long.MAX_VALUE}) {
                override(key, value);
            }
        }
        for (double value : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY, 1e300}) {
            override("llama.attention.layer_norm_rms_epsilon", value);
            override("llama.rope.freq_base", value);
            override("llama.rope.scaling.factor", value);
        }
        override("general.architecture", "nonsense");
        override("general.architecture", "mamba");
        override("general.architecture", "bert");
        override("general.architecture", "");
        override("tokenizer.ggml.model", "nonsense");
        override("tokenizer.ggml.model", "gpt2");
        override("tokenizer.ggml.model", "none");
        override("tokenizer.ggml.pre", "nonsense");
        override("tokenizer.ggml.add_bos_token", false);
        override("tokenizer.ggml.add_eos_token", true);
        override("llama.block_count", "two");
        override("llama.block_count", 2.5);
        override("llama.block_count", true);
        override("tokenizer.ggml.tokens", "not a list");
        override("tokenizer.chat_template", "{{");
        override("no.such.key", 5L);
        add("override with an empty key", () -> load(file, Map.of("", 1L)), IllegalArgumentException.class);
        add("override with NUL in its key", () -> load(file, Map.of("a\0b", 1L)), IllegalArgumentException.class);
        add("override with NUL in its value", () -> load(file, Map.of("general.name", "a\0b")), IllegalArgumentException.class);
        add("override of a wrong type", () -> load(file, Map.of("llama.block_count", 2)), IllegalArgumentException.class);
    }

    private void override(String key, Object value) {
        add("override %s = %s (%s)".formatted(key, value, value.getClass().getSimpleName()), () -> load(file, Map.of(key, value)));
    }

    private void loading() {
        add("unknown device", () -> Model.load(file, ModelOptions.defaults().withDevices(List.of("NPU9"))).close(), IllegalArgumentException.class);
        add("device that holds no layers", () -> Model.load(file, ModelOptions.defaults().withDevices(List.of("Chasqui"))).close(),
                IllegalArgumentException.class);
        add("device with NUL", () -> Model.load(file, ModelOptions.defaults().withDevices(List.of("C\0PU"))).close(), IllegalArgumentException.class);
        add("listener that stops", () -> Model.load(file, ModelOptions.defaults().withListener(_ -> false)), CancelledException.class);
        add("listener that throws", () -> Model.load(file, ModelOptions.defaults().withListener(_ -> {
            throw new UnsupportedOperationException("no");
        })), UnsupportedOperationException.class);
        add("listener that throws an error", () -> Model.load(file, ModelOptions.defaults().withListener(_ -> {
            throw new StackOverflowError("no");
        })), StackOverflowError.class);
        add("context of a vocabulary", () -> {
            try (Model vocabulary = Model.load(file, ModelOptions.defaults().withVocabularyOnly(true))) {
                vocabulary.newContext();
            }
        }, IllegalStateException.class);
        add("chat of a vocabulary", () -> {
            try (Model vocabulary = Model.load(file, ModelOptions.defaults().withVocabularyOnly(true))) {
                vocabulary.chat();
            }
        }, IllegalStateException.class);
        for (LoadMode mode : LoadMode.values()) {
            add("missing file by " + mode, () ->
                    Model.load(directory.resolve("missing"), ModelOptions.defaults().withLoadMode(mode)), ModelLoadException.class);
            add("cut file by " + mode, () -> Model.load(write("cut", Arrays.copyOf(bytes, bytes.length - 5000)),
                    ModelOptions.defaults().withLoadMode(mode).withCheckTensors(true)), ModelLoadException.class);
        }
        add("weights that are no numbers, checked", () -> {
            byte[] broken = bytes.clone();
            Arrays.fill(broken, broken.length - 4000, broken.length, (byte) 0xFF);
            Model.load(write("nan", broken), ModelOptions.defaults().withCheckTensors(true));
        }, ModelLoadException.class);
        add("weights that are no numbers", () -> {
            byte[] broken = bytes.clone();
            Arrays.fill(broken, broken.length - 320 * 64 * 4, broken.length, (byte) 0xFF);
            load(write("nan", broken));
        }, IllegalStateException.class);
        add("metadata key with NUL", () -> model.metadata("a\0b"), IllegalArgumentException.class);
    }

    private void contexts() {
        ContextOptions defaults = small();
        context("context of 2147483647 tokens", defaults.withContextSize(Integer.MAX_VALUE));
        context("context of a thousand million tokens", defaults.withContextSize(1_000_000_000));
        add("context of -1 tokens", () -> defaults.withContextSize(-1), IllegalArgumentException.class);
        add("batch of 0", () -> defaults.withBatchSize(0), IllegalArgumentException.class);
        add("batch of -1", () -> defaults.withBatchSize(-1), IllegalArgumentException.class);
        add("micro-batch of 0", () -> defaults.withMicroBatchSize(0), IllegalArgumentException.class);
        add("micro-batch larger than the batch", () -> defaults.withMicroBatchSize(4096), IllegalArgumentException.class);
        add("0 sequences", () -> defaults.withMaxSequences(0), IllegalArgumentException.class);
        add("257 sequences", () -> defaults.withMaxSequences(257), IllegalArgumentException.class);
        context("256 sequences in a batch of 2", defaults.withMaxSequences(256).withBatchSize(2));
        context("256 sequences in a context of 1", defaults.withMaxSequences(256).withContextSize(1));
        context("more rows than anything", defaults.withMaxLogitRows(Integer.MAX_VALUE));
        context("batch of 2147483647", defaults.withBatchSize(Integer.MAX_VALUE).withMicroBatchSize(Integer.MAX_VALUE));
        context("batch of 1", defaults.withBatchSize(1));
        context("context of 1", defaults.withContextSize(1));
        context("quantised values without flash attention",
                defaults.withFlashAttention(FlashAttention.OFF).withKvTypes(KvType.F16, KvType.Q8_0));
        context("cache type that does not divide the heads", defaults.withKvTypes(KvType.Q4_0, KvType.F16));
        // Computing anything with them would take for ever on a few cores.
        add("512 threads", () -> model.newContext(defaults.withThreads(512)).close());
        context("strange rope", defaults.withRope(Float.MIN_VALUE, Float.MAX_VALUE));
        add("NaN as rope base", () -> defaults.withRope(Float.NaN, 1), IllegalArgumentException.class);
        add("-1 threads", () -> defaults.withThreads(-1), IllegalArgumentException.class);
        add("100000 threads on a living context", () -> context.threads(100_000, 1), IllegalArgumentException.class);
        add("generation longer than any memory", () -> model.generate("a", options().withMaxTokens(Integer.MAX_VALUE)).close());
    }

    private void context(String name, ContextOptions options) {
        add(name, () -> {
            try (Context own = model.newContext(options)) {
                Sequence one = own.newSequence();
                one.append(3);
                one.logits();
            }
        });
    }

    private void tokensOutOfRange() {
        for (int token : new int[] {-1, 320, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            add("append token " + token, () -> sequence.append(3, token), IllegalArgumentException.class);
            add("push token " + token, () -> sequence.push(token), IllegalArgumentException.class);
            add("set token " + token, () -> sequence.set(3, token), IllegalArgumentException.class);
            add("score token " + token, () -> sequence.score(token), IllegalArgumentException.class);
            add("likelihood of token " + token, () -> sequence.likelihoods(1, token), IllegalArgumentException.class);
            add(token + " alternatives", () -> sequence.likelihoods(token == 320 ? 321 : token, 3), IllegalArgumentException.class);
            add("generate from token " + token, () -> sequence.generate(new int[] {token}, options()).text(), IllegalArgumentException.class);
            add("bias of token " + token, () -> chain(Sampler.builder().logitBias(Map.of(token, 1f)).build()), IllegalArgumentException.class);
            add("trigger token " + token, () ->
                    chain(Sampler.greedy().constrainedBy(Grammar.of(GREEDY_ROOT).after(List.of(), List.of(token)))), IllegalArgumentException.class);
            add("piece of token " + token, () -> model.vocabulary().piece(token), IllegalArgumentException.class);
            add("info of token " + token, () -> model.vocabulary().info(token), IllegalArgumentException.class);
            add("text of token " + token, () -> model.vocabulary().detokenize(token), IllegalArgumentException.class);
            add("accept token " + token, () -> {
                try (SamplerChain chain = model.newSamplerChain(Sampler.standard())) {
                    chain.accept(token);
                }
            }, IllegalArgumentException.class);
        }
    }

    private void sequences() {
        add("sampling from nothing", () -> inSequence(own -> greedy(own, 1)), IllegalStateException.class);
        add("logits of nothing", () -> inSequence(Sequence::logits), IllegalStateException.class);
        add("rewind to -1", () -> sequence.rewind(-1), IllegalArgumentException.class);
        add("rewind beyond the end", () -> sequence.rewind(21), IllegalArgumentException.class);
        add("more tokens than the context has", () -> inSequence(own -> own.append(tokens(513, 1))), ContextFullException.class);
        add("set of more tokens than the context has", () -> inSequence(own -> own.set(tokens(513, 1))), ContextFullException.class);
        add("score of more tokens than the context has", () -> inSequence(own -> own.score(tokens(513, 1))), ContextFullException.class);
        add("likelihoods of more tokens than the context has", () -> inSequence(own -> own.likelihoods(2, tokens(513, 1))), ContextFullException.class);
        add("more pushes than the context has", () -> inSequence(own -> {
            for (int i = 0; i < 2000; i++) {
                own.push(5);
            }
            greedy(own, 1);
        }), ContextFullException.class);
        add("10 MB prompt", () -> inSequence(own -> own.append("the river ".repeat(1 << 20))), ContextFullException.class);
        add("10 MB chat message", () -> {
            try (ChatSession chat = model.chat(small(), options())) {
                chat.send("the river ".repeat(1 << 20)).text();
            }
        }, ContextFullException.class);
        add("too many sequences", () -> {
            try (Sequence one = context.newSequence(); Sequence two = one.fork()) {
                two.fork();
            }
        }, IllegalStateException.class);
        add("chain of another model", () -> {
            try (SamplerChain chain = other.newSamplerChain(Sampler.greedy())) {
                sequence.next(chain);
            }
        }, IllegalArgumentException.class);
        add("negative number of tokens", () -> options().withMaxTokens(-1), IllegalArgumentException.class);
        add("empty stop string", () -> options().withStop(""), IllegalArgumentException.class);
        add("iterating twice", () -> {
            Generation generation = sequence.generate(options());
            generation.text();
            generation.text();
        }, IllegalStateException.class);
        add("sparse attention in every kind of context", () -> {
            for (CellSelector selector : CellSelector.values()) {
                for (ContextOptions kind : List.of(small(), small().withFlashAttention(FlashAttention.OFF))) {
                    try (Context own = model.newContext(kind.withMaxSequences(3)); Sequence one = own.newSequence()) {
                        own.setSparseAttention(SparseAttention.sketch().withSelector(selector).withShare(0.01).withSinks(0).withWindow(1).withRefresh(64)
                                .withLayersPerChoice(Integer.MAX_VALUE).withAlways(true));
                        one.append(tokens(200, 1));
                        greedy(one, 3);
                        try (Sequence two = one.fork()) {
                            one.rewind(20);
                            greedy(two, 3);
                            greedy(one, 3);
                        }
                        one.rewind(0);
                        one.append(5);
                        greedy(one, 50);
                    }
                }
            }
        });
        add("stats before the end", () -> sequence.generate(options()).stats(), IllegalStateException.class);
    }

    private void states() {
        byte[] state = sequence.save();
        restore("empty", new byte[0]);
        restore("1 KB of zeros", new byte[1024]);
        restore("1 KB of random bytes", random(1024, 3));
        restore("a megabyte of random bytes", random(1 << 20, 4));
        restore("half a state", Arrays.copyOf(state, state.length / 2));
        restore("a state and a half", Arrays.copyOf(state, state.length * 3 / 2));
        for (int field = 0; field < 64; field += 4) {
            byte[] broken = state.clone();
            Arrays.fill(broken, field, field + 4, (byte) 0xFF);
            restore("0xFFFFFFFF at " + field, broken);
        }
        add("state of another model", () -> {
            try (Context elsewhere = other.newContext(small())) {
                elsewhere.newSequence().restore(state);
            }
        }, StateMismatchException.class);
    }

    private void restore(String name, byte[] state) {
        add("restore " + name, () -> sequence.restore(state), StateMismatchException.class);
    }

    private void samplers() {
        float nan = Float.NaN;
        List<Sampler.Stage> bad = List.of(
                new Sampler.TopP(nan, 1), new Sampler.MinP(nan, 1), new Sampler.Typical(nan, 1), new Sampler.Temperature(nan),
                new Sampler.Temperature(Float.NEGATIVE_INFINITY), new Sampler.DynamicTemperature(nan, nan, nan), new Sampler.TopNSigma(nan),
                new Sampler.Xtc(nan, nan, 1, 1), new Sampler.Mirostat(nan, nan, 0, 1), new Sampler.MirostatV2(0, 0, 1),
                new Sampler.AdaptiveP(nan, nan, 1), new Sampler.Penalties(-5, nan, nan, nan), new Sampler.Penalties(Integer.MAX_VALUE, 1, 0, 0),
                new Sampler.Dry(nan, nan, -1, -1, List.of()), new Sampler.Dry(1, 2, 2, 64, List.of("\0")),
                new Sampler.LogitBias(Map.of(5, nan)), new Sampler.LogitBias(Map.of(5, Float.POSITIVE_INFINITY)));
        for (Sampler.Stage stage : bad) {
            add("sampler " + stage, () -> chain(new Sampler(stage.picks() ? List.of(stage) : List.of(stage, new Sampler.Greedy()))),
                    IllegalArgumentException.class);
        }
        add("no stages", () -> new Sampler(List.of()), IllegalArgumentException.class);
        add("10000 stages", () -> {
            Sampler.Builder builder = Sampler.builder();
            for (int i = 0; i < 10_000; i++) {
                builder.topK(5);
            }
            chain(builder.build());
        }, IllegalArgumentException.class, IllegalStateException.class);
        Map<Integer, Float> everything = new TreeMap<>();
        for (int token = 0; token < 320; token++) {
            everything.put(token, Float.NEGATIVE_INFINITY);
        }
        for (Sampler sampler : List.of(Sampler.greedy(), Sampler.standard(), Sampler.builder().mirostat(5, 0.1f).build(),
                Sampler.builder().mirostatV2(5, 0.1f).build(), Sampler.builder().typical(0.5f).build(), Sampler.builder().infill().build(),
                Sampler.builder().adaptiveP(0.5f, 0.5f).build(), Sampler.builder().xtc(1, 0).build(), Sampler.builder().topNSigma(1).build())) {
            List<Sampler.Stage> stages = new ArrayList<>(List.of(new Sampler.LogitBias(everything)));
            stages.addAll(sampler.stages());
            add("every token forbidden before " + sampler, () -> next(new Sampler(stages)), IllegalStateException.class);
        }
        add("row that is too short", () -> pick(new float[319]), IllegalArgumentException.class);
        add("row that is too long", () -> pick(new float[321]), IllegalArgumentException.class);
        add("empty row", () -> pick(new float[0]), IllegalArgumentException.class);
        float[] noNumbers = new float[320];
        Arrays.fill(noNumbers, nan);
        add("row without a number", () -> pick(noNumbers), IllegalStateException.class);
        float[] infinite = new float[320];
        Arrays.fill(infinite, Float.POSITIVE_INFINITY);
        add("row of infinities", () -> pick(infinite));
        add("dry with a breaker of a megabyte", () -> next(Sampler.builder()
                .add(new Sampler.Dry(1, 2, 2, 64, List.of("x".repeat(1 << 20)))).greedy().build()));
        add("dry with endless growth", () -> next(Sampler.builder()
                .add(new Sampler.Dry(Float.MAX_VALUE, Float.MAX_VALUE, 0, 64, List.of())).greedy().build()));
        add("huge minKeep", () -> next(Sampler.builder().add(new Sampler.TopP(0.1f, Integer.MAX_VALUE)).add(new Sampler.MinP(0.9f, Integer.MAX_VALUE))
                .add(new Sampler.Typical(0.1f, Integer.MAX_VALUE)).build()));
    }

    private void grammars() {
        Map<String, String> bad = new TreeMap<>();
        bad.put("empty", "");
        bad.put("unbalanced", "root ::= (\"a\"");
        bad.put("unbalanced the other way", "root ::= \"a\")");
        bad.put("left recursion", "root ::= root \"a\"");
        bad.put("indirect left recursion", "root ::= a\na ::= b \"x\"\nb ::= a \"y\"");
        bad.put("left recursion behind something empty", "root ::= \"\" root \"a\"");
        bad.put("rule that is only itself", "root ::= root");
        bad.put("undefined rule", "root ::= thing");
        bad.put("missing root", "start ::= \"a\"");
        bad.put("100000 parentheses", "root ::= " + "(".repeat(100_000) + "\"a\"" + ")".repeat(100_000));
        bad.put("100000 open parentheses", "root ::= " + "(".repeat(100_000));
        bad.put("2 MB", "root ::= " + "\"a\" ".repeat(1 << 19));
        bad.put("huge repetition", "root ::= \"a\"{1000000000}");
        bad.put("repetition beyond int", "root ::= \"a\"{99999999999999999999}");
        bad.put("repetitions in repetitions", "root ::= (((\"a\"{1000}){1000}){1000}){1000}");
        bad.put("backwards repetition", "root ::= \"a\"{5,2}");
        bad.put("negative repetition", "root ::= \"a\"{-1}");
        bad.put("open character class", "root ::= [a-z");
        bad.put("open string", "root ::= \"a");
        bad.put("bad escape", "root ::= \"\\xZZ\"");
        bad.put("escape at the end", "root ::= \"\\");
        bad.put("no rules, only a name", "root");
        bad.put("star of nothing", "root ::= *");
        bad.forEach((name, gbnf) -> add("grammar: " + name, () -> chain(Sampler.greedy().constrainedBy(Grammar.of(gbnf))), GrammarException.class));

        Map<String, String> odd = new TreeMap<>();
        odd.put("rule without an end", "root ::=");
        odd.put("star of a star", "root ::= ((\"a\"*)*)*");
        odd.put("star of something empty", "root ::= (\"\")* \"a\"");
        odd.put("optional recursion", "root ::= \"a\" root | \"\"");
        odd.put("right recursion without an end", "root ::= \"a\" root");
        odd.put("many alternatives", "root ::= " + "\"a\" | ".repeat(10_000) + "\"b\"");
        odd.put("ambiguous", "root ::= (\"a\" | \"a\" | \"a\" | \"aa\" | \"aaa\")* ");
        odd.put("ambiguous in many ways", "root ::= (a a a a a a a a)*\na ::= \"x\"? \"x\"? \"x\"? \"x\"?");
        odd.put("backwards class", "root ::= [z-a]");
        odd.put("empty class", "root ::= []");
        odd.put("everything but everything", "root ::= [^\\x00-\\U0010FFFF]");
        odd.put("beyond Unicode", "root ::= \"\\UFFFFFFFF\"");
        odd.put("lone surrogate", "root ::= \"\uD800\"");
        odd.put("invalid bytes", "root ::= \"\\xFF\\xFE\"");
        odd.put("nothing at all", "root ::= \"\"");
        odd.put("rule defined twice", "root ::= \"a\"\nroot ::= \"b\"");
        odd.put("long name", "root ::= " + "x".repeat(100_000) + "\n" + "x".repeat(100_000) + " ::= \"a\"");
        odd.put("120 parentheses", "root ::= " + "(".repeat(120) + "\"a\"" + ")".repeat(120));
        odd.forEach((name, gbnf) -> add("odd grammar: " + name, () -> {
            for (int i = 0; i < 3; i++) {
                next(Sampler.greedy().constrainedBy(Grammar.of(gbnf)));
            }
        }));

        add("grammar with NUL", () -> chain(Sampler.greedy().constrainedBy(Grammar.of("root ::= \"\0\""))), IllegalArgumentException.class);
        add("root rule with NUL", () -> chain(Sampler.greedy().constrainedBy(new Grammar(GREEDY_ROOT, "ro\0ot", List.of(), List.of()))),
                IllegalArgumentException.class);
        add("empty root rule", () -> chain(Sampler.greedy().constrainedBy(new Grammar(GREEDY_ROOT, "", List.of(), List.of()))), GrammarException.class);
        add("grammar that this vocabulary cannot write", () -> next(Sampler.builder().grammar(Grammar.of("root ::= \"a\""))
                .logitBias(Map.of(SamplerChainTest.letter('a'), Float.NEGATIVE_INFINITY, TinyGguf.FIRST_BYTE + 'a', Float.NEGATIVE_INFINITY))
                .greedy().build()), IllegalStateException.class, GrammarException.class);
        add("grammar after its end", () -> {
            Sampler sampler = Sampler.greedy().constrainedBy(Grammar.of("root ::= \"a\""));
            try (Sequence own = context.newSequence(); SamplerChain chain = model.newSamplerChain(sampler)) {
                own.append(prompt);
                TestModels.next(own, chain, 10);
            }
        });
        for (String pattern : List.of("(", "[", "*", "a{5,2}", "(?<x>a)", "\\", "(".repeat(5_000) + ")".repeat(5_000), "x".repeat(100_000))) {
            add("trigger pattern " + pattern.substring(0, Math.min(12, pattern.length())), () -> chain(Sampler.greedy()
                    .constrainedBy(Grammar.of(GREEDY_ROOT).after(List.of(pattern), List.of()))), GrammarException.class, IllegalArgumentException.class);
        }
        add("trigger pattern that backtracks a lot", () -> lazy("(x+x+)+y", 18));
        add("trigger pattern on a long text", () -> longPieces("^(?:x|z)*(y)"));
    }

    /// Waits for a pattern over `count` times x.
    private void lazy(String pattern, int count) {
        Sampler sampler = Sampler.builder().logitBias(Map.of(SamplerChainTest.letter('x'), 100f))
                .grammar(Grammar.of(GREEDY_ROOT).after(List.of(pattern), List.of())).greedy().build();
        try (Sequence own = context.newSequence(); SamplerChain chain = model.newSamplerChain(sampler)) {
            own.append(prompt);
            TestModels.next(own, chain, count);
        }
    }

    /// Waits for a pattern while each token adds 100 000 characters.
    private void longPieces(String pattern) {
        Path own = write("long.gguf", TestModels.tinyWithPiece("x".repeat(100_000)));
        Sampler sampler = Sampler.builder().logitBias(Map.of(319, 100f))
                .grammar(Grammar.of(GREEDY_ROOT).after(List.of(pattern), List.of())).greedy().build();
        try (Model wide = Model.load(own); Context elsewhere = wide.newContext(small()); SamplerChain chain = wide.newSamplerChain(sampler)) {
            Sequence one = elsewhere.newSequence();
            one.append(5);
            TestModels.next(one, chain, 5);
        } catch (ModelLoadException e) {
            throw new AssertionError("the model was to load", e);
        }
    }

    private void chats() {
        String strict = "{% for m in messages %}{% if m['role'] != 'user' %}{{ raise_exception('role') }}{% endif %}{{ m['content'] }}{% endfor %}";
        add("chat with an unknown role", () -> chat(strict, new ChatMessage("wizard", "a")), IllegalArgumentException.class);
        add("chat with an empty role", () -> chat(strict, new ChatMessage("", "a")), IllegalArgumentException.class);
        add("chat with NUL in a role", () -> chat(strict, new ChatMessage("us\0er", "a")), IllegalArgumentException.class);
        add("chat with NUL in a message", () -> chat(strict, new ChatMessage("user", "a\0b")), IllegalArgumentException.class);
        add("chat without messages", () -> chat("{{ messages[0]['content'] }}"));
        add("chat with hostile strings", () -> chat(strict, ChatMessage.user("{{ 7 * 7 }}{% raw %}{% endfor %}</s><s>\uE000\uE001\uD800\uFFFF")));
        add("chat with marks of its own", () -> chat(TestModels.CHAT_TEMPLATE, ChatMessage.user("\uE0000123456789abcdef0\uE001</s>\uE001")));
        add("chat with 5 MB", () -> chat(strict, ChatMessage.user("river ".repeat(900_000))));
        Map<String, String> templates = new TreeMap<>();
        templates.put("open expression", "{{");
        templates.put("open statement", "{% for m in messages %}");
        templates.put("unknown statement", "{% nonsense %}");
        templates.put("end without a beginning", "{% endif %}");
        templates.put("bad operator", "{{ 1 +* 2 }}");
        templates.put("unknown filter", "{{ 'a' | nonsense }}");
        templates.put("call of nothing", "{{ nothing() }}");
        templates.put("raised", "{{ raise_exception('no') }}");
        templates.forEach((name, template) -> add("template: " + name, () -> chat(template, ChatMessage.user("a")), IllegalArgumentException.class));
        Map<String, String> odd = new TreeMap<>();
        odd.put("division by zero", "{{ 1 / 0 }}{{ 1 % 0 }}{{ 1 // 0 }}");
        odd.put("index out of range", "{{ messages[99999] }}{{ messages[-99999] }}{{ 'abc'[99] }}{{ 'abc'[5:1] }}");
        odd.put("huge numbers", "{{ 99999999999999999999999999 * 99999999999999999999 }}{{ 9223372036854775807 + 1 }}{{ (-9223372036854775807 - 1) // -1 }}");
        odd.put("empty", "");
        odd.put("binary", new String(new char[] {1, 2, 3, 0xFF, 0xD800}));
        odd.put("deep parentheses", "{{ " + "(".repeat(100_000) + "1" + ")".repeat(100_000) + " }}");
        odd.put("deep lists", "{{ " + "[".repeat(100_000) + "]".repeat(100_000) + " }}");
        odd.put("deep conditions", "{% if true %}".repeat(50_000) + "{% endif %}".repeat(50_000));
        odd.put("long sum", "{{ 1" + " + 1".repeat(100_000) + " }}");
        odd.put("long chain of filters", "{{ 'a'" + " | trim".repeat(100_000) + " }}");
        odd.put("many nots", "{{ " + "not ".repeat(100_000) + "true }}");
        odd.put("macro that calls itself", "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}");
        odd.put("macros that call each other", "{% macro f(x) %}{{ g(x) }}{% endmacro %}{% macro g(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}");
        odd.put("macro under another name", "{% macro f(h, x) %}{{ h(h, x) }}{% endmacro %}{% set g = f %}{{ g(g, 1) }}");
        odd.put("nested loops without end", "{% for a in range(3000) %}{% for b in range(3000) %}{% for c in range(3000) %}{{ '' }}{% endfor %}{% endfor %}{% endfor %}");
        odd.put("text that doubles", "{% set ns = namespace(t='x') %}{% for i in range(20) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t }}");
        odd.forEach((name, template) -> add("odd template: " + name, () -> chat(template, ChatMessage.user("a"))));
        add("null in a conversation", () -> {
            try (ChatTemplate template = model.chatTemplate()) {
                template.render(Arrays.asList((ChatMessage) null), true);
            }
        }, NullPointerException.class);
    }

    private void chat(String source, ChatMessage... messages) {
        Path own = TinyGguf.builder().chatTemplate(source).write(directory.resolve("chat.gguf"));
        try (Model chatty = Model.load(own); ChatTemplate template = chatty.chatTemplate()) {
            template.render(List.of(messages), true);
            template.tokenize(List.of(messages), true);
        }
    }

    private void nulls() {
        List<Body> calls = List.of(
                () -> Model.load(null), () -> Model.load(file, null), () -> model.newContext(null), () -> model.newSamplerChain(null),
                () -> model.generate(null, options()), () -> model.generate("a", null), () -> model.metadata(null), () -> model.chat(null, (GenerationOptions) null),
                () -> sequence.append((int[]) null), () -> sequence.append((String) null), () -> sequence.set((int[]) null),
                () -> sequence.score((int[]) null), () -> sequence.likelihoods(0, (int[]) null), () -> sequence.next(null), () -> sequence.generate(null), () -> sequence.restore((byte[]) null),
                () -> model.vocabulary().tokenize((String) null), () -> model.vocabulary().detokenize((int[]) null), () -> pick(null),
                () -> Chasqui.nativeLog(null));
        for (int i = 0; i < calls.size(); i++) {
            add("null " + i, calls.get(i), NullPointerException.class);
        }
    }

    private void closed() {
        add("closed model", () -> {
            Model own = Model.load(file);
            own.close();
            own.newContext();
        }, IllegalStateException.class);
        add("closed context", () -> {
            Context own = model.newContext(small());
            Sequence one = own.newSequence();
            own.close();
            one.append(3);
        }, IllegalStateException.class);
        add("closed sequence", () -> {
            Sequence own = context.newSequence();
            own.close();
            own.append(3);
        }, IllegalStateException.class);
        add("closed chain", () -> {
            SamplerChain chain = model.newSamplerChain(Sampler.greedy());
            chain.close();
            sequence.next(chain);
        }, IllegalStateException.class);
        add("closed template", () -> {
            ChatTemplate template = model.chatTemplate();
            template.close();
            template.render(List.of(), true);
        }, IllegalStateException.class);
        add("closed chat", () -> {
            ChatSession chat = model.chat(small(), options());
            chat.close();
            chat.send("a").text();
        }, IllegalStateException.class);
        add("generation after its context", () -> {
            Context own = model.newContext(small());
            Generation generation = own.newSequence().generate(prompt, options());
            own.close();
            generation.text();
        }, IllegalStateException.class);
    }

    private void threads() {
        add("two threads on a context", () -> {
            try (Context own = model.newContext(small().withContextSize(8192))) {
                Sequence one = own.newSequence();
                CompletableFuture<Void> append = TestModels.async(() -> TestModels.insist(() -> one.append(tokens(8000, 1))));
                try {
                    while (!append.isDone()) {
                        one.room();
                    }
                } finally {
                    append.join();
                }
            }
        }, IllegalStateException.class);
        add("two threads on a chain", () -> {
            try (SamplerChain chain = model.newSamplerChain(Sampler.standard())) {
                AtomicBoolean stop = new AtomicBoolean();
                CompletableFuture<Void> other = TestModels.async(() -> {
                    while (!stop.get()) {
                        TestModels.insist(() -> chain.pick(new float[320]));
                    }
                });
                try {
                    while (!other.isDone()) {
                        chain.pick(new float[320]);
                    }
                } finally {
                    stop.set(true);
                    other.join();
                }
            }
        }, IllegalStateException.class);
    }

    /// Each either is refused, or loads, generates four tokens and closes.
    private void damage() {
        Random random = new Random(7);
        int header = header();
        for (int i = 0; i < CUTS; i++) {
            // Half of the places are in the header and the metadata, which are a small part of the file.
            int length = i % 2 == 0 ? random.nextInt(header) : random.nextInt(bytes.length);
            add("file cut: at byte " + length, () -> load(write("damaged.gguf", Arrays.copyOf(bytes, length))), ModelLoadException.class);
        }
        for (int i = 0; i < FLIPS; i++) {
            int place = i % 4 != 0 ? random.nextInt(header) : random.nextInt(bytes.length);
            int bit = random.nextInt(8);
            add("bit flipped: " + bit + " of byte " + place, () -> {
                byte[] damaged = bytes.clone();
                damaged[place] ^= (byte) (1 << bit);
                load(write("damaged.gguf", damaged));
            });
        }
        for (int i = 0; i < ZEROED; i++) {
            int place = i % 2 == 0 ? random.nextInt(header) : random.nextInt(bytes.length);
            int length = 1 << random.nextInt(14);
            add("block zeroed: " + length + " bytes at " + place, () -> {
                byte[] damaged = bytes.clone();
                Arrays.fill(damaged, place, Math.min(damaged.length, place + length), (byte) 0);
                load(write("damaged.gguf", damaged));
            });
        }
    }

    /// Bytes before the tensors.
    private int header() {
        return Math.toIntExact(GgufFile.read(file).dataOffset());
    }

    private void load(Path path) {
        load(path, Map.of());
    }

    private void load(Path path, Map<String, Object> overrides) {
        try (Model own = Model.load(path, ModelOptions.defaults().withMetadataOverrides(overrides)); Context elsewhere = own.newContext(small())) {
            Sequence one = elsewhere.newSequence();
            one.append("the river");
            if (one.length() == 0) {
                one.append(0);
            }
            greedy(one, 4);
            own.vocabulary().detokenize(one.tokens(), true);
        }
    }

    private void inSequence(java.util.function.Consumer<Sequence> body) {
        try (Sequence own = context.newSequence()) {
            body.accept(own);
        }
    }

    private void chain(Sampler sampler) {
        model.newSamplerChain(sampler).close();
    }

    private void next(Sampler sampler) {
        try (Sequence own = context.newSequence(); SamplerChain chain = model.newSamplerChain(sampler)) {
            own.append(prompt);
            TestModels.next(own, chain, 3);
        }
    }

    private void pick(float[] row) {
        try (SamplerChain chain = model.newSamplerChain(Sampler.standard())) {
            chain.pick(row);
        }
    }

    private static GenerationOptions options() {
        return GenerationOptions.defaults().withMaxTokens(4).withSampler(Sampler.greedy());
    }

    private Path write(String name, byte[] content) {
        try {
            return Files.write(directory.resolve(name), content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] random(int count, long seed) {
        byte[] random = new byte[count];
        new Random(seed).nextBytes(random);
        return random;
    }
}
