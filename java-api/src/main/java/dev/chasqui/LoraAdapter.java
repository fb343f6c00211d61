package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Objects;

/// A LoRA adapter: a fine-tune of a model, kept apart from its weights. [Context#setAdapters] and [EngineRequest#withAdapters] compute with it.
///
/// {@snippet class="snippets.ModelSnippets" region="adapter"}
///
/// Safe from any thread; any number of contexts and engines may use it. Its memory goes when it is closed and none of them uses it: a context until it is closed or gets other
/// adapters, an engine until it is closed or a later request has others.
public final class LoraAdapter implements AutoCloseable {

    private final Model model;
    private final Path path;
    private final NativeOwner handle;

    /// An adapter with the factor of what it adds.
    ///
    /// @param scale 1 as it was trained, 0 not at all
    public record Scaled(LoraAdapter adapter, float scale) {
        public Scaled {
            Objects.requireNonNull(adapter, "adapter");
            if (!Float.isFinite(scale)) {
                throw new IllegalArgumentException("scale = " + scale);
            }
        }
    }

    private LoraAdapter(Model model, Path path, MemorySegment address) {
        this.model = model;
        this.path = path;
        this.handle = new NativeOwner(this, "adapter " + path.getFileName(), address, lora -> chq_lora_free(lora), model.handle());
    }

    /// Loads a GGUF file of an adapter. Contexts of the model that compute are waited for.
    ///
    /// @throws ModelLoadException          if it cannot be used, or not with this model
    /// @throws UnsupportedFeatureException if it is one that begins in the middle of a text (aLoRA)
    /// @throws InsufficientMemoryException if it does not fit
    public static LoraAdapter load(Model model, Path path) {
        Objects.requireNonNull(path, "path");
        MemorySegment address = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            int status = chq_lora_load(address, Native.cString(arena, "path", path.toString()), out);
            if (status == CHQ_STATUS_LOAD()) {
                throw new ModelLoadException(path, Status.lastError());
            }
            Status.check(status);
            NativeLog.drain();
            return new LoraAdapter(model, path, out.get(ValueLayout.ADDRESS, 0));
        } catch (Throwable e) {
            model.handle().release();
            throw e;
        }
    }

    /// What it is for.
    public Model model() {
        return model;
    }

    /// The file it was loaded from.
    public Path path() {
        return path;
    }

    /// This adapter with a factor.
    public Scaled scaled(float scale) {
        return new Scaled(this, scale);
    }

    NativeOwner handle() {
        return handle;
    }

    /// Contexts that use it, and requests of an engine, go on with it. Idempotent.
    @Override
    public void close() {
        handle.close();
    }

    @Override
    public String toString() {
        return "LoraAdapter[" + path.getFileName() + "]";
    }
}
