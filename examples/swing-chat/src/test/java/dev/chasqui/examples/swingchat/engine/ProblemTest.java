package dev.chasqui.examples.swingchat.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.ContextFullException;
import dev.chasqui.InsufficientMemoryException;
import dev.chasqui.ModelLoadException;
import dev.chasqui.models.ModelStoreException;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class ProblemTest {

    @Test
    void eachCauseHasItsAdvice() {
        assertThat(Problem.of(new ModelLoadException(Path.of("a.gguf"), "bad magic"))).satisfies(problem -> {
            assertThat(problem.title()).isEqualTo("This model file cannot be used");
            assertThat(problem.detail()).contains("a.gguf", "bad magic");
        });
        assertThat(Problem.of(new InsufficientMemoryException("x")).title()).isEqualTo("There is not enough memory");
        assertThat(Problem.of(new OutOfMemoryError("x")).title()).isEqualTo("There is not enough memory");
        assertThat(Problem.of(new ContextFullException(10, 5)).title()).isEqualTo("The message is too long for this model");
        assertThat(Problem.of(new ModelStoreException("no source")).title()).isEqualTo("The model could not be downloaded");
        assertThat(Problem.of(new IllegalStateException("x"))).satisfies(problem -> {
            assertThat(problem.title()).isEqualTo("Something went wrong");
            assertThat(problem.detail()).contains("IllegalStateException", "x");
        });
    }

    @Test
    void aFullDiskIsSeenWhereverItIsSaid() {
        assertThat(Problem.of(new IOException("No space left on device")).title()).isEqualTo("The disk is full");
        assertThat(Problem.of(new ModelStoreException("cannot fetch", new IOException("needs 5 bytes of disk space in x, there are 1"))).title())
                .isEqualTo("The disk is full");
        assertThat(Problem.of(new ModelStoreException("cannot fetch m: needs 5 bytes of disk space in x, there are 1")).title()).isEqualTo("The disk is full");
    }

    @Test
    void aFailureWithoutAMessageStillSaysSomething() {
        assertThat(Problem.of(new IOException()).detail()).contains("IOException");
    }
}
