package dev.chasqui.analysis;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Model;
import dev.chasqui.Prompt;
import java.text.BreakIterator;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.IntStream;

/// A prompt with passages in its middle that can be left out, each or in parts. What passages and questions say never becomes a control token. Immutable.
///
/// Parts are tokenised one by one, so that the tokens of one do not depend on which others are there.
public final class PassagePrompt {

    private record Part(int passage, String text, int[] tokens) { }

    private final Model model;
    private final int[] before;
    private final List<Part> parts;
    private final int[] after;

    private PassagePrompt(Model model, int[] before, List<Part> parts, int[] after) {
        this.model = model;
        this.before = before;
        this.parts = List.copyOf(parts);
        this.after = after;
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("there are no passages");
        }
        if (after.length == 0) {
            throw new IllegalArgumentException("nothing comes after the passages, such as a question");
        }
    }

    /// A prompt for a model that completes texts. All of it is plain text, and comes after the model's begin-of-text token, if it has one.
    ///
    /// @param passages at least one, as they stand in the prompt, with the line breaks after them
    /// @param after    not empty
    public static PassagePrompt of(Model model, String before, List<String> passages, String after) {
        int[] start = Prompt.builder(model).begin().text(before).build().tokens();
        return new PassagePrompt(model, start, parts(model, passages), model.vocabulary().tokenize(after));
    }

    /// A message of a user, written as the model's chat template has it: the passages with empty lines between them, then the question.
    ///
    /// @param passages at least one
    /// @throws IllegalArgumentException if the template refuses a conversation of one message of a user, or changes what it says
    public static PassagePrompt chat(Model model, List<String> passages, String question) {
        String mark = "[" + "passages".repeat(3) + "]";
        String rendered;
        int[] whole;
        try (ChatTemplate template = model.chatTemplate()) {
            List<ChatMessage> messages = List.of(ChatMessage.user(mark));
            rendered = template.render(messages, true);
            whole = template.tokenize(messages, true);
        }
        int at = rendered.indexOf(mark);
        if (at < 0 || rendered.indexOf(mark, at + 1) >= 0) {
            throw new IllegalArgumentException("the chat template of " + model + " does not have what a user says in one place");
        }
        Prompt.Builder start = Prompt.builder(model);
        int[] opening = model.vocabulary().tokenize(rendered.substring(0, at), false, true);
        if (whole.length > 0 && (opening.length == 0 || opening[0] != whole[0])) {
            start.begin(); // which the template leaves to the tokeniser
        }
        int[] end = Prompt.builder(model).text(question).template(rendered.substring(at + mark.length())).build().tokens();
        return new PassagePrompt(model, start.tokens(opening).build().tokens(), parts(model, passages.stream().map(passage -> passage + "\n\n").toList()), end);
    }

    private static List<Part> parts(Model model, List<String> passages) {
        return IntStream.range(0, passages.size()).mapToObj(i -> part(model, i, passages.get(i))).toList();
    }

    private static Part part(Model model, int passage, String text) {
        return new Part(passage, text, model.vocabulary().tokenize(Objects.requireNonNull(text, "passage")));
    }

    /// The same prompt, with one of the passages in parts that are judged one by one. The values of its parts add up to what the passage's own value is in expectation: each
    /// part is compared only with others of the passage, and with whole other passages.
    ///
    /// @param passage from 0, in the order of the prompt
    /// @param texts   which make up the text of the passage one after the other
    /// @throws IllegalArgumentException if they do not
    public PassagePrompt split(int passage, List<String> texts) {
        if (!String.join("", texts).equals(textOf(passage))) {
            throw new IllegalArgumentException("the parts are not those of passage " + passage);
        }
        List<Part> all = new ArrayList<>();
        for (Part part : parts) {
            if (part.passage() != passage) {
                all.add(part);
            } else if (all.isEmpty() || all.getLast().passage() != passage) {
                texts.forEach(text -> all.add(part(model, passage, text)));
            }
        }
        return new PassagePrompt(model, before, all, after);
    }

    /// As [#split], by the ends of sentences.
    public PassagePrompt splitSentences(int passage) {
        String text = textOf(passage);
        BreakIterator ends = BreakIterator.getSentenceInstance(Locale.ROOT);
        ends.setText(text);
        List<String> sentences = new ArrayList<>();
        for (int from = ends.first(), to = ends.next(); to != BreakIterator.DONE; from = to, to = ends.next()) {
            sentences.add(text.substring(from, to));
        }
        return split(passage, sentences);
    }

    private String textOf(int passage) {
        if (parts.stream().noneMatch(part -> part.passage() == passage)) {
            throw new IndexOutOfBoundsException("there is no passage " + passage);
        }
        return String.join("", parts.stream().filter(part -> part.passage() == passage).map(Part::text).toList());
    }

    /// Number of parts: of passages, as long as none is split.
    public int size() {
        return parts.size();
    }

    /// Which passage a part belongs to.
    public int passage(int part) {
        return parts.get(part).passage();
    }

    /// What a part says.
    public String text(int part) {
        return parts.get(part).text();
    }

    /// The whole prompt.
    public int[] tokens() {
        Prompt.Builder all = Prompt.builder(model).tokens(before);
        parts.forEach(part -> all.tokens(part.tokens()));
        return all.tokens(after).build().tokens();
    }

    Model model() {
        return model;
    }

    int[] before() {
        return before;
    }

    List<int[]> partTokens() {
        return parts.stream().map(Part::tokens).toList();
    }

    int[] after() {
        return after;
    }

    /// The parts of each passage.
    int[][] groups() {
        return parts.stream().mapToInt(Part::passage).distinct()
                .mapToObj(passage -> IntStream.range(0, parts.size()).filter(i -> parts.get(i).passage() == passage).toArray()).toArray(int[][]::new);
    }
}
