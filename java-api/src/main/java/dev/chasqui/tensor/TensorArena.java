package dev.chasqui.tensor;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import dev.chasqui.Device;
import dev.chasqui.GgmlType;
import dev.chasqui.GgufException;
import dev.chasqui.GgufTensor;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.bindings.chq_tensor_info;
import dev.chasqui.internal.NativeAccess;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/// Memory of tensors, on one device. Tensors and graphs made in an arena die with it.
///
/// {@snippet class="snippets.TensorSnippets" region="arena"}
///
/// An expression takes a little memory for each of its operations, which is freed with the arena only. So what is computed again and again
/// is best kept as a [Graph], and what is computed once in a [#child()] that is closed afterwards: a child uses the stored tensors of the
/// arena that it was made from beside its own.
///
/// A *confined* arena belongs to the thread that made it; another one gets a [WrongThreadException]. A *shared* arena may be used by any
/// thread; calls that make or read tensors wait for each other, and while one of its graphs is being computed another thread that computes
/// gets an [IllegalStateException]. Threads that are to compute at the same time have an arena each, most easily children of one shared
/// arena with the weights. Nobody is kept from writing numbers that somebody else reads.
public final class TensorArena implements AutoCloseable {

    private final NativeAccess natives;
    private final NativeAccess.Owner handle;
    private final @Nullable TensorArena parent;
    private final @Nullable Thread thread;
    private final TensorOptions options;
    private final int depth;
    private final boolean onHost;
    private final WeightFiles files;
    private final Arena segments;

