package dev.chasqui;

import java.util.List;

/// A use of adapters: their memory stays until [#release()], whoever closes them.
final class AdapterUse {

    static final AdapterUse NONE = new AdapterUse(List.of());

    private final List<LoraAdapter.Scaled> adapters;

    /// @throws IllegalStateException if one is closed; none is in use then
    AdapterUse(List<LoraAdapter.Scaled> adapters) {
        this.adapters = adapters;
        int held = 0;
        try {
            for (; held < adapters.size(); held++) {
                adapters.get(held).adapter().handle().acquire();
            }
        } catch (Throwable e) {
            release(adapters.subList(0, held));
            throw e;
        }
    }

    List<LoraAdapter.Scaled> adapters() {
        return adapters;
    }

    /// Once.
    void release() {
        release(adapters);
    }

    private static void release(List<LoraAdapter.Scaled> some) {
        some.forEach(one -> one.adapter().handle().release());
    }
}
