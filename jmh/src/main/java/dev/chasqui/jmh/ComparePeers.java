package dev.chasqui.jmh;

import dev.chasqui.Model;
import dev.chasqui.Vocabulary;
import dev.chasqui.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/// Chasqui and other programs that read the same model file, each in processes of its own, in turns: `generate` measures the speed of prompt and answer after a
/// warm-up, `cold` the time from a process's start to the first byte of its answer and its peak resident memory. Prints a table, and appends a row for each
/// program to a file. `compare-peers.sh` gets the programs; those that are not there are left out.
///
/// Arguments: `generate` or `cold`, repository root, model file, rounds, results file.
public final class ComparePeers {

    private static final int THREADS = 2;
    private static final int PROMPT_TOKENS = 512;
    private static final int COLD_PROMPT_TOKENS = 30;
    private static final int TOKENS = 64;
    private static final int WARM_UP_TOKENS = 8;
    private static final Pattern ANSWER_PREFILL = Pattern.compile("prefill ([0-9.]+)");
    private static final Pattern ANSWER_DECODE = Pattern.compile("decode ([0-9.]+)");
    private static final long POLL_MILLIS = 5;
    private static final double MIB = 1024;

    /// A program that is measured.
    ///
    /// @param commands what is run in one round
    /// @param prefill  finds tokens per second of the prompt in what the commands print
    /// @param decode   the same for the answer
    private record Program(String name, List<List<String>> commands, Pattern prefill, Pattern decode) {

        static Program answering(String name, List<String> command) {
            return new Program(name, List.of(command), ANSWER_PREFILL, ANSWER_DECODE);
        }
    }

    /// What one round of one program gave.
    ///
    /// @param first  tokens per second of the prompt, or seconds to the first token
    /// @param second tokens per second of the answer, or MiB
    private record Reading(double first, double second) { }

    private interface Measurement {

        Reading of(Program program) throws IOException, InterruptedException;
    }

    private final Path root;
    private final String model;
    private final int rounds;
    private final Path results;

    private ComparePeers(Path root, String model, int rounds, Path results) {
        this.root = root;
        this.model = model;
        this.rounds = rounds;
        this.results = results;
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        ComparePeers comparison = new ComparePeers(Path.of(args[1]), args[2], Integer.parseInt(args[3]), Path.of(args[4]));
        Path prompt = Files.createTempFile("chasqui-prompt", ".txt");
        try {
            switch (args[0]) {
                case "generate" -> comparison.generate(prompt);
                case "cold" -> comparison.cold(prompt);
                default -> throw new IllegalArgumentException("generate or cold, not " + args[0]);
            }
        } finally {
            Files.delete(prompt);
        }
    }

    private void generate(Path prompt) throws IOException, InterruptedException {
        int length = writePrompt(prompt, PROMPT_TOKENS);
        List<String> arguments = answerArguments(prompt, length, WARM_UP_TOKENS);
        List<Program> programs = new ArrayList<>();
        for (String mode : List.of("plain", "speculation")) {
            List<String> ours = join(List.of(java(), "--enable-native-access=ALL-UNNAMED", "-Dchasqui.library.path=" + natives(),
                    "-cp", System.getProperty("java.class.path"), PeerAnswer.class.getName()), join(arguments, List.of(mode)));
            programs.add(Program.answering("Chasqui, " + mode, ours));
        }
        List<String> bench = List.of(natives().resolve("llama-bench").toString(), "-m", model, "-t", "" + THREADS, "-r", "1", "-o", "jsonl");
        programs.add(new Program("llama-bench",
                List.of(join(bench, List.of("-p", "" + length, "-n", "0")), join(bench, List.of("-p", "0", "-n", "" + TOKENS, "-d", "" + length))),
                Pattern.compile("\"n_prompt\": [1-9].*\"avg_ts\": ([0-9.]+)"), Pattern.compile("\"n_gen\": [1-9].*\"avg_ts\": ([0-9.]+)")));
        programs.add(new Program("llama-completion", List.of(completion(prompt)),
                Pattern.compile(" prompt eval time = .*?([0-9.]+) tokens per second"), Pattern.compile(" {2}eval time = .*?([0-9.]+) tokens per second")));
        Path line = Files.writeString(prompt.resolveSibling(prompt.getFileName() + ".jsonl"),
                Json.write(Map.of("id", "peers", "category", "prose", "prompt", Files.readString(prompt))) + "\n");
        line.toFile().deleteOnExit();
        programs.add(new Program("llama.cpp's n-gram drafters, the best of them", List.of(List.of(natives().resolve("bench/bench_llama_speculation").toString(),
                model, "--prompts", line.toString(), "-n", "" + TOKENS, "-t", "" + THREADS, "--raw")),
                Pattern.compile("\"prompt_tps\":([0-9.]+)"), Pattern.compile("\"summary\".*\"spec_tps\":([0-9.]+)")));
        bindings(arguments, programs);
        report("generate", length, "prefill_tps", "decode_tps", programs, ComparePeers::speeds);
    }

