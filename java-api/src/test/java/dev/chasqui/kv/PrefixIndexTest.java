package dev.chasqui.kv;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.kv.PrefixIndex.Cut;
import dev.chasqui.kv.PrefixIndex.Match;
import dev.chasqui.kv.StoredSequence.Space;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class PrefixIndexTest {

    private static final Space SPACE = new Space(1, "");
    private static final Cut CELLS = new Cut(true, 0, false);
    private static final Cut WINDOW = new Cut(false, 4, false);
    private static final Cut STATE = new Cut(false, 0, true);

    /// Against a search through all sequences, for each kind of model.
    @Property(tries = 2000)
    void findsTheLongestUsablePrefix(@ForAll("keys") List<PromptKey> stored, @ForAll("key") PromptKey prompt, @ForAll long seed) {
        PrefixIndex index = new PrefixIndex();
        Random random = new Random(seed);
        List<StoredSequence> all = new ArrayList<>();
        for (PromptKey key : stored) {
            if (index.get(SPACE, key) == null) {
                StoredSequence each = new StoredSequence(SPACE, key, 100L * key.length(), random.nextBoolean(), 0);
                all.add(each);
                index.add(each);
            }
        }
        int own = random.nextInt(3);
        for (Cut cut : List.of(CELLS, WINDOW, STATE)) {
            int best = all.stream().mapToInt(each -> cut.usable(each, prompt, prompt.commonPrefix(each.key))).max().orElse(0);
            Match match = index.best(SPACE, prompt, own, cut, Set.of());

            assertThat(match.branch()).isEqualTo(all.stream().mapToInt(each -> prompt.commonPrefix(each.key)).max().orElse(0));
            if (best > own) {
                assertThat(match.usable()).isEqualTo(best);
                assertThat(match.stored()).isNotNull();
                assertThat(cut.usable(match.stored(), prompt, prompt.commonPrefix(match.stored().key))).isEqualTo(best);
                Match without = index.best(SPACE, prompt, own, cut, Set.of(match.stored()));
                assertThat(without.stored()).isNotSameAs(match.stored());
            } else {
                assertThat(match.stored()).isNull();
            }
        }
        assertThat(index.best(new Space(2, ""), prompt, 0, CELLS, Set.of()).stored()).isNull();
        assertThat(index.best(new Space(1, "other"), prompt, 0, CELLS, Set.of()).stored()).isNull();
        all.forEach(index::remove);
        assertThat(index.best(SPACE, prompt, 0, CELLS, Set.of()).branch()).isZero();
    }

    @Property(tries = 1000)
    void coversAndIsCovered(@ForAll("keys") List<PromptKey> stored, @ForAll("key") PromptKey key) {
        PrefixIndex index = new PrefixIndex();
        stored.stream().distinct().forEach(each -> index.add(new StoredSequence(SPACE, each, 1, false, 0)));
        List<StoredSequence> longer = new ArrayList<>();
        List<StoredSequence> shorter = new ArrayList<>();
        index.forEach(each -> {
            int common = key.commonPrefix(each.key);
            if (common == key.length() && key.length() * 2 >= each.length()) {
                longer.add(each);
            }
            if (common == each.length() && common < key.length() && common * 2 >= key.length()) {
                shorter.add(each);
            }
        });
        assertThat(Stream.ofNullable(index.covering(SPACE, key, CELLS)).toList()).hasSize(Math.min(1, longer.size())).allMatch(longer::contains);
        assertThat(Stream.ofNullable(index.covering(SPACE, key, STATE)).toList())
                .isEqualTo(longer.stream().filter(each -> each.length() == key.length()).toList());
        StoredSequence by = new StoredSequence(SPACE, key, 1, false, 0);
        assertThat(index.covered(by, CELLS)).containsExactlyInAnyOrderElementsOf(shorter);
        assertThat(index.covered(by, STATE)).isEmpty();
    }

    /// What was forgotten cannot be gone back to.
    @Test
    void windowsAndStatesAreUsedAsAWhole() {
        StoredSequence stored = new StoredSequence(SPACE, PromptKey.of(1, 2, 3, 4, 5, 6), 1, false, 0);
        PromptKey longer = PromptKey.of(1, 2, 3, 4, 5, 6, 7);
        PromptKey other = PromptKey.of(1, 2, 3, 4, 9);
        assertThat(CELLS.usable(stored, longer, 6)).isEqualTo(6);
        assertThat(CELLS.usable(stored, other, 4)).isEqualTo(4);
        assertThat(WINDOW.usable(stored, longer, 6)).isEqualTo(6);
        assertThat(WINDOW.usable(stored, other, 4)).isZero();
        assertThat(STATE.usable(stored, other, 4)).isZero();
        assertThat(WINDOW.usable(stored, stored.key, 6)).as("the last token can be taken back").isEqualTo(6);
        assertThat(STATE.usable(stored, stored.key, 6)).as("it cannot, and there are no logits").isZero();
        assertThat(STATE.usable(new StoredSequence(SPACE, stored.key, 1, true, 0), stored.key, 6)).isEqualTo(6);
        assertThat(new Cut(false, 6, false).usable(stored, other, 4)).as("the window has forgotten nothing").isEqualTo(4);
    }

    @Test
    void aLittleGainIsNotWorthALongCopy() {
        PrefixIndex index = new PrefixIndex();
        StoredSequence stored = new StoredSequence(SPACE, PromptKey.of(new int[10_000]), 1, false, 0);
        stored.onDisk = true;
        index.add(stored);
        assertThat(index.best(SPACE, PromptKey.of(new int[199]), 0, CELLS, Set.of()).stored()).isNull();
        assertThat(index.best(SPACE, PromptKey.of(new int[200]), 0, CELLS, Set.of()).stored()).isSameAs(stored);
        assertThat(index.best(SPACE, PromptKey.of(new int[200]), 1, CELLS, Set.of()).stored()).isNull();
    }

    @Test
    void theShortestOfEqualsIsTaken() {
        PrefixIndex index = new PrefixIndex();
        for (int length : new int[] {30, 12, 20}) {
            int[] tokens = new int[length];
            tokens[10] = length;
            index.add(new StoredSequence(SPACE, PromptKey.of(tokens), length, false, 0));
        }
        assertThat(index.best(SPACE, PromptKey.of(new int[10]), 0, CELLS, Set.of()).stored().length()).isEqualTo(12);
    }

    @Provide
    Arbitrary<PromptKey> key() {
        Arbitrary<PromptKey> tokens = Arbitraries.integers().between(0, 2).array(int[].class).ofMinSize(1).ofMaxSize(9).map(PromptKey::of);
        Arbitrary<PromptKey> images = Arbitraries.randomValue(random -> {
            PromptKey.Builder builder = PromptKey.builder().tokens(random.nextInt(2));
            for (int i = random.nextInt(3); i > 0; i--) {
                builder.chunk(random.nextInt(2), 1 + random.nextInt(3)).tokens(new int[random.nextInt(2)]);
            }
            return builder.build();
        });
        return Arbitraries.oneOf(tokens, images);
    }

    @Provide
    Arbitrary<List<PromptKey>> keys() {
        return key().list().ofMaxSize(25);
    }
}
