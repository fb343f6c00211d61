package dev.chasqui;

import dev.chasqui.json.Json;
import dev.chasqui.json.JsonException;
import dev.chasqui.vision.EncodedImage;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/// What a chat template gets to see as marks: pictures, sounds, and texts that spell a control token. Afterwards each mark is replaced by what it stands for,
/// so that control tokens come from the template alone.
final class HiddenContent {

    private static final char END = '\uE001';

    private sealed interface Hidden {

        record Text(String text, boolean inJson) implements Hidden { }

        record Rows(List<EncodedImage.Part> parts) implements Hidden { }
    }

    private final Model model;
    private final Vocabulary vocabulary;
    private final boolean hidesTexts;
    private final String mark = "\uE000%016x".formatted(ThreadLocalRandom.current().nextLong());
    private final List<Hidden> hidden = new ArrayList<>();

    /// @param hidesTexts false where the result is to be read, not to be tokenised
    HiddenContent(Model model, boolean hidesTexts) {
        this.model = model;
        this.hidesTexts = hidesTexts;
        this.vocabulary = model.vocabulary();
    }

    /// The text itself, or its mark.
    String text(String text) {
        return spellsControlToken(text) ? hide(new Hidden.Text(text, false)) : text;
    }

    /// The mark of a picture or a sound.
    String rows(List<EncodedImage.Part> parts) {
        return hide(new Hidden.Rows(parts));
    }

    /// JSON text in which the strings that spell a control token are marks. What is no JSON is a text like others.
    String json(String json) {
        if (!spellsControlToken(json)) {
            return json;
        }
        try {
            return Json.write(withMarks(Json.parse(json)));
        } catch (JsonException e) {
            return text(json);
        }
    }

    /// A text that has no place for a mark.
    String checked(String what, String text) {
        if (spellsControlToken(text)) {
            throw new IllegalArgumentException("the " + what + " '" + text + "' spells a control token");
        }
        return text;
    }

    boolean isEmpty() {
        return hidden.isEmpty();
    }

    /// A rendered text with the texts in the place of their marks, and nothing in that of pictures and sounds.
    String textOf(String rendered) {
        StringBuilder out = new StringBuilder();
        split(rendered, new Parts() {
            @Override
            public void template(String text) {
                out.append(text);
            }

            @Override
            public void content(String text) {
                out.append(text);
            }

            @Override
            public void rows(List<EncodedImage.Part> parts) {
            }
        });
        return out.toString();
    }

    /// A rendered text as tokens, pictures and sounds.
    Prompt prompt(String rendered) {
        Prompt.Builder prompt = Prompt.builder(model);
        if (hidden.isEmpty()) {
            return prompt.tokens(vocabulary.tokenize(rendered, addsBegin(rendered), true)).build();
        }
        if (addsBegin(rendered)) {
            prompt.begin();
        }
        split(rendered, new Parts() {
            @Override
            public void template(String text) {
                prompt.template(text);
            }

            @Override
            public void content(String text) {
                prompt.text(text);
            }

            @Override
            public void rows(List<EncodedImage.Part> parts) {
                prompt.parts(parts);
            }
        });
        return prompt.build();
    }

    private interface Parts {

        void template(String text);

        void content(String text);

        void rows(List<EncodedImage.Part> parts);
    }

    private void split(String rendered, Parts parts) {
        int at = 0;
        for (int start = rendered.indexOf(mark); start >= 0; start = rendered.indexOf(mark, at)) {
            int end = rendered.indexOf(END, start);
            Hidden what = hidden.get(Integer.parseInt(rendered.substring(start + mark.length(), end)));
            if (start > at) {
                parts.template(rendered.substring(at, start));
            }
            switch (what) {
                case Hidden.Rows(List<EncodedImage.Part> rows) -> parts.rows(rows);
                case Hidden.Text(String text, boolean inJson) -> {
                    // a template writes arguments as JSON, or the strings of them bare
                    boolean quoted = inJson && start > 0 && rendered.charAt(start - 1) == '"';
                    String json = Json.write(text);
                    parts.content(quoted ? json.substring(1, json.length() - 1) : text);
                }
            }
            at = end + 1;
        }
        if (at < rendered.length()) {
            parts.template(rendered.substring(at));
        }
    }

    private String hide(Hidden what) {
        hidden.add(what);
        return mark + (hidden.size() - 1) + END;
    }

    private Object withMarks(Json json) {
        return switch (json.value()) {
            case String text -> spellsControlToken(text) ? hide(new Hidden.Text(text, true)) : text;
            case List<?> ignored -> json.array().stream().map(this::withMarks).toList();
            case Map<?, ?> ignored -> {
                Map<String, Object> members = new LinkedHashMap<>();
                json.members().forEach((key, member) -> members.put(checked("key", key), withMarks(member)));
                yield members;
            }
            default -> json;
        };
    }

    /// Most templates write the begin-of-text token themselves; it must not be there twice.
    private boolean addsBegin(String rendered) {
        if (!vocabulary.addsBeginOfText() || vocabulary.special().beginOfText().isEmpty()) {
            return false;
        }
        byte[] begin = vocabulary.piece(vocabulary.special().beginOfText().getAsInt());
        return !rendered.startsWith(new String(begin, StandardCharsets.UTF_8));
    }

    private boolean spellsControlToken(String text) {
        if (!hidesTexts) {
            return false;
        }
        for (int token : vocabulary.tokenize(text, false, true)) {
            if (vocabulary.info(token).isControl()) {
                return true;
            }
        }
        return false;
    }
}
