package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.llama_model_kv_override;
import dev.chasqui.bindings.llama_model_params;
import dev.chasqui.bindings.llama_model_tensor_buft_override;
import dev.chasqui.bindings.llama_progress_callback;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// [ModelOptions] as the native struct, for the length of one load.
final class ModelParameters implements AutoCloseable {

    private final MemorySegment segment;
    private final List<RpcConnection> servers = new ArrayList<>();
    private @Nullable Throwable listenerFailure;

    private ModelParameters(Arena arena) {
        segment = llama_model_default_params(arena);
    }

    static ModelParameters of(ModelOptions options, Arena arena) {
        ModelParameters parameters = new ModelParameters(arena);
        try {
            parameters.fill(options, arena);
            return parameters;
        } catch (Throwable e) {
            parameters.close();
            throw e;
        }
    }

    private void fill(ModelOptions options, Arena arena) {
        llama_model_params.n_gpu_layers(segment, options.gpuLayers());
        llama_model_params.load_mode(segment, options.loadMode().nativeValue());
        llama_model_params.vocab_only(segment, options.vocabularyOnly());
        llama_model_params.check_tensors(segment, options.checkTensors());
        llama_model_params.use_extra_bufts(segment, options.repack());
        place(options.placement(), arena);
        if (!options.devices().isEmpty() || !options.rpcServers().isEmpty()) {
            llama_model_params.devices(segment, devices(options, arena));
        }
        if (!options.metadataOverrides().isEmpty()) {
            llama_model_params.kv_overrides(segment, overrides(options.metadataOverrides(), arena));
        }
        LoadListener listener = options.listener();
        if (listener != null) {
            llama_model_params.progress_callback(segment, upcall(listener, arena));
        }
    }

    private void place(Placement placement, Arena arena) {
        llama_model_params.split_mode(segment, placement.splitMode().nativeValue());
        if (!placement.tensors().isEmpty()) {
            llama_model_params.tensor_buft_overrides(segment, bufferTypes(placement.tensors(), arena));
        }
        if (!placement.shares().isEmpty()) {
            long most = llama_max_devices();
            if (placement.shares().size() > most) {
                throw new IllegalArgumentException(placement.shares().size() + " shares, at most " + most + " devices are possible");
            }
            MemorySegment shares = arena.allocate(ValueLayout.JAVA_FLOAT, most);
            for (int i = 0; i < placement.shares().size(); i++) {
                shares.setAtIndex(ValueLayout.JAVA_FLOAT, i, placement.shares().get(i).floatValue());
            }
            llama_model_params.tensor_split(segment, shares);
        }
    }

    /// An array that ends with an entry without a pattern.
    private static MemorySegment bufferTypes(Map<String, String> tensors, Arena arena) {
        MemorySegment array = arena.allocate(llama_model_tensor_buft_override.sizeof() * (tensors.size() + 1L), Long.BYTES);
        int i = 0;
        for (Map.Entry<String, String> entry : tensors.entrySet()) {
            MemorySegment override = llama_model_tensor_buft_override.asSlice(array, i++);
            llama_model_tensor_buft_override.pattern(override, Native.cString(arena, "pattern", entry.getKey()));
            llama_model_tensor_buft_override.buft(override, ggml_backend_dev_buffer_type(device(entry.getValue(), arena)));
        }
        return array;
    }

    MemorySegment segment() {
        return segment;
    }

    /// Throws what the listener threw while native code was on the stack.
    void rethrow() {
        switch (listenerFailure) {
            case null -> { }
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new IllegalStateException(e);
        }
    }

    /// Ends its uses of servers; a model that was loaded has its own.
    @Override
    public void close() {
        servers.forEach(RpcConnection::close);
    }

    private MemorySegment upcall(LoadListener listener, Arena arena) {
        return llama_progress_callback.allocate((fraction, _) -> {
            try {
                return listener.progress(fraction);
            } catch (Throwable e) {
                listenerFailure = e;
                return false;
            }
        }, arena);
    }

    /// An array that ends with NULL.
    private MemorySegment devices(ModelOptions options, Arena arena) {
        List<MemorySegment> devices = new ArrayList<>();
        for (String server : new LinkedHashSet<>(options.rpcServers())) {
            RpcConnection connection = RpcConnection.open(server);
            servers.add(connection);
            devices.addAll(connection.devices());
        }
        for (String name : options.devices().isEmpty() ? localGpus() : options.devices()) {
            devices.add(device(name, arena));
        }
        MemorySegment array = arena.allocate(ValueLayout.ADDRESS, devices.size() + 1L);
        for (int i = 0; i < devices.size(); i++) {
            array.setAtIndex(ValueLayout.ADDRESS, i, devices.get(i));
        }
        return array;
    }

    /// What llama.cpp would take by itself.
    static List<String> localGpus() {
        if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU()).equals(MemorySegment.NULL)
                && ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_IGPU()).equals(MemorySegment.NULL)) {
            return List.of(); // listing devices would take a tenth of a small model's start
        }
        List<Device> all = Chasqui.devices();
        boolean hasOwn = all.stream().anyMatch(device -> device.type() == Device.Type.GPU);
        Device.Type wanted = hasOwn ? Device.Type.GPU : Device.Type.INTEGRATED_GPU;
        return all.stream().filter(device -> device.type() == wanted).map(Device::name).toList();
    }

    private static MemorySegment device(String name, Arena arena) {
        MemorySegment device = ggml_backend_dev_by_name(Native.cString(arena, "device name", name));
        if (device.equals(MemorySegment.NULL)) {
            throw new IllegalArgumentException("no device is named " + name + "; there are "
                    + Chasqui.devices().stream().map(Device::name).toList());
        }
        return device;
    }

    /// An array that ends with an entry whose key is empty.
    private static MemorySegment overrides(Map<String, Object> overrides, Arena arena) {
        MemorySegment array = arena.allocate(llama_model_kv_override.sizeof() * (overrides.size() + 1L), Long.BYTES);
        long place = llama_model_kv_override.sizeof() - 128; // of the unnamed union of values, the last member; generated code has no name for it
        int i = 0;
        for (Map.Entry<String, Object> entry : overrides.entrySet()) {
            MemorySegment override = llama_model_kv_override.asSlice(array, i++);
            llama_model_kv_override.key(override).copyFrom(Native.cString(arena, "metadata key", entry.getKey()));
            switch (entry.getValue()) {
                case Long value -> {
                    llama_model_kv_override.tag(override, LLAMA_KV_OVERRIDE_TYPE_INT());
                    override.set(ValueLayout.JAVA_LONG, place, value);
                }
                case Double value -> {
                    llama_model_kv_override.tag(override, LLAMA_KV_OVERRIDE_TYPE_FLOAT());
                    override.set(ValueLayout.JAVA_DOUBLE, place, value);
                }
                case Boolean value -> {
                    llama_model_kv_override.tag(override, LLAMA_KV_OVERRIDE_TYPE_BOOL());
                    override.set(ValueLayout.JAVA_BOOLEAN, place, value);
                }
                case String value -> {
                    llama_model_kv_override.tag(override, LLAMA_KV_OVERRIDE_TYPE_STR());
                    override.asSlice(place).copyFrom(Native.cString(arena, entry.getKey(), value));
                }
                default -> throw new AssertionError(entry);
            }
        }
        return array;
    }
}