    private void cold(Path prompt) throws IOException, InterruptedException {
        int length = writePrompt(prompt, COLD_PROMPT_TOKENS);
        Path app = root.resolve("cli/target/app");
        List<String> run = List.of("run", "--raw", "--temp", "0", "-t", "" + THREADS, "-n", "" + TOKENS, "-c", "1024", "-m", model, Files.readString(prompt));
        List<String> options = List.of("-XX:+UseSerialGC", "-Xmn4m", "-XX:TieredStopAtLevel=1",
                "--enable-native-access=dev.chasqui.bindings,org.jline.terminal.ffm",
                "-Dchasqui.library.path=" + natives(), "-p", app.toString(), "-m", "dev.chasqui.cli/dev.chasqui.cli.Main");
        List<Program> programs = new ArrayList<>();
        programs.add(Program.answering("Chasqui", join(List.of(root.resolve("chasqui").toString()), run)));
        programs.add(Program.answering("Chasqui, java with its AOT cache",
                join(List.of(java(), "-XX:AOTCache=" + app.resolve("run.aot")), join(options, run))));
        Program kept = Program.answering("Chasqui, packed weights kept", join(List.of(root.resolve("chasqui").toString()), join(run, List.of("--packed-cache"))));
        start(kept); // which keeps them
        programs.add(kept);
        programs.add(Program.answering("Chasqui, java without", join(List.of(java()), join(options, run))));
        programs.add(Program.answering("llama-completion", join(completion(prompt), List.of("--no-warmup"))));
        bindings(answerArguments(prompt, length, 0), programs);
        report("cold", length, "first_token_s", "peak_mib", programs, ComparePeers::start);
    }

    /// Bindings of other languages, as far as they were installed.
    private void bindings(List<String> arguments, List<Program> programs) throws IOException {
        Path peers = root.resolve("build/peers");
        Path folder = peers.resolve("java-llama.cpp");
        if (Files.exists(folder.resolve("JavaLlamaCpp.class"))) {
            programs.add(Program.answering("java-llama.cpp",
                    join(List.of(java(), "--enable-native-access=ALL-UNNAMED", "-cp", folder + ":" + folder + "/*", "JavaLlamaCpp"), arguments)));
        }
        if (Files.exists(peers.resolve("python/.installed"))) {
            programs.add(Program.answering("llama-cpp-python",
                    join(List.of(peers.resolve("python/bin/python").toString(), root.resolve("jmh/peers/llama_cpp_python.py").toString()), arguments)));
        }
    }

    private List<String> completion(Path prompt) {
        return List.of(natives().resolve("llama-completion").toString(), "-m", model, "-t", "" + THREADS, "-c", "1024", "-n", "" + TOKENS, "--temp", "0",
                "--ignore-eos", "-no-cnv", "--no-display-prompt", "--perf", "-f", prompt.toString());
    }

    private List<String> answerArguments(Path prompt, int length, int warmUp) {
        return List.of(model, "" + THREADS, prompt.toString(), "" + length, "" + TOKENS, "" + warmUp);
    }

    private Path natives() {
        return root.resolve("build/native/bin");
    }

    private static String java() {
        return ProcessHandle.current().info().command().orElseThrow();
    }

    /// Writes the longest beginning of the prompt's words that has at most so many tokens.
    ///
    /// @return how many it has
    private int writePrompt(Path file, int tokens) throws IOException {
        String text = Files.readString(root.resolve("jmh/peers/prompt.txt"));
        try (Model loaded = Model.load(Path.of(model))) {
            Vocabulary vocabulary = loaded.vocabulary();
            while (vocabulary.tokenize(text, true, false).length > tokens) {
                text = text.substring(0, text.stripTrailing().lastIndexOf(' '));
            }
            Files.writeString(file, text);
            return vocabulary.tokenize(text, true, false).length;
        }
    }

