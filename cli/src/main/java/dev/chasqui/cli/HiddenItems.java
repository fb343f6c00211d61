package dev.chasqui.cli;

import dev.chasqui.Sequence;
import dev.chasqui.Vocabulary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleConsumer;
import java.util.stream.IntStream;

/// A text with items hidden in it at even distances, none among its last tokens, and what is asked about each.
///
/// @param text  with the items
/// @param items in the order of the text
record HiddenItems(int[] text, List<Item> items) {

    /// Tokens of the text behind the last item: more than the usual window and a question.
    private static final int BEHIND = 384;

    private static final int COPIED = 32;
    private static final int GIVEN = 4;

    private static final String[] NAMES = ("falcon otter badger heron lynx salmon beaver raven walrus gecko panda tiger zebra camel donkey ferret goose hamster jackal koala "
            + "lemur moose newt ocelot parrot quail rabbit seal toad urchin viper weasel yak bison crane dingo eagle finch gopher hyena").split(" ");

    /// @param hidden what is in the text
    /// @param asked  comes behind the text
    /// @param answer the tokens that should follow
    record Item(int[] hidden, int[] asked, int[] answer) { }

    /// @param items    whose answers were right in every token
    /// @param accuracy share of the tokens of all answers that were right
    record Found(int items, double accuracy) { }

    /// Codes of five digits, each with a name that the question tells.
    ///
    /// @param from   tokens of a text to hide them in
    /// @param length tokens of the whole, items included
    static HiddenItems needles(Vocabulary vocabulary, int[] from, int length, int n) {
        if (n > NAMES.length) {
            throw new IllegalArgumentException("there are names for %d needles, not for %d".formatted(NAMES.length, n));
        }
        Random random = new Random(1);
        List<Item> items = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            int code = 10_000 + random.nextInt(90_000);
            String question = "\n\nWhat is the code of the %1$s? The code of the %1$s is".formatted(NAMES[i]);
            int[] asked = vocabulary.tokenize(question, false, false);
            int[] whole = vocabulary.tokenize(question + " " + code, false, false);
            int common = Math.max(0, Arrays.mismatch(asked, whole));
            items.add(new Item(vocabulary.tokenize("\nThe code of the %s is %d.\n".formatted(NAMES[i], code), false, false), Arrays.copyOf(whole, common),
                    Arrays.copyOfRange(whole, common, whole.length)));
        }
        return hide(from, length, items);
    }

    /// Runs of 32 random tokens, of which the question is the first four: what follows can only be known from the text (induction).
    ///
    /// @param from   tokens of a text to hide them in
    /// @param length tokens of the whole, items included
    static HiddenItems copies(Vocabulary vocabulary, int[] from, int length, int n) {
        Random random = new Random(1);
        List<Item> items = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            int[] run = random.ints(0, vocabulary.size()).filter(token -> !vocabulary.info(token).isControl()).limit(COPIED).toArray();
            items.add(new Item(run, Arrays.copyOf(run, GIVEN), Arrays.copyOfRange(run, GIVEN, COPIED)));
        }
        return hide(from, length, items);
    }

    private static HiddenItems hide(int[] from, int length, List<Item> items) {
        int plain = length - items.stream().mapToInt(item -> item.hidden().length).sum();
        if (plain < BEHIND + items.size() || plain > from.length) {
            throw new IllegalArgumentException("%d items do not fit into a text of %d tokens".formatted(items.size(), length));
        }
        IntStream.Builder text = IntStream.builder();
        int at = 0;
        for (int i = 0; i < items.size(); i++) {
            int to = (int) ((long) (plain - BEHIND) * (i + 1) / items.size());
            Arrays.stream(from, at, to).forEach(text);
            Arrays.stream(items.get(i).hidden()).forEach(text);
            at = to;
        }
        Arrays.stream(from, at, plain).forEach(text);
        return new HiddenItems(text.build().toArray(), List.copyOf(items));
    }

    /// Asks for each item behind the text, which the sequence has computed, token by token; the answers' right tokens are given as far as they have come.
    Found ask(Sequence sequence, DoubleConsumer progress) {
        int found = 0;
        int right = 0;
        int all = 0;
        for (int i = 0; i < items.size(); i++) {
            progress.accept((double) i / items.size());
            Item item = items.get(i);
            sequence.rewind(text.length);
            for (int token : item.asked()) {
                sequence.append(token);
            }
            int ofItem = 0;
            for (int token : item.answer()) {
                ofItem += best(sequence.logits()) == token ? 1 : 0;
                sequence.append(token);
            }
            found += ofItem == item.answer().length ? 1 : 0;
            right += ofItem;
            all += item.answer().length;
        }
        sequence.rewind(text.length);
        return new Found(found, (double) right / all);
    }

    /// The token of the largest logit, of equals the first.
    static int best(float[] row) {
        int best = 0;
        for (int i = 1; i < row.length; i++) {
            best = row[i] > row[best] ? i : best;
        }
        return best;
    }
}
