package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// Weights packed for Chasqui's own kernels.
@Tag("standalone")
class KernelsTest {

    private static final Path QUANTIZED = TinyGguf.builder().type(GgmlType.Q8_0).write(TestModels.directory().resolve("q8.gguf"));

    /// The matrices of both layers and the output, 34 bytes for 32 weights.
    private static final long WEIGHT_BYTES = (2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128) + 64 * 320) / 32 * 34;

    @Test
    void theDeviceIsNamedAfterTheInstructionSet() {
        assertThat(Chasqui.kernels()).isPresent();
        assertThat(Chasqui.devices()).filteredOn(device -> device.backend().equals("Chasqui")).singleElement().satisfies(device -> {
            assertThat(device.type()).isEqualTo(Device.Type.ACCELERATOR);
            assertThat(device.description()).isEqualTo(Chasqui.kernels().orElseThrow());
            assertThat(device.library()).contains("ggml-chasqui");
        });
    }

    @Test
    void theOptionDecidesWhatIsPacked() {
        long all = packedBytes(QUANTIZED, Kernels.ON);

        assertThat(all).isBetween(WEIGHT_BYTES, WEIGHT_BYTES * 5 / 4);
        assertThat(packedBytes(QUANTIZED, Kernels.OFF)).isZero();
        assertThat(packedBytes(QUANTIZED, Kernels.AUTO)).isIn(0L, all);
        assertThat(packedBytes(TestModels.tinyFile(), Kernels.ON)).as("there are no kernels for F32").isZero();
        try (Model model = Model.load(QUANTIZED, ModelOptions.defaults().withKernels(Kernels.ON).withVocabularyOnly(true))) {
            assertThat(model.info().packedBytes()).isZero();
        }
    }

    /// Both round activations to 8 bits, at other places, which random weights amplify: neither is to be much the worse.
    @Test
    void answersAreAsGoodAsThoseOfLlamaCpp() {
        try (Model packed = load(Kernels.ON); Model plain = load(Kernels.OFF)) {
            assertThat(error(plain)).isLessThan(0.1);
            assertThat(error(packed)).isLessThan(1.5 * error(plain));
        }
    }

    /// Whatever way the file comes into memory, and without the layouts of llama.cpp's own.
    @Test
    void everyWayOfLoadingGivesTheSame() {
        try (Model packed = load(Kernels.ON)) {
            for (LoadMode mode : LoadMode.values()) {
                ModelOptions options = ModelOptions.defaults().withKernels(Kernels.ON).withLoadMode(mode).withRepack(false).withCheckTensors(true);
                try (Model model = Model.load(QUANTIZED, options)) {
                    assertThat(model.info().packedBytes()).as("%s", mode).isEqualTo(packed.info().packedBytes());
                    assertThat(fresh(model, tokens(20, 1), 20)).as("%s", mode).isEqualTo(fresh(packed, tokens(20, 1), 20));
                }
            }
        }
    }

    /// Tensors below 256 KiB are not worth a file.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void whatWasPackedIsKeptForTheNextLoad(@TempDir Path directory) throws IOException {
        Path file = TinyGguf.builder().type(GgmlType.Q8_0).embedding(256).feedForward(2048).write(directory.resolve("large.gguf"));
        PackedCache cache = new PackedCache(directory.resolve("a").resolve("packed"), 1 << 30);
        ModelOptions options = ModelOptions.defaults().withKernels(Kernels.ON);
        try (Model plain = Model.load(file, options);
                Model first = Model.load(file, options.withPackedCache(cache))) {
            Map<Path, Object> kept = files(cache.folder());
            assertThat(kept).hasSizeGreaterThanOrEqualTo(3);
            try (Model second = Model.load(file, options.withPackedCache(cache))) {
                assertThat(files(cache.folder())).as("mapped, not written again").isEqualTo(kept);
                assertThat(second.info().packedBytes()).isEqualTo(plain.info().packedBytes());
                for (Model model : List.of(first, second)) {
                    assertThat(fresh(model, tokens(20, 1), 20)).isEqualTo(fresh(plain, tokens(20, 1), 20));
                }
            }
            try (Model full = Model.load(file, options.withPackedCache(new PackedCache(directory.resolve("none"), 0)))) {
                assertThat(fresh(full, tokens(20, 1), 20)).isEqualTo(fresh(plain, tokens(20, 1), 20));
            }
            assertThat(files(directory.resolve("none"))).isEmpty();
        }
        Path noFolder = Files.createFile(directory.resolve("file"));
        try (Model without = Model.load(file, options.withPackedCache(new PackedCache(noFolder, 1 << 30)))) {
            assertThat(without.info().packedBytes()).isPositive();
        }
    }

    /// The kept files and what tells one from its replacement.
    private static Map<Path, Object> files(Path folder) throws IOException {
        Map<Path, Object> all = new HashMap<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, "*.packed")) {
            for (Path entry : entries) {
                all.put(entry, Files.getAttribute(entry, "unix:ino"));
            }
        }
        return all;
    }

    @Test
    void loadsAtTheSameTimeHaveTheirOwnMode() {
        List<CompletableFuture<Void>> loads = new ArrayList<>();
        for (Kernels kernels : List.of(Kernels.ON, Kernels.OFF)) {
            loads.add(TestModels.async(() -> {
                for (int i = 0; i < 20; i++) {
                    assertThat(packedBytes(QUANTIZED, kernels) > 0).isEqualTo(kernels == Kernels.ON);
                }
            }));
        }
        loads.forEach(CompletableFuture::join);
    }

    @Test
    void theDeviceHoldsNoLayers() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Model.load(QUANTIZED, ModelOptions.defaults().withDevices(List.of("Chasqui"))));
    }

    private static Model load(Kernels kernels) {
        return Model.load(QUANTIZED, ModelOptions.defaults().withKernels(kernels));
    }

    private static long packedBytes(Path file, Kernels kernels) {
        try (Model model = Model.load(file, ModelOptions.defaults().withKernels(kernels))) {
            return model.info().packedBytes();
        }
    }

    /// How far the logits are from those of the model before it was quantised, as a part of their size.
    private static double error(Model model) {
        try (Context context = model.newContext(small()); Context exact = TestModels.tiny().newContext(small())) {
            Sequence sequence = context.newSequence();
            Sequence reference = exact.newSequence();
            double error = 0;
            double size = 0;
            for (int[] text : List.of(tokens(7, 1), tokens(1, 2), tokens(40, 3), tokens(1, 4))) {
                sequence.append(text);
                reference.append(text);
                float[] logits = sequence.logits();
                float[] expected = reference.logits();
                for (int i = 0; i < logits.length; i++) {
                    error += Math.pow(logits[i] - expected[i], 2);
                    size += Math.pow(expected[i], 2);
                }
            }
            return Math.sqrt(error / size);
        }
    }
}
