package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("standalone")
class PlacementTest {

    private static final Placement DEFAULTS = Placement.defaults();

    @TempDir
    Path directory;

    @Test
    void tensorsThatAreToBeOnTheCpuArePackedToo() {
        Path file = TinyGguf.builder().type(GgmlType.Q8_0).write(directory.resolve("q8.gguf"));
        ModelOptions options = ModelOptions.defaults().withKernels(Kernels.ON);
        try (Model all = Model.load(file, options);
                Model some = Model.load(file, options.withPlacement(DEFAULTS.withTensors("ffn_(up|down|gate)", "CPU")))) {
            assertThat(all.info().packedBytes()).isPositive();
            assertThat(some.info().packedBytes()).isEqualTo(all.info().packedBytes());
            assertThat(fresh(some, tokens(10, 1), 5)).isEqualTo(fresh(all, tokens(10, 1), 5));
        }
    }

    @Test
    void devicesHaveAllLayers() {
        try (Model model = Model.load(TestModels.tinyFile(), ModelOptions.defaults().withGpuLayers(0).withKernels(Kernels.OFF))) {
            assertThat(model.devices().cpuReason()).isEmpty();
            assertThat(model.devices().parts()).singleElement().satisfies(part -> {
                assertThat(part.device()).isEqualTo("CPU");
                assertThat(part.layers()).isEqualTo(model.info().layers() + 1);
                assertThat((double) part.bytes()).isEqualTo(model.info().sizeInBytes(), within(20_000.0)); // llama.cpp tells hundredths of a MiB
            });
        }
    }

    @Test
    void layersOnAServer() {
        Path file = TinyGguf.builder().layers(6).write(directory.resolve("six.gguf"));
        try (RpcServerProcess server = new RpcServerProcess();
                Model model = Model.load(file, ModelOptions.defaults().withRpcServers(List.of(server.address())).withGpuLayers(4)
                        .withPlacement(DEFAULTS.withTensors("blk\\.5\\.ffn", "CPU")));
                Model local = Model.load(file, ModelOptions.defaults().withKernels(Kernels.OFF))) {
            assertThat(model.devices().cpuReason()).isEmpty();
            assertThat(model.devices().parts()).filteredOn(part -> part.device().equals("CPU")).singleElement()
                    .satisfies(part -> assertThat(part.layers()).isEqualTo(3));
            ModelDevices.Part remote = model.devices().parts().stream().filter(part -> !part.device().equals("CPU")).findFirst().orElseThrow();
            assertThat(remote.layers()).isEqualTo(4);
            try (Model whole = Model.load(file, ModelOptions.defaults().withRpcServers(List.of(server.address())).withGpuLayers(4))) {
                long wholeBytes = whole.devices().parts().stream().filter(part -> part.device().equals(remote.device())).findFirst().orElseThrow().bytes();
                long fewer = 3L * 64 * 128 * Float.BYTES; // the feed-forward part of a layer
                assertThat((double) remote.bytes()).isEqualTo(wholeBytes - fewer, within(20_000.0));
            }
            assertThat(fresh(model, tokens(20, 1), 20)).isEqualTo(fresh(local, tokens(20, 1), 20));
        }
    }

    @Test
    void theReasonForTheCpuIsKnown() {
        boolean gpu = Chasqui.devices().stream().anyMatch(device -> device.type() == Device.Type.GPU || device.type() == Device.Type.INTEGRATED_GPU);
        try (Model model = Model.load(TestModels.tinyFile())) {
            if (gpu) {
                assertThat(model.devices().cpuReason()).isEmpty();
            } else {
                assertThat(model.devices().cpuReason()).hasValue("no backend of this build sees a GPU");
            }
        }
        try (Model model = Model.load(TestModels.tinyFile(), ModelOptions.defaults().withDevices(List.of("CPU")))) {
            assertThat(model.devices().cpuReason()).hasValue("none of the devices [CPU] is a GPU");
        }
    }

    @ParameterizedTest
    @EnumSource
    void noSplitModeDoesHarm(Placement.SplitMode mode) {
        ModelOptions options = ModelOptions.defaults().withPlacement(DEFAULTS.withSplitMode(mode).withShares(List.of(1.0, 3.0)));
        try (Model model = Model.load(TestModels.tinyFile(), options)) {
            assertThat(fresh(model, tokens(10, 1), 5)).hasSize(5);
        } catch (ModelLoadException | UnsupportedFeatureException e) {
            assertThat(mode).as(e.getMessage()).isIn(Placement.SplitMode.ROW, Placement.SplitMode.TENSOR);
        }
    }

    @Test
    void whatCannotBe() {
        assertThatIllegalArgumentException().isThrownBy(() -> load(DEFAULTS.withTensors("ffn", "CUDA77"))).withMessageContaining("CUDA77");
        assertThatIllegalArgumentException().isThrownBy(() -> load(DEFAULTS.withTensors("(", "CPU"))).withMessageContaining("regular expression");
        assertThatIllegalArgumentException().isThrownBy(() -> load(DEFAULTS.withTensors("(".repeat(100_000), "CPU")));
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withTensors("", "CPU"));
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withShares(List.of(-1.0)));
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withShares(List.of(Double.NaN)));
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withFitContext(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> load(DEFAULTS.withShares(Collections.nCopies(1000, 1.0))));
        assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> Model.load(directory.resolve("no.gguf")));
    }

    @Test
    void firstPatternCounts() {
        var two = new LinkedHashMap<String, String>();
        two.put("a", "X");
        assertThat(DEFAULTS.withTensors(two).withTensors("b", "Y").tensors().sequencedKeySet()).containsExactly("b", "a");
    }

    @Test
    void asManyLayersAsFit() {
        GgufFile file = GgufFile.read(TinyGguf.builder().layers(8).write(directory.resolve("eight.gguf")));
        MemoryEstimate estimate = file.estimate(512, KvType.F16, KvType.F16);
        long everything = estimate.totalBytes() * 2;
        assertThat(GpuFit.layers(file, 512, List.of(everything))).isEqualTo(-1);
        assertThat(GpuFit.layers(file, 512, List.of(0L))).isZero();
        assertThat(GpuFit.layers(file, 512, List.of())).isZero();
        int former = 0;
        for (long free = 0; free < everything; free += everything / 50) {
            int layers = GpuFit.layers(file, 512, List.of(free));
            int count = layers < 0 ? 9 : layers;
            assertThat(count).as("layers in %d bytes", free).isBetween(former, 9);
            int shared = GpuFit.layers(file, 512, List.of(free, free));
            assertThat(shared < 0 ? 9 : shared).as("on two").isGreaterThanOrEqualTo(count);
            former = count;
        }
        assertThat(former).isEqualTo(9);
    }

    private static void load(Placement placement) {
        Model.load(TestModels.tinyFile(), ModelOptions.defaults().withPlacement(placement)).close();
    }
}