    private void report(String test, int promptTokens, String first, String second, List<Program> programs, Measurement measurement)
            throws IOException, InterruptedException {
        Reading[][] readings = new Reading[programs.size()][rounds];
        for (int round = 0; round < rounds; round++) {
            for (int turn = 0; turn < programs.size(); turn++) {
                int i = round % 2 == 0 ? turn : programs.size() - 1 - turn;
                readings[i][round] = measurement.of(programs.get(i));
                System.err.printf(Locale.ROOT, "round %d %s: %s %.3f, %s %.3f%n", round + 1, programs.get(i).name(),
                        first, readings[i][round].first(), second, readings[i][round].second());
            }
        }
        System.out.printf("| %s | %s | %s | Chasqui to this | Chasqui to this |%n|---|---|---|---|---|%n", Path.of(model).getFileName(), first, second);
        for (int i = 0; i < programs.size(); i++) {
            double[] firsts = new double[rounds];
            double[] seconds = new double[rounds];
            double[] firstRatios = new double[rounds];
            double[] secondRatios = new double[rounds];
            for (int round = 0; round < rounds; round++) {
                firsts[round] = readings[i][round].first();
                seconds[round] = readings[i][round].second();
                firstRatios[round] = readings[0][round].first() / firsts[round];
                secondRatios[round] = readings[0][round].second() / seconds[round];
            }
            System.out.printf(Locale.ROOT, "| %s | %.3f | %.3f | %.3f | %.3f |%n", programs.get(i).name(), Comparison.median(firsts),
                    Comparison.median(seconds), Comparison.median(firstRatios), Comparison.median(secondRatios));
            String row = String.format(Locale.ROOT,
                    "{\"time\":\"%s\",\"test\":\"%s\",\"model\":\"%s\",\"program\":\"%s\",\"cpu\":\"%s\",\"os\":\"%s %s\",\"java\":\"%s\",\"threads\":%d,"
                            + "\"rounds\":%d,\"prompt_tokens\":%d,\"tokens\":%d,\"%s\":%.4f,\"%s\":%.3f,\"chasqui_to_%s\":%.4f,\"chasqui_to_%s\":%.4f}",
                    Instant.now().truncatedTo(ChronoUnit.SECONDS), test, Path.of(model).getFileName(), programs.get(i).name(), Comparison.cpu(),
                    System.getProperty("os.name"), System.getProperty("os.version"), Runtime.version(), THREADS, rounds, promptTokens, TOKENS,
                    first, Comparison.median(firsts), second, Comparison.median(seconds), first, Comparison.median(firstRatios),
                    second, Comparison.median(secondRatios));
            Files.writeString(results, row + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    private static Reading speeds(Program program) throws IOException, InterruptedException {
        StringBuilder output = new StringBuilder();
        for (List<String> command : program.commands()) {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
            output.append(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
            check(process, command, output);
        }
        return new Reading(find(program.prefill(), output), find(program.decode(), output));
    }

    /// The last match: what an answer says comes before the figures.
    private static double find(Pattern pattern, StringBuilder output) {
        return pattern.matcher(output).results().reduce((one, next) -> next).map(match -> Double.parseDouble(match.group(1)))
                .orElseThrow(() -> new IllegalStateException("no " + pattern + " in: " + output));
    }

    private static Reading start(Program program) throws IOException, InterruptedException {
        List<String> command = program.commands().getFirst();
        long start = System.nanoTime();
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        process.getOutputStream().close();
        InputStream answer = process.getInputStream();
        if (answer.read() < 0) {
            throw new IllegalStateException(command + " said nothing");
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        long peak = 0;
        while (process.isAlive()) {
            peak = Math.max(peak, peakKib(process.pid()));
            Thread.sleep(POLL_MILLIS);
        }
        check(process, command, new StringBuilder());
        return new Reading(seconds, peak / MIB);
    }

    private static long peakKib(long pid) {
        try {
            return Files.readAllLines(Path.of("/proc", "" + pid, "status")).stream().filter(line -> line.startsWith("VmHWM:")).findFirst()
                    .map(line -> Long.parseLong(line.replaceAll("[^0-9]", ""))).orElse(0L);
        } catch (IOException e) {
            return 0; // the process has just ended
        }
    }

    private static void check(Process process, List<String> command, CharSequence output) throws InterruptedException {
        if (process.waitFor() != 0) {
            throw new IllegalStateException(command + " failed: " + output);
        }
    }

    private static List<String> join(List<String> first, List<String> rest) {
        List<String> all = new ArrayList<>(first);
        all.addAll(rest);
        return all;
    }
}
