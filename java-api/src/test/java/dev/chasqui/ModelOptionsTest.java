package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class ModelOptionsTest {

    private static final ModelOptions DEFAULTS = ModelOptions.defaults();

    @Test
    void defaults() {
        assertThat(DEFAULTS).isEqualTo(new ModelOptions(-1, List.of(), List.of(), LoadMode.AUTO, false, false, true, Kernels.AUTO, null, Map.of(), Placement.defaults(), null));
    }

    @Test
    void eachWithChangesItsOwnPartOnly() {
        LoadListener listener = fraction -> true;
        PackedCache cache = new PackedCache(Path.of("packed"), 1);
        Placement placement = Placement.defaults().withFitContext(100);

        assertThat(DEFAULTS.withGpuLayers(3).withDevices(List.of("CPU")).withRpcServers(List.of("a:1")).withLoadMode(LoadMode.READ).withVocabularyOnly(true)
                .withCheckTensors(true).withRepack(false).withKernels(Kernels.OFF).withPackedCache(cache).withMetadataOverrides(Map.of("a", 1L))
                .withPlacement(placement).withListener(listener))
                .isEqualTo(new ModelOptions(3, List.of("CPU"), List.of("a:1"), LoadMode.READ, true, true, false, Kernels.OFF, cache, Map.of("a", 1L), placement, listener));
        assertThat(DEFAULTS.withListener(listener).withListener(null)).isEqualTo(DEFAULTS);
    }

    @Test
    void isImmutable() {
        List<String> devices = new ArrayList<>(List.of("CPU"));
        Map<String, Object> overrides = new HashMap<>(Map.of("a", true));
        ModelOptions options = DEFAULTS.withDevices(devices).withMetadataOverrides(overrides);
        devices.add("GPU");
        overrides.put("b", 1L);

        assertThat(options.devices()).containsExactly("CPU");
        assertThat(options.metadataOverrides()).isEqualTo(Map.of("a", true));
    }

    @Test
    void overridesOfEachKind() {
        Map<String, Object> overrides = Map.of("a", 1L, "b", 1.5, "c", false, "d", "x".repeat(127), "k".repeat(127), "v");

        assertThat(DEFAULTS.withMetadataOverrides(overrides).metadataOverrides()).isEqualTo(overrides);
    }

    @Test
    void refusesOverridesThatDoNotFit() {
        refused("a", 1);
        refused("a", 1f);
        refused("a", List.of());
        refused("a", "x".repeat(128));
        refused("a", "é".repeat(64));
        refused("k".repeat(128), 1L);
    }

    /// An empty key ends the native list, so that the rest of the overrides would be lost without a word.
    @Test
    void refusesAnEmptyKey() {
        refused("", 1L);
    }

    @Test
    void refusesACacheOfNegativeSize() {
        assertThatIllegalArgumentException().isThrownBy(() -> new PackedCache(Path.of("packed"), -1));
        assertThat(PackedCache.standard().folder()).endsWithRaw(Path.of("packed"));
    }

    @Test
    void refusesNull() {
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withLoadMode(null));
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withKernels(null));
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withDevices(null));
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withMetadataOverrides(null));
    }

    private static void refused(String key, Object value) {
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withMetadataOverrides(Map.of(key, value)));
    }
}
