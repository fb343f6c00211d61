package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.Vocabulary;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class HiddenItemsTest {

    private static final int LENGTH = 700;

    private static Model model;
    private static Vocabulary vocabulary;

    @BeforeAll
    static void load() {
        model = Model.load(Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm/tiny-text.gguf"));
        vocabulary = model.vocabulary();
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static int[] plain() {
        return IntStream.range(0, LENGTH).map(i -> 100 + i * i % 151).toArray();
    }

    /// Takes the items out again, each where it begins.
    private static void checkPlaces(HiddenItems hidden) {
        assertThat(hidden.text()).hasSize(LENGTH);
        int[] plain = plain();
        int at = 0;
        int from = 0;
        for (HiddenItems.Item item : hidden.items()) {
            int start = at;
            while (!Arrays.equals(Arrays.copyOfRange(hidden.text(), at, at + item.hidden().length), item.hidden())) {
                at++;
            }
            assertThat(at - start).as("tokens of the text between two items").isPositive();
            assertThat(Arrays.copyOfRange(hidden.text(), start, at)).isEqualTo(Arrays.copyOfRange(plain, from, from + at - start));
            from += at - start;
            at += item.hidden().length;
        }
        assertThat(LENGTH - at).as("tokens behind the last").isGreaterThanOrEqualTo(384);
        assertThat(Arrays.copyOfRange(hidden.text(), at, LENGTH)).isEqualTo(Arrays.copyOfRange(plain, from, from + LENGTH - at));
    }

    @Test
    void needlesAreCodesThatTheQuestionsDoNotTell() {
        HiddenItems hidden = HiddenItems.needles(vocabulary, plain(), LENGTH, 3);
        checkPlaces(hidden);
        Set<String> codes = new HashSet<>();
        for (HiddenItems.Item item : hidden.items()) {
            String question = vocabulary.detokenize(item.asked());
            String answer = vocabulary.detokenize(item.answer()).strip();
            assertThat(answer).matches("[1-9][0-9]{4}");
            assertThat(question).doesNotContain(answer);
            String name = question.substring(question.lastIndexOf("the ") + 4, question.lastIndexOf(" is"));
            assertThat(vocabulary.detokenize(item.hidden())).isEqualTo("\nThe code of the " + name + " is " + answer + ".\n");
            codes.add(answer);
        }
        assertThat(codes).hasSize(3);
    }

    @Test
    void copiesBeginWithFourTokensAndGoOnWithTheRest() {
        HiddenItems hidden = HiddenItems.copies(vocabulary, plain(), LENGTH, 3);
        checkPlaces(hidden);
        for (HiddenItems.Item item : hidden.items()) {
            assertThat(item.hidden()).hasSize(32);
            assertThat(Arrays.stream(item.hidden())).noneMatch(token -> vocabulary.info(token).isControl());
            assertThat(item.asked()).isEqualTo(Arrays.copyOf(item.hidden(), 4));
            assertThat(item.answer()).isEqualTo(Arrays.copyOfRange(item.hidden(), 4, 32));
        }
    }

    @Test
    void theTokensThatTheModelGivesBestAreRight() {
        int[] text = plain();
        int[] asked = {120, 130};
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(1024).withThreads(1)); Sequence sequence = context.newSequence()) {
            int[] answer = new int[6];
            sequence.set(text);
            for (int token : asked) {
                sequence.append(token);
            }
            for (int i = 0; i < answer.length; i++) {
                answer[i] = HiddenItems.best(sequence.logits());
                sequence.append(answer[i]);
            }
            int[] wrongAtTheEnd = answer.clone();
            wrongAtTheEnd[5] = answer[5] == 150 ? 151 : 150;
            HiddenItems hidden = new HiddenItems(text, List.of(new HiddenItems.Item(asked, asked, answer), new HiddenItems.Item(asked, asked, wrongAtTheEnd)));
            sequence.rewind(text.length);
            assertThat(hidden.ask(sequence, share -> { })).isEqualTo(new HiddenItems.Found(1, 11 / 12.0));
            assertThat(sequence.tokens()).isEqualTo(text);
        }
    }
}
