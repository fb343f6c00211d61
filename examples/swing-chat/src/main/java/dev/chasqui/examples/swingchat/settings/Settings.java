package dev.chasqui.examples.swingchat.settings;

import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// What the user has chosen. Immutable.
///
/// @param theme       colours
/// @param fontSize    points
/// @param system      what the model is told first in new conversations
/// @param answers     how answers are generated
/// @param contextSize tokens of a conversation that the model remembers
/// @param threads     CPU threads; 0 = physical cores
/// @param keep        share of a picture's tokens that the model sees
/// @param model       name or path of the model that is loaded at the start; null = none yet
/// @param projectors  path of the projector for each path of a model that reads pictures
public record Settings(
        ThemeChoice theme, int fontSize, String system, AnswerSettings answers, int contextSize, int threads, double keep,
        @Nullable String model, Map<String, String> projectors) {

    public static final Range FONT_SIZE = new Range(10, 28, 1);
    public static final Range CONTEXT_SIZE = new Range(512, 131_072, 512);
    public static final Range THREADS = new Range(0, 256, 1);
    public static final Range KEEP = new Range(0.05, 1, 0.05);

    private static final Settings DEFAULTS =
            new Settings(ThemeChoice.SYSTEM, 14, "You are a helpful assistant.", AnswerSettings.defaults(), 4096, 0, 1, null, Map.of());

    public Settings {
        theme = Objects.requireNonNullElse(theme, ThemeChoice.SYSTEM);
        fontSize = FONT_SIZE.clamp(fontSize);
        system = Objects.requireNonNullElse(system, "");
        answers = Objects.requireNonNullElseGet(answers, AnswerSettings::defaults);
        contextSize = CONTEXT_SIZE.clamp(contextSize);
        threads = THREADS.clamp(threads);
        keep = KEEP.clamp(keep);
        projectors = projectors == null ? Map.of() : Map.copyOf(projectors);
    }

    public static Settings defaults() {
        return DEFAULTS;
    }

    public Settings withTheme(ThemeChoice value) {
        return new Settings(value, fontSize, system, answers, contextSize, threads, keep, model, projectors);
    }

    public Settings withAnswers(AnswerSettings value) {
        return new Settings(theme, fontSize, system, value, contextSize, threads, keep, model, projectors);
    }

    public Settings withSystem(String value) {
        return new Settings(theme, fontSize, value, answers, contextSize, threads, keep, model, projectors);
    }

    public Settings withKeep(double value) {
        return new Settings(theme, fontSize, system, answers, contextSize, threads, value, model, projectors);
    }

    public Settings withModel(@Nullable String value) {
        return new Settings(theme, fontSize, system, answers, contextSize, threads, keep, value, projectors);
    }

    public Settings withProjector(String modelPath, String projector) {
        Map<String, String> more = new TreeMap<>(projectors);
        more.put(modelPath, projector);
        return new Settings(theme, fontSize, system, answers, contextSize, threads, keep, model, more);
    }
}
