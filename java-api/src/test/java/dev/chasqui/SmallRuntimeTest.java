package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.vision.ImageTokens;
import dev.chasqui.vision.TokenPruner;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The library needs no more of the JDK than its module says: java.desktop is for the pictures of kept tokens only.
@Tag("standalone")
class SmallRuntimeTest {

    static final class Prune {

        public static void main(String... args) {
            boolean desktop = ModuleLayer.boot().findModule("java.desktop").isPresent();
            ImageTokens tokens = ImageTokens.of(new float[] {1, 0, 0, 1, 1, 1}, 3, 2);
            System.out.println("desktop " + desktop + ", kept " + Arrays.toString(tokens.select(TokenPruner.kCenter(), 2)));
        }
    }

    @Test
    void tokensArePrunedWithoutTheDesktopModule(@TempDir Path directory) {
        ChildJvm.Result result = ChildJvm.run(Prune.class, directory, List.of("--limit-modules", "java.base"), List.of(), 2);
        assertThat(result.exit()).as(result.summary()).isZero();
        assertThat(result.last("desktop ")).isEqualTo("false, kept [0, 2]");
    }
}
