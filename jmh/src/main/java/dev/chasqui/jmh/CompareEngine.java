package dev.chasqui.jmh;

import dev.chasqui.Answer;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Engine;
import dev.chasqui.EngineOptions;
import dev.chasqui.EngineRequest;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;

/// An [Engine] against the same requests one after another, in one process and in turns, and the gaps between the tokens of running answers while a long
/// prompt arrives and while none does.
///
/// Arguments: model file, rounds, results file, and perhaps one of the names below, which alone is measured then. Prints JSON lines and appends them to the file:
///
/// - `requests`: tokens per second of 64 requests of mixed lengths from virtual threads, over those of one after another without guessing ahead;
/// - `batch`: tokens per second of the same prompt and answer lengths for all, which `llama-batched-bench` computes too (`compare-engine.sh` runs it);
/// - `gaps`: milliseconds between two tokens of a running answer, the median and the 99th percentile, with a prompt of 4,000 tokens beside it and without one, over
///   the same tokens of it.
public final class CompareEngine {

    private static final int REQUESTS = 64;
    private static final int BATCH_PROMPT = 128;
    private static final int BATCH_ANSWER = 64;
    private static final int LONG_PROMPT = 4000;
    private static final int TOKENS_BEFORE = 200;
    private static final int MOST_CELLS = 11000; // of running answers together
    private static final int CONTEXT = 16384;

