package dev.chasqui.bindings;

import static java.util.Map.entry;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.UnionLayout;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Compares the structs as this code was generated for with the structs as the loaded library was compiled.
final class AbiCheck {

    /// Every struct that crosses the boundary.
    static final Map<String, GroupLayout> LAYOUTS = Map.ofEntries(
            entry("llama_model_params", llama_model_params.layout()),
            entry("llama_context_params", llama_context_params.layout()),
            entry("llama_sampler_chain_params", llama_sampler_chain_params.layout()),
            entry("llama_model_kv_override", llama_model_kv_override.layout()),
            entry("llama_model_tensor_buft_override", llama_model_tensor_buft_override.layout()),
            entry("llama_batch", llama_batch.layout()),
            entry("llama_token_data", llama_token_data.layout()),
            entry("llama_token_data_array", llama_token_data_array.layout()),
            entry("llama_logit_bias", llama_logit_bias.layout()),
            entry("chq_model_info", chq_model_info.layout()),
            entry("chq_token_info", chq_token_info.layout()),
            entry("chq_context_info", chq_context_info.layout()),
            entry("chq_device_info", chq_device_info.layout()),
            entry("chq_sampled", chq_sampled.layout()),
            entry("chq_state_info", chq_state_info.layout()),
            entry("chq_placement", chq_placement.layout()),
            entry("chq_position", chq_position.layout()),
            entry("chq_quantize_params", chq_quantize_params.layout()),
            entry("chq_vision_params", chq_vision_params.layout()),
            entry("chq_vision_info", chq_vision_info.layout()),
            entry("chq_image_chunk", chq_image_chunk.layout()),
            entry("chq_tensor_info", chq_tensor_info.layout()),
            entry("chq_tensor_rope_params", chq_tensor_rope_params.layout()),
            entry("chq_tensor_graph_info", chq_tensor_graph_info.layout()),
            entry("chq_rows_info", chq_rows_info.layout()),
            entry("chq_sparse_params", chq_sparse_params.layout()),
            entry("chq_sparse_stats", chq_sparse_stats.layout()),
            entry("chq_selection_params", chq_selection_params.layout()),
            entry("chq_tile", chq_tile.layout()));

    /// How generate.sh names a union without a name; its members count as members of the struct.
    private static final String UNNAMED_UNION = "union";

    private AbiCheck() {
    }

    /// A field as the library reports it.
    record Field(String name, long offset, long size, boolean isPointer) { }

    /// A struct as the library reports it.
    ///
    /// @param defaults its default value byte by byte, null if it has none
    record Struct(String name, long size, long alignment, List<Field> fields, byte @Nullable [] defaults) { }

    /// Compares all, field by field.
    ///
    /// @throws NativeLoadException if the library is not the one this code was generated for
    static void verify(Path library) {
        if (SymbolLookup.loaderLookup().find("chq_abi_structs").isEmpty()) {
            throw unfit(library, List.of("it has no function chq_abi_structs"));
        }
        List<String> problems = new ArrayList<>();
        String tree = Chq.chq_llama_tree().getString(0);
        if (!tree.equals(Pin.LLAMA_TREE)) {
            problems.add("it was built from llama.cpp tree " + tree + ", expected " + Pin.LLAMA_TREE);
        }
        problems.addAll(compare(reported(), LAYOUTS, StructDefaults.BYTES));
        if (!problems.isEmpty()) {
            throw unfit(library, problems);
        }
    }

    private static NativeLoadException unfit(Path library, List<String> problems) {
        return new NativeLoadException(library + " does not fit this version of Chasqui:\n  - " + String.join("\n  - ", problems));
    }

    /// What differs, one sentence each; empty if all is well.
    static List<String> compare(List<Struct> reported, Map<String, ? extends GroupLayout> layouts, Map<String, Map<String, String>> defaults) {
        List<String> problems = new ArrayList<>();
        Map<String, Struct> byName = new LinkedHashMap<>();
        reported.forEach(struct -> byName.put(struct.name(), struct));
        layouts.forEach((name, layout) -> {
            Struct struct = byName.get(name);
            if (struct == null) {
                problems.add("the library does not know struct " + name);
                return;
            }
            List<String> found = compareLayout(struct, layout);
            problems.addAll(found.isEmpty() ? compareDefaults(struct, defaults.get(name)) : found);
        });
        return problems;
    }

