package dev.chasqui.jmh;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.DraftModel;
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
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.apache.commons.math3.stat.inference.ChiSquareTest;

/// Whether drawn answers with speculation have the law of the model: the first three tokens after a prompt, for many seeds, against their probabilities
/// as plain passes give them, by a chi-square test. With guesses that were not drawn, also whether each seed's tokens are those of plain decoding.
///
/// Arguments: model file, seeds of each test, seeds compared with plain decoding, results file.
public final class SampledAnswers {

    private static final String PROMPT = "Yesterday I met a";
    private static final int LENGTH = 3;
    private static final double LEAST_EXPECTED = 5; // of a cell of the test; rarer answers are pooled

    private SampledAnswers() {
    }

    /// A sampler at temperature 1, and what it does to probabilities in falling order: how many stay.
    private record Rule(String name, UnaryOperator<Sampler.Builder> stage, Kept kept) {

        Sampler sampler(int seed) {
            return stage.apply(Sampler.builder()).temperature(1).seed(seed).build();
        }
    }

    @FunctionalInterface
    private interface Kept {
        int of(double[] falling);
    }

    private static final List<Rule> RULES = List.of(
            new Rule("temperature 1", builder -> builder, falling -> falling.length),
            new Rule("top-k 10", builder -> builder.topK(10), falling -> 10),
            new Rule("top-p 0.8", builder -> builder.topP(0.8f), falling -> {
                double sum = 0;
                for (int i = 0; i < falling.length; i++) {
                    sum += falling[i];
                    if (sum >= 0.8f) {
                        return i + 1;
                    }
                }
                return falling.length;
            }),
            new Rule("min-p 0.05", builder -> builder.minP(0.05f), falling -> (int) Arrays.stream(falling).filter(p -> p >= 0.05f * falling[0]).count()));

    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[0]);
        int seeds = Integer.parseInt(args[1]);
        int compared = Integer.parseInt(args[2]);
        Path results = Path.of(args[3]);
        try (Model model = Model.load(file);
                Context context = model.newContext(ContextOptions.defaults().withContextSize(64).withThreads(1));
                Sequence sequence = context.newSequence()) {
            int[] prompt = model.vocabulary().tokenize(PROMPT, true, false);
            GenerationOptions guessed = GenerationOptions.defaults().withMaxTokens(LENGTH).withIgnoreEnd(true).withSpeculation(Speculation.auto().withAdaptive(false));
            GenerationOptions drawn = guessed.withDraftModel(DraftModel.of(model).withShape(DraftModel.Shape.BRANCHES).withTemperature(1.5f)
                    .withMaxTokens(6).withDepth(2).withWidth(3).withStop(0));
            for (Rule rule : RULES) {
                Cells cells = Cells.of(sequence, prompt, rule, seeds);
                int different = 0;
                for (int seed = 0; seed < compared; seed++) {
                    int[] plain = answer(sequence, prompt, guessed.withSpeculation(Speculation.off()).withSampler(rule.sampler(seed)));
                    different += Arrays.equals(plain, answer(sequence, prompt, guessed.withSampler(rule.sampler(seed)))) ? 0 : 1;
                }
                append(results, file, rule, "matched", seeds, compared, different, cells, cells.probability(sequence, prompt, rule, guessed, seeds));
                append(results, file, rule, "drawn and verified by rejection", seeds, 0, 0, cells, cells.probability(sequence, prompt, rule, drawn, seeds));
            }
        }
    }

    private static int[] answer(Sequence sequence, int[] prompt, GenerationOptions options) {
        try (Generation generation = sequence.generate(prompt, options)) {
            generation.text();
            return Arrays.copyOfRange(sequence.tokens(), prompt.length, prompt.length + LENGTH);
        }
    }

    private static void append(Path results, Path model, Rule rule, String guesses, int seeds, int compared, int different, Cells cells, double p) throws IOException {
        String row = String.format(Locale.ROOT,
                "{\"time\":\"%s\",\"comparison\":\"sampled\",\"model\":\"%s\",\"sampler\":\"%s\",\"guesses\":\"%s\",\"seeds\":%d,\"cells\":%d,\"p\":%.4f,"
                        + "\"compared\":%d,\"different\":%d}",
                Instant.now().truncatedTo(ChronoUnit.SECONDS), model.getFileName(), rule.name(), guesses, seeds, cells.expected.size(), p, compared, different);
        System.out.println(row);
        Files.writeString(results, row + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /// Answers that are expected often enough each have a cell; those that go on otherwise from a beginning share one; where that is expected too rarely,
    /// they are in the last cell.
    private static final class Cells {

        private static final int REST = -1;

        private final Map<List<Integer>, Integer> ofBeginning = new HashMap<>(); // a whole answer, or a beginning with all its rare ends
        private final List<Double> expected = new ArrayList<>();
        private double rest;

        static Cells of(Sequence sequence, int[] prompt, Rule rule, int seeds) {
            Cells cells = new Cells();
            cells.split(sequence, prompt, rule, List.of(), seeds);
            cells.expected.add(cells.rest);
            return cells;
        }

        private void split(Sequence sequence, int[] prompt, Rule rule, List<Integer> beginning, double times) {
            double[] law = law(sequence, prompt, beginning, rule);
            double rare = 0;
            for (int token = 0; token < law.length; token++) {
                double often = law[token] * times;
                if (often < LEAST_EXPECTED) {
                    rare += often;
                } else {
                    List<Integer> longer = new ArrayList<>(beginning);
                    longer.add(token);
                    if (longer.size() == LENGTH) {
                        add(longer, often);
                    } else {
                        split(sequence, prompt, rule, longer, often);
                    }
                }
            }
            if (rare >= LEAST_EXPECTED) {
                add(beginning, rare);
            } else {
                rest += rare;
                ofBeginning.put(beginning, REST);
            }
        }

        private void add(List<Integer> beginning, double often) {
            ofBeginning.put(beginning, expected.size());
            expected.add(often);
        }

        /// Of an observation as far from expected as that of the seeds, or farther.
        double probability(Sequence sequence, int[] prompt, Rule rule, GenerationOptions options, int seeds) {
            long[] observed = new long[expected.size()];
            for (int seed = 0; seed < seeds; seed++) {
                observed[cellOf(answer(sequence, prompt, options.withSampler(rule.sampler(seed))))]++;
            }
            return new ChiSquareTest().chiSquareTest(expected.stream().mapToDouble(often -> Math.max(often, 1e-9)).toArray(), observed);
        }

        private int cellOf(int[] answer) {
            List<Integer> tokens = IntStream.of(answer).boxed().toList();
            int length = LENGTH;
            while (!ofBeginning.containsKey(tokens.subList(0, length))) {
                length--;
            }
            int cell = ofBeginning.get(tokens.subList(0, length));
            return cell == REST ? expected.size() - 1 : cell;
        }

        private static double[] law(Sequence sequence, int[] prompt, List<Integer> beginning, Rule rule) {
            sequence.rewind(0);
            sequence.append(prompt);
            for (int token : beginning) {
                sequence.append(token);
            }
            float[] logits = sequence.logits();
            double most = IntStream.range(0, logits.length).mapToDouble(i -> logits[i]).max().orElseThrow();
            double[] weights = IntStream.range(0, logits.length).mapToDouble(i -> Math.exp(logits[i] - most)).toArray();
            double sum = Arrays.stream(weights).sum();
            int[] order = IntStream.range(0, weights.length).boxed().sorted((a, b) -> Double.compare(weights[b], weights[a])).mapToInt(i -> i).toArray();
            double[] falling = Arrays.stream(order).mapToDouble(i -> weights[i] / sum).toArray();
            int kept = rule.kept().of(falling);
            double left = Arrays.stream(falling, 0, kept).sum();
            double[] law = new double[weights.length];
            for (int i = 0; i < kept; i++) {
                law[order[i]] = falling[i] / left;
            }
            return law;
        }
    }
}
