package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.bindings.AbiCheck.Field;
import dev.chasqui.bindings.AbiCheck.Struct;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AbiCheckTest {

    @BeforeAll
    static void load() {
        NativeLoader.load();
    }

    @Test
    void theLibraryThatWasBuiltFits() {
        assertThat(AbiCheck.compare(AbiCheck.reported(), AbiCheck.LAYOUTS, StructDefaults.BYTES)).isEmpty();
    }

    @Test
    void theLibraryThatWasBuiltHasTheDigestOfTheBindings() {
        assertThat(Chq.chq_abi_digest()).isEqualTo(StructDefaults.DIGEST);
    }

    @Test
    void aNumberInThePlaceOfAPointerIsFound() {
        assertThat(problemsWith("llama_batch", s -> withLastField(s, f -> new Field(f.name(), f.offset(), f.size(), false))))
                .containsExactly("llama_batch.logits is at offset 48 with 8 bytes, expected offset 48 with 8 bytes, a pointer");
    }

    @Test
    void everyStructWithDefaultsHasExpectedOnes() {
        List<String> withDefaults = AbiCheck.reported().stream().filter(s -> s.defaults() != null).map(Struct::name).toList();
        assertThat(withDefaults).contains("llama_model_params", "llama_context_params");
        assertThat(StructDefaults.BYTES.keySet()).containsExactlyInAnyOrderElementsOf(withDefaults);
        assertThat(StructDefaults.BYTES.get("llama_context_params")).containsEntry("n_batch", "00080000");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama_model_params", "llama_context_params", "llama_batch", "chq_sampled", "chq_device_info"})
    void aStructOfAnotherSizeIsFound(String name) {
        assertThat(problemsWith(name, s -> new Struct(s.name(), s.size() + 8, s.alignment(), s.fields(), s.defaults())))
                .singleElement().asString().contains(name).contains("bytes, expected");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama_model_params", "chq_image_chunk", "chq_sampled"})
    void aStructOfAnotherAlignmentIsFound(String name) {
        assertThat(problemsWith(name, s -> new Struct(s.name(), s.size(), s.alignment() * 2, s.fields(), s.defaults())))
                .singleElement().asString().startsWith(name + " is aligned to ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama_model_params", "llama_context_params", "llama_batch", "chq_sampled"})
    void aMovedFieldIsFound(String name) {
        assertThat(problemsWith(name, s -> withLastField(s, f -> new Field(f.name(), f.offset() - 1, f.size(), f.isPointer()))))
                .singleElement().asString().contains(name + ".").contains("expected offset");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama_model_params", "llama_context_params", "llama_batch", "chq_sampled"})
    void aFieldOfAnotherSizeIsFound(String name) {
        assertThat(problemsWith(name, s -> withLastField(s, f -> new Field(f.name(), f.offset(), f.size() * 2, f.isPointer()))))
                .singleElement().asString().contains(name + ".");
    }

    @Test
    void aRenamedFieldIsFoundOnBothSides() {
        assertThat(problemsWith("llama_batch", s -> withLastField(s, f -> new Field("output", f.offset(), f.size(), f.isPointer()))))
                .containsExactlyInAnyOrder("llama_batch.output is not expected", "llama_batch.logits is missing");
    }

    @Test
    void aMissingStructIsFound() {
        List<Struct> reported = new ArrayList<>(AbiCheck.reported());
        reported.removeIf(s -> s.name().equals("llama_batch"));
        assertThat(AbiCheck.compare(reported, AbiCheck.LAYOUTS, StructDefaults.BYTES))
                .containsExactly("the library does not know struct llama_batch");
    }

    @Test
    void aMissingFieldIsFound() {
        assertThat(problemsWith("chq_model_info",
                s -> new Struct(s.name(), s.size(), s.alignment(), s.fields().subList(1, s.fields().size()), null)))
                .containsExactly("chq_model_info.n_vocab is missing");
    }

    @Test
    void aMissingDefaultValueIsFound() {
        assertThat(problemsWith("llama_model_params", s -> new Struct(s.name(), s.size(), s.alignment(), s.fields(), null)))
                .containsExactly("llama_model_params has no default value");
    }

    @Test
    void aPointerThatIsSetByDefaultIsFound() {
        assertThat(problemsWith("llama_context_params", s -> withDefaultByte(s, "cb_eval")))
                .containsExactly("llama_context_params.cb_eval is set by default, expected NULL");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama_model_params.use_extra_bufts", "llama_context_params.n_ubatch", "llama_context_params.flash_attn_type"})
    void anotherDefaultValueIsFound(String field) {
        String name = field.substring(0, field.indexOf('.'));
        assertThat(problemsWith(name, s -> withDefaultByte(s, field.substring(name.length() + 1))))
                .singleElement().asString().startsWith(field + " is ").contains("by default");
    }

    private static List<String> problemsWith(String name, UnaryOperator<Struct> change) {
        List<Struct> doctored = AbiCheck.reported().stream().map(s -> s.name().equals(name) ? change.apply(s) : s).toList();
        return AbiCheck.compare(doctored, AbiCheck.LAYOUTS, StructDefaults.BYTES);
    }

    private static Struct withLastField(Struct struct, UnaryOperator<Field> change) {
        List<Field> fields = new ArrayList<>(struct.fields());
        fields.set(fields.size() - 1, change.apply(fields.getLast()));
        return new Struct(struct.name(), struct.size(), struct.alignment(), fields, struct.defaults());
    }

    private static Struct withDefaultByte(Struct struct, String field) {
        byte[] defaults = Objects.requireNonNull(struct.defaults()).clone();
        Field changed = struct.fields().stream().filter(f -> f.name().equals(field)).findFirst().orElseThrow();
        defaults[(int) changed.offset()] ^= 1;
        return new Struct(struct.name(), struct.size(), struct.alignment(), struct.fields(), defaults);
    }
}
