package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import dev.chasqui.bindings.chq_selection_params;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// One of the pruners that Chasqui has, with its options. Immutable; change a copy with the `with` methods. What a method does not use is ignored by
/// it.
///
/// The same rows of the same image are chosen on every machine. Of equal scores the lowest row wins. A row of zeros is like no other. A row with a
/// NaN, or so large that the square of its norm is infinite, is kept only after all others. Forced rows are kept first and count; breaks come along
/// with the rows before them, so that fewer than `keep` rows may come out where there is no room for a break.
///
/// @param method           how rows are chosen
/// @param importance       what makes a row important by itself
/// @param scale            how importance becomes a number from 0 to 1
/// @param lambda           `mmr`: weight of importance against being unlike what is kept, 0 to 1
/// @param exponent         `facility`: of importance, 0 to 16
/// @param theta            `dpp`: 0 takes importance as it is, from there to below 1 its exponential, the more the greater
/// @param textTemperature  `coverage`: of the softmax over rows for a token of the question, 0.001 to 1000
/// @param imageTemperature `coverage`: of the softmax over rows for a row
/// @param imageWeight      `coverage`: of the image against the question, 0 to 1000
/// @param textSharpness    importance by text: 0 takes a row's best token of the question, more a mean weighted by the softmax of cosines times this
/// @param featureWidth     `herding`: cosines that differ by so much are little alike, 0.01 to 100
/// @param rarity           `herding`: 0 counts every row the same, more lifts those that few are like, 0 to 2
/// @param projection       rows are compared after a random projection to so many floats, a multiple of 16 to 4096; 0 = as they are
/// @param seed             of the projection, `random` and `grid`
public record BuiltInPruner(
        Method method,
        Importance importance,
        ImportanceScale scale,
        float lambda,
        float exponent,
        float theta,
        float textTemperature,
        float imageTemperature,
        float imageWeight,
        float textSharpness,
        float featureWidth,
        float rarity,
        int projection,
        long seed) implements TokenPruner {

    /// How rows are chosen: see the methods of [TokenPruner] of the same names.
    public enum Method {
        MMR("mmr", Option.LAMBDA, Option.IMPORTANCE, Option.SCALE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        PRODUCT("product", Option.IMPORTANCE, Option.SCALE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        K_CENTER("k-center", Option.IMPORTANCE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        MAX_SUM("max-sum", Option.IMPORTANCE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        FACILITY("facility", Option.EXPONENT, Option.IMPORTANCE, Option.SCALE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        DPP("dpp", Option.THETA, Option.IMPORTANCE, Option.SCALE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        COVERAGE("coverage", Option.TEXT_TEMPERATURE, Option.IMAGE_TEMPERATURE, Option.IMAGE_WEIGHT, Option.PROJECTION, Option.SEED),
        RESIDUAL("residual", Option.IMPORTANCE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        HERDING("herding", Option.FEATURE_WIDTH, Option.RARITY, Option.IMPORTANCE, Option.SCALE, Option.SHARPNESS, Option.PROJECTION, Option.SEED),
        BIPARTITE("bipartite", Option.PROJECTION, Option.SEED),
        TOP("top", Option.IMPORTANCE, Option.SCALE, Option.SHARPNESS),
        RANDOM("random", Option.SEED),
        GRID("grid", Option.SEED);

        private final String text;
        private final List<Option> options;

        Method(String text, Option... options) {
            this.text = text;
            this.options = List.of(options);
        }

        @Override
        public String toString() {
            return text;
        }
    }

    /// An option of the written form, `name=value`.
    private enum Option {
        LAMBDA("lambda", p -> number(p.lambda), (p, v) -> p.withLambda(Float.parseFloat(v))),
        EXPONENT("exponent", p -> number(p.exponent), (p, v) -> p.withExponent(Float.parseFloat(v))),
        THETA("theta", p -> number(p.theta), (p, v) -> p.withTheta(Float.parseFloat(v))),
        TEXT_TEMPERATURE("text-temperature", p -> number(p.textTemperature), (p, v) -> p.withTemperatures(Float.parseFloat(v), p.imageTemperature)),
        IMAGE_TEMPERATURE("image-temperature", p -> number(p.imageTemperature), (p, v) -> p.withTemperatures(p.textTemperature, Float.parseFloat(v))),
        IMAGE_WEIGHT("image-weight", p -> number(p.imageWeight), (p, v) -> p.withImageWeight(Float.parseFloat(v))),
        FEATURE_WIDTH("feature-width", p -> number(p.featureWidth), (p, v) -> p.withFeatureWidth(Float.parseFloat(v))),
        RARITY("rarity", p -> number(p.rarity), (p, v) -> p.withRarity(Float.parseFloat(v))),
        IMPORTANCE("importance", p -> word(p.importance), (p, v) -> p.withImportance(constant(Importance.class, v))),
        SCALE("scale", p -> word(p.scale), (p, v) -> p.withScale(constant(ImportanceScale.class, v))),
        SHARPNESS("sharpness", p -> number(p.textSharpness), (p, v) -> p.withTextSharpness(Float.parseFloat(v))),
        PROJECTION("projection", p -> Integer.toString(p.projection), (p, v) -> p.withProjection(Integer.parseInt(v))),
        SEED("seed", p -> Long.toString(p.seed), (p, v) -> p.withSeed(Long.parseLong(v)));

        private final String text;
        private final Function<BuiltInPruner, String> get;
        private final BiFunction<BuiltInPruner, String, BuiltInPruner> set;

        Option(String text, Function<BuiltInPruner, String> get, BiFunction<BuiltInPruner, String, BuiltInPruner> set) {
            this.text = text;
            this.get = get;
            this.set = set;
        }

        @Override
        public String toString() {
            return text;
        }

        /// Whether it changes anything beside the others.
        boolean matters(BuiltInPruner pruner) {
            return switch (this) {
                case SHARPNESS -> pruner.comparesText();
                case SEED -> pruner.method == Method.RANDOM || pruner.method == Method.GRID || pruner.projection > 0;
                default -> true;
            };
        }

        private static String number(float value) {
            return Float.toString(value);
        }

        private static String word(Enum<?> value) {
            return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
        }

        private static <E extends Enum<E>> E constant(Class<E> type, String text) {
            return Arrays.stream(type.getEnumConstants())
                    .filter(e -> word(e).equals(text))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException(
                            "it is one of " + Arrays.stream(type.getEnumConstants()).map(Option::word).collect(Collectors.joining(", "))));
        }
    }

    /// @throws IllegalArgumentException for a number out of range
    public BuiltInPruner {
        Objects.requireNonNull(method, "method");
        Objects.requireNonNull(importance, "importance");
        Objects.requireNonNull(scale, "scale");
        range("lambda", lambda, 0, 1);
        range("exponent", exponent, 0, 16);
        range("theta", theta, 0, 0.9999f);
        range("textTemperature", textTemperature, 0.001f, 1000);
        range("imageTemperature", imageTemperature, 0.001f, 1000);
        range("imageWeight", imageWeight, 0, 1000);
        range("textSharpness", textSharpness, 0, 1000);
        range("featureWidth", featureWidth, 0.01f, 100);
        range("rarity", rarity, 0, 2);
        if (projection < 0 || projection > 4096 || projection % 16 != 0) {
            throw new IllegalArgumentException("projection = %d is not a multiple of 16 from 0 to 4096".formatted(projection));
        }
    }

    private static void range(String name, float value, float least, float most) {
        if (!(value >= least && value <= most)) {
            throw new IllegalArgumentException("%s = %s is not in %s..%s".formatted(name, value, least, most));
        }
    }

    static BuiltInPruner of(Method method) {
        return new BuiltInPruner(method, Importance.NORM, ImportanceScale.RANGE, 0.5f, 1, 0,
                0.02f, 0.2f, 0.5f, 0, 0.3f, 0.1f, 0, 0);
    }

    /// What makes a row important by itself.
    public BuiltInPruner withImportance(Importance value) {
        return new BuiltInPruner(method, value, scale, lambda, exponent, theta,
                textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, rarity, projection, seed);
    }

    /// How importance becomes a number from 0 to 1.
    public BuiltInPruner withScale(ImportanceScale value) {
        return new BuiltInPruner(method, importance, value, lambda, exponent, theta,
                textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, rarity, projection, seed);
    }

    /// `mmr`: weight of importance, 0 to 1.
    public BuiltInPruner withLambda(float value) {
        return new BuiltInPruner(method, importance, scale, value, exponent, theta,
                textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, rarity, projection, seed);
    }

    /// `facility`: exponent of importance, 0 to 16.
    public BuiltInPruner withExponent(float value) {
        return new BuiltInPruner(method, importance, scale, lambda, value, theta,
                textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, rarity, projection, seed);
    }

    /// `dpp`: how much importance counts, 0 to below 1.
    public BuiltInPruner withTheta(float value) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, value,
                textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, rarity, projection, seed);
    }

    /// `coverage`: temperatures of its two softmaxes.
    public BuiltInPruner withTemperatures(float text, float image) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, theta,
                text, image, imageWeight, textSharpness,
                featureWidth, rarity, projection, seed);
    }

    /// `coverage`: weight of the image against the question.
    public BuiltInPruner withImageWeight(float value) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, theta,
                textTemperature, imageTemperature, value, textSharpness,
                featureWidth, rarity, projection, seed);
    }

    /// Importance by text: how much the best tokens of the question count more than the others; 0 = only the best.
    public BuiltInPruner withTextSharpness(float value) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, theta,
                textTemperature, imageTemperature, imageWeight, value,
                featureWidth, rarity, projection, seed);
    }

    /// `herding`: how far apart cosines are that count as little alike, 0.01 to 100.
    public BuiltInPruner withFeatureWidth(float value) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, theta, textTemperature, imageTemperature, imageWeight, textSharpness,
                value, rarity, projection, seed);
    }

    /// `herding`: how much rows are lifted that few are like, 0 to 2.
    public BuiltInPruner withRarity(float value) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, theta, textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, value, projection, seed);
    }

    /// Compares rows after a random projection to so many floats: faster for wide rows, and about as good from 256 on. 0 = as they are.
    public BuiltInPruner withProjection(int value) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, theta,
                textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, rarity, value, seed);
    }

    /// Seed of the projection, `random` and `grid`.
    public BuiltInPruner withSeed(long value) {
        return new BuiltInPruner(method, importance, scale, lambda, exponent, theta,
                textTemperature, imageTemperature, imageWeight, textSharpness,
                featureWidth, rarity, projection, value);
    }

    /// @throws IllegalArgumentException if more than `keep` rows are forced, or what the importance needs is not there
    /// @throws dev.chasqui.InsufficientMemoryException if the method needs more memory than half of what is left
    @Override
    public int[] select(ImageTokens tokens, int keep) {
        if (keep < 0) {
            throw new IllegalArgumentException("keep = " + keep);
        }
        Importance used = usedImportance();
        if (used == Importance.GIVEN && tokens.importanceOrNull() == null) {
            throw new IllegalArgumentException("importance is to be given, and the image has none");
        }
        if (comparesText() && tokens.questionCount() == 0) {
            throw new IllegalArgumentException("importance is by the question, and there is none");
        }
        Chasqui.load();
        float[] inverted = used == Importance.TEXT_INVERTED ? invertedRelevance(tokens) : null;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment kept = arena.allocate(ValueLayout.JAVA_INT, Math.max(1, Math.min(keep, tokens.count())));
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            Calls.check(chq_select_rows(tokens.rows(), Calls.info(arena, tokens, inverted), parameters(arena), keep, kept, count));
            return kept.asSlice(0, (long) count.get(ValueLayout.JAVA_INT, 0) * Integer.BYTES).toArray(ValueLayout.JAVA_INT);
        }
    }

    private float[] invertedRelevance(ImageTokens tokens) {
        float[] relevance = TokenScores.textRelevance(tokens, textSharpness);
        for (int i = 0; i < relevance.length; i++) {
            relevance[i] = -relevance[i];
        }
        return relevance;
    }

    private MemorySegment parameters(Arena arena) {
        MemorySegment parameters = arena.allocate(chq_selection_params.layout());
        chq_selection_params.method(parameters, switch (method) {
            case MMR -> CHQ_SELECT_MMR();
            case PRODUCT -> CHQ_SELECT_PRODUCT();
            case K_CENTER -> CHQ_SELECT_K_CENTER();
            case MAX_SUM -> CHQ_SELECT_MAX_SUM();
            case FACILITY -> CHQ_SELECT_FACILITY();
            case DPP -> CHQ_SELECT_DPP();
            case COVERAGE -> CHQ_SELECT_COVERAGE();
            case RESIDUAL -> CHQ_SELECT_RESIDUAL();
            case HERDING -> CHQ_SELECT_HERDING();
            case BIPARTITE -> CHQ_SELECT_BIPARTITE();
            case TOP -> CHQ_SELECT_TOP();
            case RANDOM -> CHQ_SELECT_RANDOM();
            case GRID -> CHQ_SELECT_GRID();
        });
        chq_selection_params.importance(parameters, switch (usedImportance()) {
            case NONE -> CHQ_IMPORTANCE_NONE();
            case NORM -> CHQ_IMPORTANCE_NORM();
            case SPREAD -> CHQ_IMPORTANCE_SPREAD();
            case TEXT -> CHQ_IMPORTANCE_TEXT();
            case TEXT_INVERTED, GIVEN -> CHQ_IMPORTANCE_GIVEN();
        });
        chq_selection_params.scale(parameters, switch (scale) {
            case RANGE -> CHQ_SCALE_RANGE();
            case CLIPPED -> CHQ_SCALE_CLIPPED();
            case RANK -> CHQ_SCALE_RANK();
        });
        chq_selection_params.lambda(parameters, lambda);
        chq_selection_params.exponent(parameters, exponent);
        chq_selection_params.theta(parameters, theta);
        chq_selection_params.text_temperature(parameters, textTemperature);
        chq_selection_params.image_temperature(parameters, imageTemperature);
        chq_selection_params.image_weight(parameters, imageWeight);
        chq_selection_params.text_sharpness(parameters, textSharpness);
        chq_selection_params.feature_width(parameters, featureWidth);
        chq_selection_params.rarity(parameters, rarity);
        chq_selection_params.projection(parameters, projection);
        chq_selection_params.seed(parameters, seed);
        return parameters;
    }

    @Override
    public String name() {
        return method.toString();
    }

    @Override
    public String key() {
        return Stream.concat(Stream.of(name()), method.options.stream().filter(o -> o.matters(this)).map(o -> o + "=" + o.get.apply(this)))
                .collect(Collectors.joining(":"));
    }

    @Override
    public boolean usesQuestion() {
        return method == Method.COVERAGE || comparesText();
    }

    private boolean comparesText() {
        return usedImportance() == Importance.TEXT || usedImportance() == Importance.TEXT_INVERTED;
    }

    private Importance usedImportance() {
        return method.options.contains(Option.IMPORTANCE) ? importance : Importance.NONE;
    }

    static List<String> names() {
        return Arrays.stream(Method.values()).map(Method::toString).toList();
    }

    static BuiltInPruner parse(String key) {
        String[] parts = key.split(":", -1);
        BuiltInPruner pruner = defaults().get(parts[0]);
        if (pruner == null) {
            throw new IllegalArgumentException("there is no pruner '%s'; there are %s".formatted(parts[0], String.join(", ", names())));
        }
        for (String part : Arrays.asList(parts).subList(1, parts.length)) {
            pruner = pruner.with(part);
        }
        return pruner;
    }

    private static Map<String, BuiltInPruner> defaults() {
        Map<String, BuiltInPruner> all = new LinkedHashMap<>();
        for (Method method : Method.values()) {
            all.put(method.toString(), switch (method) {
                case FACILITY -> TokenPruner.facilityLocation();
                case HERDING -> TokenPruner.herding();
                default -> of(method);
            });
        }
        return all;
    }

    private BuiltInPruner with(String setting) {
        int equals = setting.indexOf('=');
        String name = equals < 0 ? setting : setting.substring(0, equals);
        Option option = method.options.stream().filter(o -> o.text.equals(name)).findFirst().orElseThrow(() -> new IllegalArgumentException(
                "pruner %s has no option '%s'; it has %s".formatted(method, name, method.options.stream().map(Option::toString)
                        .collect(Collectors.joining(", ")))));
        if (equals < 0) {
            throw new IllegalArgumentException(
                    "option '%s' of pruner %s has no value, as in %s=%s".formatted(name, method, name, option.get.apply(this)));
        }
        String value = setting.substring(equals + 1);
        try {
            return option.set.apply(this, value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("option %s of pruner %s is no number: '%s'".formatted(name, method, value), e);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("option %s of pruner %s cannot be '%s': %s".formatted(name, method, value, e.getMessage()), e);
        }
    }
}