    private static final GenerationOptions OPTIONS = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true)
            .withSpeculation(Speculation.off());

    private record Request(int[] prompt, int tokens) { }

    /// Answers of ordinary text, whose tokens are all whole characters. Each has a token; the pieces of the first are read.
    private record Running(List<Answer> answers, Iterator<String> watched) {

        static Running of(Engine engine, int count) {
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                answers.add(engine.submit(EngineRequest.text("Once upon a time, in village number " + i + ", there lived")
                        .withOptions(OPTIONS.withMaxTokens(MOST_CELLS / count))));
            }
            Iterator<String> watched = answers.getFirst().iterator();
            while (answers.stream().anyMatch(answer -> answer.tokens().length == 0)) {
                watched.next();
            }
            return new Running(answers, watched);
        }
    }

    private final Model model;
    private final Path file;
    private final Path results;

    private CompareEngine(Model model, Path file, Path results) {
        this.model = model;
        this.file = file;
        this.results = results;
    }

    public static void main(String[] args) throws Exception {
        Path file = Path.of(args[0]);
        int rounds = Integer.parseInt(args[1]);
        try (Model model = Model.load(file)) {
            CompareEngine compare = new CompareEngine(model, file, Path.of(args[2]));
            String only = args.length > 3 ? args[3] : "";
            if (only.isEmpty() || only.equals("requests")) {
                compare.requests(rounds);
            }
            if (only.isEmpty() || only.equals("batch")) {
                compare.batch(rounds);
            }
            for (int answers : only.isEmpty() || only.equals("gaps") ? new int[] {1, 4, 16} : new int[0]) {
                compare.gaps(answers, rounds);
            }
        }
    }

    private void requests(int rounds) throws Exception {
        List<Request> requests = new ArrayList<>();
        Random random = new Random(1);
        for (int i = 0; i < REQUESTS; i++) {
            requests.add(new Request(prompt(16 + random.nextInt(241), random), 16 + random.nextInt(81)));
        }
        double[] speeds = new double[rounds];
        double[] ratios = new double[rounds];
        answered(requests.subList(0, 8));
        for (int round = 0; round < rounds; round++) {
            double sequential = inTurn(requests);
            double engine = answered(requests);
            speeds[round] = tokens(requests) / engine;
            ratios[round] = sequential / engine;
            System.err.printf(Locale.ROOT, "round %d: one after another %.2f s, engine %.2f s, ratio %.3f%n", round + 1, sequential, engine, ratios[round]);
        }
        Comparison.append(results, "one after another", file, REQUESTS + " requests", speeds, ratios);
    }

    private void batch(int rounds) throws Exception {
        Random random = new Random(2);
        List<Request> requests = new ArrayList<>();
        for (int i = 0; i < REQUESTS; i++) {
            requests.add(new Request(prompt(BATCH_PROMPT, random), BATCH_ANSWER));
        }
        for (int round = 0; round < rounds; round++) {
            double seconds = answered(requests);
            append("{\"time\":\"%s\",\"test\":\"batch\",\"model\":\"%s\",\"pp\":%d,\"tg\":%d,\"pl\":%d,\"t\":%.3f,\"speed\":%.2f}",
                    now(), file.getFileName(), BATCH_PROMPT, BATCH_ANSWER, REQUESTS, seconds, REQUESTS * (BATCH_PROMPT + BATCH_ANSWER) / seconds);
        }
    }

    private int[] prompt(int length, Random random) {
        return random.ints(length, 0, model.vocabulary().size()).toArray();
    }

    private static long tokens(List<Request> requests) {
        return requests.stream().mapToLong(Request::tokens).sum();
    }

    /// Seconds.
    private double inTurn(List<Request> requests) {
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(1024)); Sequence sequence = context.newSequence()) {
            long start = System.nanoTime();
            for (Request request : requests) {
                sequence.rewind(0);
                try (Generation generation = sequence.generate(request.prompt(), OPTIONS.withMaxTokens(request.tokens()))) {
                    generation.text();
                }
            }
            return (System.nanoTime() - start) / 1e9;
        }
    }

    private Engine engine() {
        return model.newEngine(EngineOptions.defaults().withContext(ContextOptions.defaults().withContextSize(CONTEXT))
                .withMaxConcurrent(REQUESTS).withKeptSequences(0));
    }

    private double answered(List<Request> requests) throws Exception {
        try (Engine engine = engine(); var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Callable<String>> tasks = new ArrayList<>();
            for (Request request : requests) {
                tasks.add(() -> engine.submit(request(request)).text());
            }
            long start = System.nanoTime();
            for (Future<String> future : executor.invokeAll(tasks)) {
                future.get();
            }
            return (System.nanoTime() - start) / 1e9;
        }
    }

    private static EngineRequest request(Request request) {
        return EngineRequest.tokens(request.prompt()).withOptions(OPTIONS.withMaxTokens(request.tokens()));
    }

    private void gaps(int answers, int rounds) throws IOException {
        Random random = new Random(3);
        for (int round = 0; round < rounds; round++) {
            long[] busy;
            double firstToken;
            try (Engine engine = engine()) {
                Running running = Running.of(engine, answers);
                gaps(running.watched, () -> false, TOKENS_BEFORE);
                Answer prompt = engine.submit(request(new Request(prompt(LONG_PROMPT, random), 1)));
                busy = gaps(running.watched, prompt::isDone, Integer.MAX_VALUE);
                prompt.text();
                running.answers.forEach(Answer::cancel);
                firstToken = prompt.stats().timeToFirstToken().toNanos() / 1e9;
            }
            // the same tokens of the same answer, with no prompt beside it: a long text has longer gaps than a short one by itself
            long[] quiet;
            try (Engine engine = engine()) {
                Running running = Running.of(engine, answers);
                gaps(running.watched, () -> false, TOKENS_BEFORE);
                quiet = gaps(running.watched, () -> false, busy.length);
                running.answers.forEach(Answer::cancel);
            }
            append("{\"time\":\"%s\",\"test\":\"gaps\",\"model\":\"%s\",\"answers\":%d,\"prompt\":%d,\"quiet_p50_ms\":%.3f,\"quiet_p99_ms\":%.3f,"
                            + "\"busy_p50_ms\":%.3f,\"busy_p99_ms\":%.3f,\"p99_ratio\":%.3f,\"busy_gaps\":%d,\"first_token_s\":%.3f}",
                    now(), file.getFileName(), answers, LONG_PROMPT, at(quiet, 0.5), at(quiet, 0.99), at(busy, 0.5), at(busy, 0.99),
                    at(busy, 0.99) / at(quiet, 0.99), busy.length, firstToken);
        }
    }

    /// Nanoseconds between pieces as a reader gets them, sorted: `most` of them, or until the condition holds or the answer ends.
    private static long[] gaps(Iterator<String> reader, BooleanSupplier end, int most) {
        List<Long> gaps = new ArrayList<>();
        reader.next();
        long last = System.nanoTime();
        while (gaps.size() < most && !end.getAsBoolean() && reader.hasNext()) {
            reader.next();
            long now = System.nanoTime();
            gaps.add(now - last);
            last = now;
        }
        return gaps.stream().mapToLong(Long::longValue).sorted().toArray();
    }

    /// Milliseconds.
    private static double at(long[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] / 1e6;
    }

    private static String now() {
        return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private void append(String format, Object... values) throws IOException {
        String row = String.format(Locale.ROOT, format, values);
        System.out.println(row);
        Files.writeString(results, row + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