    private TensorArena(@Nullable TensorArena parent, @Nullable Thread thread, TensorOptions options) {
        this.natives = NativeAccess.get();
        this.parent = parent;
        this.thread = thread;
        this.options = options;
        this.depth = parent == null ? 0 : parent.depth + 1;
        this.onHost = parent != null && Objects.equals(parent.options.device(), options.device()) ? parent.onHost : isOnHost(options.device());
        this.files = new WeightFiles();
        this.segments = thread == null ? Arena.ofShared() : Arena.ofConfined();
        MemorySegment outer = parent == null ? MemorySegment.NULL : parent.enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment out = scratch.allocate(ValueLayout.ADDRESS);
            String device = options.device();
            MemorySegment name = device == null ? MemorySegment.NULL : natives.cString(scratch, "device", device);
            natives.check(chq_tensor_arena_create(name, options.threads(), outer, out));
            this.handle = natives.own(this, "tensor arena", out.get(ValueLayout.ADDRESS, 0), new Free(files), parent == null ? null : parent.handle);
        } catch (Throwable e) {
            if (parent != null) {
                parent.exit();
            }
            throw e;
        }
    }

    /// Frees an arena, then the files whose pages it reads. Holds no reference to the arena, so that a dropped one can be noticed.
    private record Free(WeightFiles files) implements ToIntFunction<MemorySegment> {

        @Override
        public int applyAsInt(MemorySegment arena) {
            int status = chq_tensor_arena_free(arena);
            if (status == CHQ_STATUS_OK()) {
                files.close();
            }
            return status;
        }
    }

    private static boolean isOnHost(@Nullable String device) {
        return device == null || Chasqui.devices().stream().anyMatch(d -> d.name().equals(device) && d.type() == Device.Type.CPU);
    }

    /// An arena for this thread, on the CPU.
    public static TensorArena confined() {
        return confined(TensorOptions.defaults());
    }

    /// An arena for this thread.
    ///
    /// @throws IllegalArgumentException if there is no such device, or it holds no tensors
    public static TensorArena confined(TensorOptions options) {
        return new TensorArena(null, Thread.currentThread(), Objects.requireNonNull(options, "options"));
    }

    /// An arena for any thread, on the CPU.
    public static TensorArena shared() {
        return shared(TensorOptions.defaults());
    }

    /// An arena for any thread.
    ///
    /// @throws IllegalArgumentException if there is no such device, or it holds no tensors
    public static TensorArena shared(TensorOptions options) {
        return new TensorArena(null, null, Objects.requireNonNull(options, "options"));
    }

    /// An arena for this thread, with the same options, whose expressions may also use the stored tensors of this one. This one's memory
    /// lives as long as its children.
    public TensorArena child() {
        return child(options);
    }

    /// As [#child()]. Children that compute at the same time have threads of their own each: give them few.
    public TensorArena child(TensorOptions options) {
        return new TensorArena(this, Thread.currentThread(), Objects.requireNonNull(options, "options"));
    }

    public TensorOptions options() {
        return options;
    }

    // ---- tensors -----------------------------------------------------------------------------------------------------

    /// A tensor of zeroes.
    ///
    /// @param shape sizes of up to four axes, the last one's numbers next to each other; none for a single number. The last size of a
    ///              quantised tensor is a multiple of [GgmlType#blockSize()].
    /// @throws IllegalArgumentException    if no tensor of that type has that shape; at most 2^31 - 1 elements
    /// @throws dev.chasqui.InsufficientMemoryException if it does not fit
    public Tensor tensor(GgmlType type, long... shape) {
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(shape, "shape");
        return make(scratch -> (arena, out) -> chq_tensor_new(arena, type.id(), shape.length, longs(scratch, shape), out));
    }

    /// An F32 tensor with these numbers, in row-major order.
    ///
    /// @throws IllegalArgumentException if there are not as many as the shape has elements
    public Tensor of(float[] values, long... shape) {
        checkCount(values.length, shape);
        return tensor(GgmlType.F32, shape).set(values);
    }

    /// An I32 tensor with these numbers, in row-major order.
    ///
    /// @throws IllegalArgumentException if there are not as many as the shape has elements
    public Tensor of(int[] values, long... shape) {
        checkCount(values.length, shape);
        return tensor(GgmlType.I32, shape).setInts(values);
    }

    private static void checkCount(int count, long[] shape) {
        long left = count;
        for (long size : shape) {
            left = size < 1 || left % size != 0 ? 0 : left / size;
        }
        if (left != 1) {
            throw new IllegalArgumentException(count + " values for the shape " + Arrays.toString(shape));
        }
    }

    // ---- weights -----------------------------------------------------------------------------------------------------

    /// Reads tensors from a GGUF file into memory of this arena's device.
    ///
    /// @param names tensors in the file; none for all of them
    /// @return the tensors by name, in the order asked for; shapes are the file's, turned round
    /// @throws GgufException            if the file cannot be used
    /// @throws IllegalArgumentException if it has no tensor of a name
    public Map<String, Tensor> load(Path gguf, String... names) {
        return weights(WeightFile.open(Objects.requireNonNull(gguf, "gguf")), names, this::read);
    }

    /// Like [#load(Path, String...)], but the tensors are the file's pages, which the system reads when they are needed. They are
    /// read-only. On devices other than the CPU, and where a file aligns its tensors to less than 32 bytes, they are loaded instead.
    ///
    /// The file must not be made shorter while the arena is open: the system ends a process that reads pages that are gone.
    ///
    /// @throws GgufException            if the file cannot be used
    /// @throws IllegalArgumentException if it has no tensor of a name
    public Map<String, Tensor> map(Path gguf, String... names) {
        return weights(files.of(Objects.requireNonNull(gguf, "gguf")), names, this::mapped);
    }

    /// A weight of a model, as its file has it, mapped as by [#map(Path, String...)]. The copy that the model computes with is not
    /// reachable: it may be packed for kernels or be on another device. Files of split models are found by their names.
    ///
    /// @throws IllegalArgumentException if the model has none of that name
    public Tensor weight(Model model, String name) {
        Objects.requireNonNull(name, "name");
        WeightFile file = files.of(model.path()).holding(name, files);
        return mapped(file, file.tensor(name));
    }

    /// The logits that follow the last token of a sequence, F32 `[vocabulary]`. A copy.
    ///
    /// @throws IllegalStateException if the sequence is empty
    public Tensor logits(Sequence sequence) {
        float[] values = sequence.logits();
        return of(values, values.length);
    }

    private static Map<String, Tensor> weights(WeightFile file, String[] names, BiFunction<WeightFile, GgufTensor, Tensor> make) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (GgufTensor tensor : file.tensors(names)) {
            tensors.put(tensor.name(), make.apply(file, tensor));
        }
        return Collections.unmodifiableMap(tensors);
    }

    private Tensor read(WeightFile file, GgufTensor source) {
        Tensor tensor = tensor(source.type(), WeightFile.shape(source));
        if (onHost) {
            file.read(source, tensor.segment());
        } else {
            try (Arena scratch = Arena.ofConfined()) {
                MemorySegment bytes = scratch.allocate(source.byteSize());
                file.read(source, bytes);
                tensor.setBytes(bytes);
            }
        }
        return tensor;
    }

    private Tensor mapped(WeightFile file, GgufTensor source) {
        if (!onHost) {
            return read(file, source);
        }
        enter(); // the mapping is not closed meanwhile
        try {
            MemorySegment data = file.mapped(source);
            if (data.address() % 32 != 0) {
                return read(file, source);
            }
            long[] shape = WeightFile.shape(source);
            return make(scratch -> (arena, out) ->
                    chq_tensor_wrap(arena, source.type().id(), shape.length, longs(scratch, shape), data, data.byteSize(), out));
        } finally {
            exit();
        }
    }

    // ---- graphs and the rest -----------------------------------------------------------------------------------------

    /// A graph that computes these tensors, as [Graph#of(Tensor...)].
    public Graph graph(Tensor... outputs) {
        return new Graph(this, outputs);
    }

    /// Bytes that this arena has allocated for tensors. Mapped files, and the intermediate results of graphs, are not counted.
    public long byteSize() {
        MemorySegment address = enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment out = scratch.allocate(ValueLayout.JAVA_LONG);
            natives.check(chq_tensor_arena_bytes(address, out));
            return out.get(ValueLayout.JAVA_LONG, 0);
        } finally {
            exit();
        }
    }

    public boolean isClosed() {
        return handle.isClosed();
    }

    /// Frees the memory, once children and calls in progress have ended. Tensors, graphs and memory segments of this arena cannot be used
    /// any more. Idempotent.
    ///
    /// @throws WrongThreadException  if the arena is confined to another thread
    /// @throws IllegalStateException if somebody is just reading a segment of a shared arena
    @Override
    public void close() {
        checkThread();
        synchronized (segments) {
            if (!handle.isClosed()) {
                segments.close();
                handle.close();
            }
        }
    }

    @Override
    public String toString() {
        return "TensorArena[" + (options.device() == null ? "CPU" : options.device()) + ", " + (thread == null ? "shared" : "of " + thread)
                + (isClosed() ? ", closed]" : "]");
    }

    // ---- for Tensor and Graph ----------------------------------------------------------------------------------------

    /// A native function that makes a tensor.
    @FunctionalInterface
    interface Operation {
        int call(MemorySegment arena, MemorySegment out);
    }

    /// An operation that needs memory for its arguments.
    @FunctionalInterface
    interface OperationWithMemory {
        Operation with(Arena scratch);
    }

    /// Runs an operation whose result belongs to the innermost arena of its operands.
    static Tensor make(OperationWithMemory operation, Tensor... operands) {
        TensorArena innermost = operands[0].arena();
        for (Tensor operand : operands) {
            innermost = operand.arena().depth > innermost.depth ? operand.arena() : innermost;
        }
        int entered = 0;
        try {
            for (; entered < operands.length; entered++) {
                operands[entered].arena().enter();
            }
            return innermost.make(operation);
        } finally {
            while (entered > 0) {
                operands[--entered].arena().exit();
            }
        }
    }

    private Tensor make(OperationWithMemory operation) {
        MemorySegment address = enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment out = scratch.allocate(chq_tensor_info.layout());
            natives.check(operation.with(scratch).call(address, out));
            long[] shape = new long[chq_tensor_info.n_dims(out)];
            for (int i = 0; i < shape.length; i++) {
                shape[i] = chq_tensor_info.shape(out, i);
            }
            return new Tensor(this, chq_tensor_info.tensor(out), GgmlType.of(chq_tensor_info.type(out)).orElseThrow(), shape);
        } finally {
            exit();
        }
    }

    static MemorySegment longs(Arena scratch, long[] values) {
        return values.length == 0 ? MemorySegment.NULL : scratch.allocateFrom(ValueLayout.JAVA_LONG, values);
    }

    /// The address for a call, to be paired with [#exit()].
    MemorySegment enter() {
        checkThread();
        return handle.acquire();
    }

    void exit() {
        handle.release();
    }

    private void checkThread() {
        if (thread != null && thread != Thread.currentThread()) {
            throw new WrongThreadException("the tensor arena belongs to " + thread);
        }
    }

    NativeAccess natives() {
        return natives;
    }

    Arena segments() {
        return segments;
    }

    /// After an abort, native threads may be reading still: the files stay mapped for good.
    void giveUp() {
        for (TensorArena arena = this; arena != null; arena = arena.parent) {
            arena.files.abandon();
        }
    }
}
