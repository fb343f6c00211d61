package dev.chasqui;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/// A use of adapters: their memory stays until [#release()], whoever closes them. Two uses are equal if the same is computed with them.
final class AdapterUse {

    static final AdapterUse NONE = new AdapterUse(List.of());

    private final List<LoraAdapter.Scaled> adapters;
    /// Neither their order counts nor those of scale 0.
    private final Set<LoraAdapter.Scaled> effective;

    private AdapterUse(List<LoraAdapter.Scaled> adapters) {
        this.adapters = adapters;
        this.effective = adapters.stream().filter(one -> one.scale() != 0).collect(Collectors.toUnmodifiableSet());
    }

    /// @throws IllegalStateException if one is closed; none is in use then
    static AdapterUse acquire(List<LoraAdapter.Scaled> adapters) {
        int held = 0;
        try {
            for (; held < adapters.size(); held++) {
                adapters.get(held).adapter().handle().acquire();
            }
            return new AdapterUse(adapters);
        } catch (Throwable e) {
            release(adapters.subList(0, held));
            throw e;
        }
    }

    /// Another use of the same, closed or not.
    AdapterUse again() {
        adapters.forEach(one -> one.adapter().handle().retain());
        return new AdapterUse(adapters);
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

    @Override
    public boolean equals(Object object) {
        return object == this || object instanceof AdapterUse other && effective.equals(other.effective);
    }

    @Override
    public int hashCode() {
        return effective.hashCode();
    }
}
