package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// How far a prompt has come, as another thread sees it.
@Tag("model")
class PromptProgressTest {

    private static final int BATCH = 32;
    private static final int LENGTH = 800;

    @Test
    void aPromptIsSeenToGrowByBatches() throws InterruptedException {
        Model model = TestModels.smollm2();
        int[] prompt = Arrays.copyOf(model.vocabulary().tokenize("The river flows from the mountains to the sea. ".repeat(200)), LENGTH);
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(1024).withBatchSize(BATCH))) {
            assertThat(context.promptProgress()).isEqualTo(PromptProgress.NONE);
            Sequence sequence = context.newSequence();
            Thread computing = Thread.ofPlatform().start(() -> sequence.set(prompt));
            List<PromptProgress> seen = new ArrayList<>();
            while (computing.isAlive()) {
                PromptProgress now = context.promptProgress();
                if (now.total() > 0 && (seen.isEmpty() || !seen.getLast().equals(now))) {
                    seen.add(now);
                }
                LockSupport.parkNanos(200_000); // the threads that compute need the processor
            }
            computing.join();

            assertThat(seen).hasSizeGreaterThan(2).isSortedAccordingTo((a, b) -> Integer.compare(a.computed(), b.computed()))
                    .allSatisfy(progress -> {
                        assertThat(progress.total()).isEqualTo(LENGTH);
                        assertThat(progress.computed() % BATCH).isZero();
                    });
            assertThat(context.promptProgress()).isEqualTo(PromptProgress.NONE);

            sequence.rewind(LENGTH - 5);
            sequence.append(1, 2, 3);
            assertThat(context.promptProgress()).as("nothing is left of short ones").isEqualTo(PromptProgress.NONE);
        }
    }
}
