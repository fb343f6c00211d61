package dev.chasqui.vision;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Prompt;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.TokenEmbeddings;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/// Finds out, once for each model, what it means that image tokens are like the question: that they show what it is about, that they do not, or nothing. With
/// some encoders the likeness is inverted, so that choosing by it untested can be worse than chance.
///
/// What the model answers with all rows is scored with the rows of the picture that are most like the question, with those that are least like it, and with rows by
/// chance. A direction counts if it makes more of the answers more probable than both others do, each by a two-sided sign test at 5%.
///
/// @param samples     questions that were asked
/// @param like        mean log-probability of a token of the answers with the rows most like the question, in nats
/// @param unlike      the same with those least like it
/// @param chance      the same with rows by chance
/// @param pDirection  of the sign test between the first two
/// @param pChance     of the sign test between the better of them and chance
public record RelevanceCheck(int samples, double like, double unlike, double chance, double pDirection, double pChance) {

    /// From this probability on, a difference is taken for chance.
    private static final double LEVEL = 0.05;

    /// Most tokens of an answer.
    private static final int ANSWER = 16;

    /// A picture with a question about it.
    public record Sample(EncodedImage picture, String question) {

        public Sample {
            Objects.requireNonNull(picture, "picture");
            Objects.requireNonNull(question, "question");
        }
    }

    /// Asks about each picture once as it is, and scores the answer with three choices of its rows.
    ///
    /// @param sequence of the model that the pictures were encoded for; its text is replaced
    /// @param samples  twenty or more tell something
    /// @param keep     share of the tokens that is kept, more than 0 and less than 1
    /// @throws IllegalArgumentException             without samples, for a share out of range, or an empty question
    /// @throws dev.chasqui.ContextFullException     if a prompt does not fit
    public static RelevanceCheck run(Sequence sequence, List<Sample> samples, double keep) {
        if (samples.isEmpty() || !(keep > 0 && keep < 1)) {
            throw new IllegalArgumentException("%d samples, of which a share of %s is kept".formatted(samples.size(), keep));
        }
        List<BuiltInPruner> pruners = List.of(TokenPruner.top().withImportance(Importance.TEXT), TokenPruner.top().withImportance(Importance.TEXT_INVERTED),
                TokenPruner.random(0));
        double[][] scores = new double[pruners.size()][samples.size()];
        Model model = sequence.context().model();
        try (ChatTemplate template = model.chatTemplate(); TokenEmbeddings embeddings = model.tokenEmbeddings()) {
            for (int i = 0; i < samples.size(); i++) {
                Sample sample = samples.get(i);
                Question question = Question.of(sample.question(), embeddings);
                int[] answer = answer(sequence, prompt(template, sample.picture(), sample));
                for (int p = 0; p < scores.length; p++) {
                    EncodedImage seen = sample.picture().pruned(VisionOptions.keeping(keep).withPruner(pruners.get(p)), question);
                    sequence.set(prompt(template, seen, sample));
                    for (float score : sequence.score(answer)) {
                        scores[p][i] += score / answer.length;
                    }
                }
            }
        }
        double like = mean(scores[0]);
        double unlike = mean(scores[1]);
        double[] better = like >= unlike ? scores[0] : scores[1];
        return new RelevanceCheck(samples.size(), like, unlike, mean(scores[2]), signTest(scores[0], scores[1]), signTest(better, scores[2]));
    }

    /// Whether likeness to the question, in the better direction, chooses better than chance.
    public boolean passed() {
        return pDirection < LEVEL && pChance < LEVEL && Math.max(like, unlike) > chance;
    }

    /// The pruner with importance by the question in the direction that was found, or the pruner itself if none was.
    public BuiltInPruner applyTo(BuiltInPruner pruner) {
        return passed() ? pruner.withImportance(like > unlike ? Importance.TEXT : Importance.TEXT_INVERTED) : pruner;
    }

    private static Prompt prompt(ChatTemplate template, EncodedImage picture, Sample sample) {
        return template.prompt(List.of(ChatMessage.user(sample.question())), true, List.of(picture));
    }

    private static int[] answer(Sequence sequence, Prompt prompt) {
        sequence.set(prompt);
        int before = sequence.length();
        try (Generation generation = sequence.generate(GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(ANSWER))) {
            generation.text();
        }
        return Arrays.copyOfRange(sequence.tokens(), before, sequence.length());
    }

    private static double mean(double[] scores) {
        double sum = 0;
        for (double score : scores) {
            sum += score;
        }
        return sum / scores.length;
    }

    /// The probability that of so many pairs which differ so few, or so many, are better on one side by chance: exact, two-sided.
    ///
    /// @param a values of one side
    /// @param b as many of the other
    public static double signTest(double[] a, double[] b) {
        int better = 0;
        int worse = 0;
        for (int i = 0; i < a.length; i++) {
            better += a[i] > b[i] ? 1 : 0;
            worse += a[i] < b[i] ? 1 : 0;
        }
        int n = better + worse;
        double tail = 0;
        double term = -n * Math.log(2); // of choosing none of n
        for (int k = 0; k <= Math.min(better, worse); k++) {
            tail += Math.exp(term);
            term += Math.log((double) (n - k) / (k + 1));
        }
        return Math.min(1, 2 * tail);
    }
}