    private static List<String> compareLayout(Struct struct, GroupLayout layout) {
        List<String> problems = new ArrayList<>();
        if (struct.size() != layout.byteSize()) {
            problems.add("%s has %d bytes, expected %d".formatted(struct.name(), struct.size(), layout.byteSize()));
        }
        if (struct.alignment() != layout.byteAlignment()) {
            problems.add("%s is aligned to %d bytes, expected %d".formatted(struct.name(), struct.alignment(), layout.byteAlignment()));
        }
        Map<String, Field> expected = new LinkedHashMap<>();
        collect(layout, 0, expected);
        for (Field field : struct.fields()) {
            Field wanted = expected.remove(field.name());
            if (wanted == null) {
                problems.add("%s.%s is not expected".formatted(struct.name(), field.name()));
            } else if (!wanted.equals(field)) {
                problems.add("%s.%s is at %s, expected %s".formatted(struct.name(), field.name(), place(field), place(wanted)));
            }
        }
        expected.keySet().forEach(name -> problems.add("%s.%s is missing".formatted(struct.name(), name)));
        return problems;
    }

    private static String place(Field field) {
        return "offset %d with %d bytes%s".formatted(field.offset(), field.size(), field.isPointer() ? ", a pointer" : "");
    }

    private static void collect(GroupLayout layout, long start, Map<String, Field> fields) {
        long offset = start;
        for (MemoryLayout member : layout.memberLayouts()) {
            if (member instanceof UnionLayout union && union.name().filter(UNNAMED_UNION::equals).isPresent()) {
                collect(union, offset, fields);
            } else if (!(member instanceof PaddingLayout)) {
                String name = member.name().orElseThrow();
                fields.put(name, new Field(name, offset, member.byteSize(), member instanceof AddressLayout));
            }
            if (!(layout instanceof UnionLayout)) {
                offset += member.byteSize();
            }
        }
    }

    /// Of pointers only NULL or not is compared: an address differs from run to run.
    private static List<String> compareDefaults(Struct struct, @Nullable Map<String, String> wanted) {
        byte[] defaults = struct.defaults();
        if (defaults == null) {
            return wanted == null ? List.of() : List.of(struct.name() + " has no default value");
        }
        if (wanted == null) {
            return List.of(struct.name() + " has a default value, none is expected");
        }
        List<String> problems = new ArrayList<>();
        for (Field field : struct.fields()) {
            String actual = HexFormat.of().formatHex(defaults, (int) field.offset(), (int) (field.offset() + field.size()));
            if (field.isPointer()) {
                actual = actual.matches("0+") ? "NULL" : "set";
            }
            String value = wanted.get(field.name());
            if (!actual.equals(value)) {
                problems.add("%s.%s is %s by default, expected %s".formatted(struct.name(), field.name(), actual, value));
            }
        }
        return problems;
    }

    /// The table of the loaded library.
    static List<Struct> reported() {
        List<Struct> structs = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            MemorySegment table = Chq.chq_abi_structs(count);
            for (int i = 0; i < count.get(ValueLayout.JAVA_INT, 0); i++) {
                structs.add(read(chq_abi_struct.asSlice(table, i)));
            }
        }
        return structs;
    }

    private static Struct read(MemorySegment struct) {
        long size = chq_abi_struct.size(struct);
        List<Field> fields = new ArrayList<>();
        for (int i = 0; i < chq_abi_struct.n_fields(struct); i++) {
            MemorySegment field = chq_abi_field.asSlice(chq_abi_struct.fields(struct), i);
            fields.add(new Field(chq_abi_field.name(field).getString(0), chq_abi_field.offset(field), chq_abi_field.size(field),
                    chq_abi_field.is_pointer(field) != 0));
        }
        MemorySegment defaults = chq_abi_struct.defaults(struct);
        return new Struct(chq_abi_struct.name(struct).getString(0), size, chq_abi_struct.alignment(struct), fields,
                defaults.address() == 0 ? null : defaults.asSlice(0, size).toArray(ValueLayout.JAVA_BYTE));
    }
}
