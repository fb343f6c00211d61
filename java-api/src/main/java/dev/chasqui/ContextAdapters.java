package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a context computes with besides its model. It keeps the adapters until the native context is gone.
final class ContextAdapters {

    private AdapterUse loras = AdapterUse.NONE;
    private @Nullable ControlVector controlVector;

    List<LoraAdapter.Scaled> loras() {
        return loras.adapters();
    }

    @Nullable ControlVector controlVector() {
        return controlVector;
    }

    /// Sequences of the context must be empty.
    void setLoras(MemorySegment context, List<LoraAdapter.Scaled> wanted) {
        use(AdapterUse.acquire(wanted), (addresses, scales) -> chq_context_set_loras(context, addresses, scales, wanted.size()));
    }

    /// What sequences hold stays there.
    void switchLoras(MemorySegment context, AdapterUse wanted) {
        use(wanted.again(), (addresses, scales) -> chq_context_switch_loras(context, addresses, scales, wanted.adapters().size()));
    }

    /// Takes over the use.
    private void use(AdapterUse use, Setting setting) {
        List<LoraAdapter.Scaled> wanted = use.adapters();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment addresses = arena.allocate(ValueLayout.ADDRESS, Math.max(1, wanted.size()));
            MemorySegment scales = arena.allocate(ValueLayout.JAVA_FLOAT, Math.max(1, wanted.size()));
            for (int i = 0; i < wanted.size(); i++) {
                addresses.setAtIndex(ValueLayout.ADDRESS, i, wanted.get(i).adapter().handle().addressInUse());
                scales.setAtIndex(ValueLayout.JAVA_FLOAT, i, wanted.get(i).scale());
            }
            Status.check(setting.status(addresses, scales));
        } catch (Throwable e) {
            use.release();
            throw e;
        }
        AdapterUse former = loras;
        loras = use;
        former.release();
    }

    private interface Setting {

        int status(MemorySegment addresses, MemorySegment scales);
    }

    /// Sequences of the context must be empty.
    void setControlVector(MemorySegment context, Model model, @Nullable ControlVector wanted) {
        if (wanted == null) {
            Status.check(chq_context_set_control_vector(context, MemorySegment.NULL, 0, 0, 0, 0));
        } else {
            int layers = model.info().layers() - 1;
            if (wanted.lastLayer() > layers || layers < 1) {
                throw new IllegalArgumentException("the control vector is for %d layers, the model can take one for %d".formatted(wanted.lastLayer(), layers));
            }
            try (Arena arena = Arena.ofConfined()) {
                long bytes = (long) wanted.size() * Float.BYTES;
                MemorySegment rows = arena.allocate(bytes * layers, Float.BYTES);
                for (int layer = 1; layer <= wanted.lastLayer(); layer++) {
                    float[] direction = wanted.direction(layer);
                    MemorySegment.copy(direction, 0, rows, ValueLayout.JAVA_FLOAT, (layer - 1) * bytes, direction.length);
                }
                Status.check(chq_context_set_control_vector(context, rows, layers, wanted.size(), 1, layers));
            }
        }
        controlVector = wanted;
    }

    /// The native context is gone.
    void release() {
        AdapterUse former = loras;
        loras = AdapterUse.NONE;
        former.release();
    }
}
