package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class RecyclingTableTest {

    private final Model model = Model.load(TestModels.tinyFile());
    private final RecyclingTable table = model.recyclingTable();

    @AfterEach
    void close() {
        model.close();
    }

    private GenerationStats answer(Model model, int seed) {
        try (Context context = model.newContext(small()); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(tokens(20, seed),
                        GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(60).withIgnoreEnd(true))) {
            generation.text();
            return generation.stats();
        }
    }

    @Test
    void answersFillItAndClearEmptiesIt() {
        assertThat(table.info()).isEqualTo(new RecyclingTable.Info(0, 0));
        answer(model, 1);
        RecyclingTable.Info info = table.info();
        assertThat(info.entries()).isGreaterThan(100);
        assertThat(info.bytes()).isPositive();
        table.clear();
        assertThat(table.info()).isEqualTo(new RecyclingTable.Info(0, 0));
    }

    /// The second program needs fewer passes for an answer that the first one gave.
    @Test
    void aSavedTableMakesTheNextStartAFastOne(@TempDir Path folder) throws IOException {
        int cold = answer(model, 1).targetSteps();
        Path file = folder.resolve("table");
        table.save(file);
        table.save(file); // over the old one
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
        try (Model other = Model.load(TestModels.tinyFile())) {
            other.recyclingTable().restore(file);
            assertThat(other.recyclingTable().info()).isEqualTo(table.info());
            assertThat(other.recyclingTable().save()).isEqualTo(table.save());
            assertThat(answer(other, 1).targetSteps()).isLessThanOrEqualTo(cold);
        }
        assertThatThrownBy(() -> table.restore(folder.resolve("none"))).isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void damagedAndForeignBytesChangeNothing() {
        answer(model, 1);
        byte[] saved = table.save();
        Random random = new Random(1);
        for (int i = 0; i < 300; i++) {
            byte[] damaged = saved.clone();
            damaged[random.nextInt(saved.length)] ^= (byte) (1 + random.nextInt(255));
            assertThatIllegalArgumentException().isThrownBy(() -> table.restore(damaged));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> table.restore(new byte[0])).withMessageContaining("no saved table");
        assertThatIllegalArgumentException().isThrownBy(() -> table.restore(java.util.Arrays.copyOf(saved, saved.length - 1)));
        assertThat(table.save()).isEqualTo(saved);
    }

    @Test
    void theTableOfAnotherModelIsRefused() throws IOException {
        answer(model, 1);
        Path file = TestModels.directory().resolve("other.gguf");
        Files.write(file, TestModels.tinyWithPiece("another"));
        try (Model other = Model.load(file)) {
            assertThatIllegalArgumentException().isThrownBy(() -> other.recyclingTable().restore(table.save()))
                    .withMessageContaining("another model");
        }
    }

    @Test
    void threadsShareIt() {
        List<CompletableFuture<Void>> all = List.of(
                CompletableFuture.runAsync(() -> answer(model, 1)),
                CompletableFuture.runAsync(() -> answer(model, 2)),
                CompletableFuture.runAsync(() -> {
                    for (int i = 0; i < 50; i++) {
                        table.restore(table.save());
                        table.info();
                    }
                }));
        all.forEach(CompletableFuture::join);
        assertThat(table.info().entries()).isPositive();
    }

    @Test
    void aClosedModelHasNone() {
        model.close();
        assertThatThrownBy(table::info).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(table::save).isInstanceOf(IllegalStateException.class);
    }
}
