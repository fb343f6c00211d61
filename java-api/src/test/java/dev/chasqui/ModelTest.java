package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("standalone")
class ModelTest {

    private final Path file = TestModels.tinyFile();
    private final int[] prompt = tokens(20, 1);

    @Test
    void facts() {
        Model model = TestModels.tiny();
        ModelInfo info = model.info();

        assertThat(model.path()).isEqualTo(file);
        assertThat(info.description()).contains("llama");
        assertThat(info.trainedContext()).isEqualTo(512);
        assertThat(info.embeddingSize()).isEqualTo(64);
        assertThat(info.layers()).isEqualTo(2);
        assertThat(info.attentionHeads()).isEqualTo(4);
        assertThat(info.keyValueHeads()).isEqualTo(2);
        assertThat(info.slidingWindow()).isZero();
        assertThat(info.parameters()).isEqualTo(GgufFile.read(file).parameterCount());
        assertThat(info.sizeInBytes()).isEqualTo(info.parameters() * 4);
        assertThat(info.hasDecoder()).isTrue();
        assertThat(info.hasEncoder() || info.recurrent() || info.hybrid() || info.diffusion() || info.vocabularyOnly()).isFalse();
        assertThat(model).hasToString("Model[tiny.gguf, " + info.description() + "]");
    }

    @Test
    void metadata() {
        assertThat(TestModels.tiny().metadata("general.name")).hasValue("tiny");
        assertThat(TestModels.tiny().metadata("llama.context_length")).hasValue("512");
        assertThat(TestModels.tiny().metadata("tokenizer.chat_template")).hasValue(TestModels.CHAT_TEMPLATE);
        assertThat(TestModels.tiny().metadata("no.such.key")).isEmpty();
        assertThat(TestModels.tiny().metadata("")).isEmpty();
        assertThatNullPointerException().isThrownBy(() -> TestModels.tiny().metadata(null));
        assertThatIllegalArgumentException().isThrownBy(() -> TestModels.tiny().metadata("a\0b"));
    }

    @Test
    void progressRisesToOne() {
        List<Float> fractions = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        Model.load(file, ModelOptions.defaults().withListener(fraction -> {
            fractions.add(fraction);
            threads.add(Thread.currentThread());
            return true;
        })).close();

        assertThat(fractions).isNotEmpty().isSorted().allMatch(fraction -> fraction >= 0 && fraction <= 1).endsWith(1f);
        assertThat(threads).containsOnly(Thread.currentThread());
    }

    @Test
    void listenerStopsTheLoad() {
        assertThatExceptionOfType(CancelledException.class)
                .isThrownBy(() -> Model.load(file, ModelOptions.defaults().withListener(_ -> false)));
    }

    @Test
    void failureOfTheListenerIsPassedOn() {
        UnsupportedOperationException failure = new UnsupportedOperationException("no");

        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> Model.load(file, ModelOptions.defaults().withListener(_ -> {
                    throw failure;
                }))).isSameAs(failure);
        assertThatExceptionOfType(AssertionError.class)
                .isThrownBy(() -> Model.load(file, ModelOptions.defaults().withListener(_ -> {
                    throw new AssertionError("an error too");
                }))).withMessage("an error too");
    }

    @Test
    void vocabularyOnly() {
        try (Model vocabulary = Model.load(file, ModelOptions.defaults().withVocabularyOnly(true))) {
            assertThat(vocabulary.info().vocabularyOnly()).isTrue();
            assertThat(vocabulary.vocabulary().tokenize("the river")).isEqualTo(TestModels.tiny().vocabulary().tokenize("the river"));
            assertThatIllegalStateException().isThrownBy(vocabulary::newContext).withMessageContaining("vocab");
        }
    }

    @ParameterizedTest
    @EnumSource
    void eachWayOfLoadingGivesTheSame(LoadMode mode) {
        try (Model model = Model.load(file, ModelOptions.defaults().withLoadMode(mode).withCheckTensors(true).withRepack(false))) {
            assertThat(fresh(model, prompt, 10)).isEqualTo(fresh(TestModels.tiny(), prompt, 10));
        }
    }

    @Test
    void overridesReplaceWhatTheFileSays() {
        Map<String, Object> overrides = Map.of("llama.context_length", 256L, "tokenizer.ggml.add_bos_token", false,
                "llama.rope.freq_base", 500.0, "general.name", "other");
        try (Model model = Model.load(file, ModelOptions.defaults().withMetadataOverrides(overrides))) {
            assertThat(model.info().trainedContext()).isEqualTo(256);
            assertThat(model.vocabulary().addsBeginOfText()).isFalse();
            assertThat(fresh(model, prompt, 10)).as("another rotation").isNotEqualTo(fresh(TestModels.tiny(), prompt, 10));
        }
    }

    @Test
    void unknownDeviceIsNamed() {
        assertThatIllegalArgumentException().isThrownBy(() -> Model.load(file, ModelOptions.defaults().withDevices(List.of("NPU9"))))
                .withMessageContaining("NPU9").withMessageContaining("CPU");
    }

    @Test
    void missingFileIsNamed() {
        Path missing = file.resolveSibling("missing.gguf");

        assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> Model.load(missing))
                .satisfies(e -> assertThat(e.path()).isEqualTo(missing)).withMessageContaining("missing.gguf");
    }

    @Test
    void devicesHaveTheCpu() {
        assertThat(Chasqui.devices()).anySatisfy(device -> {
            assertThat(device.type()).isEqualTo(Device.Type.CPU);
            assertThat(device.totalMemory()).isPositive();
        });
        assertThat(Chasqui.physicalCores()).isPositive();
        assertThat(Chasqui.llamaVersion()).isEqualTo("v0.5.0");
        assertThat(Chasqui.version()).isNotBlank();
    }
}
