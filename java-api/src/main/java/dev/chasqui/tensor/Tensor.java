package dev.chasqui.tensor;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.GgmlType;
import dev.chasqui.bindings.HostMemory;
import dev.chasqui.bindings.chq_tensor_rope_params;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// An array of numbers of up to four axes, or the description of one that has yet to be computed.
///
/// Operations are lazy: they check types and shapes at once, and give a tensor without numbers. [#compute()], or a [Graph] with the tensor
/// among its outputs, gives it numbers; then it is *stored*, as are the tensors that the arena makes itself. A view ([#slice], [#permute],
/// [#transpose], and [#reshape] where the numbers are in order) of a stored tensor is stored too, and shares its memory.
///
/// Shapes are row-major. Axes count from 0, negative ones from the end. Where two tensors are combined element by element, shapes are
/// aligned at their ends; sizes must be equal, or 1, or missing. Computation is in F32: operands are F32 unless it is said that they may be
/// something else, and [#cast] converts. The result belongs to the innermost arena of the operands, which must be outer or inner arenas of
/// each other; an operand of an outer arena must be stored.
///
/// Every operation throws an [IllegalArgumentException] that names the types and shapes if they do not fit, and an [IllegalStateException]
/// if an arena is closed. Threads as the arena.
public final class Tensor {

    private final TensorArena arena;
    private final MemorySegment address;
    private final GgmlType type;
    private final long[] shape;

    Tensor(TensorArena arena, MemorySegment address, GgmlType type, long[] shape) {
        this.arena = arena;
        this.address = address;
        this.type = type;
        this.shape = shape;
    }

    public TensorArena arena() {
        return arena;
    }

    public GgmlType type() {
        return type;
    }

    /// A copy of the sizes.
    public long[] shape() {
        return shape.clone();
    }

    /// Number of axes.
    public int rank() {
        return shape.length;
    }

    /// Size of an axis.
    public long size(int axis) {
        return shape[Objects.checkIndex(axis < 0 ? axis + shape.length : axis, shape.length)];
    }

    /// Product of the sizes.
    public long elementCount() {
        long count = 1;
        for (long size : shape) {
            count *= size;
        }
        return count;
    }

    /// Bytes of the numbers.
    public long byteSize() {
        return type.bytes(elementCount());
    }

    // ---- numbers -----------------------------------------------------------------------------------------------------

    /// Writes all numbers, in row-major order, converted to the type of the tensor. For F32, F16, BF16 and the quantised types that need no
    /// importance matrix.
    ///
    /// @return this
    /// @throws IllegalArgumentException if there are not as many as the tensor has, or if a quantised one is given an infinity or a NaN
    /// @throws IllegalStateException    if the tensor is a result, mapped, or a view that is not in order
    /// @throws dev.chasqui.UnsupportedFeatureException for other types
    public Tensor set(float... values) {
        return write(scratch -> {
            MemorySegment floats = scratch.allocateFrom(ValueLayout.JAVA_FLOAT, values);
            return chq_tensor_set_floats(address, floats, values.length);
        });
    }

    /// Writes all numbers of an I32 tensor, in row-major order.
    ///
    /// @return this
    /// @throws IllegalArgumentException if there are not as many as the tensor has
    /// @throws IllegalStateException    if the tensor is a result, of another type, or a view that is not in order
    public Tensor setInts(int... values) {
        checkType(GgmlType.I32);
        return write(scratch -> {
            MemorySegment ints = scratch.allocateFrom(ValueLayout.JAVA_INT, values);
            return chq_tensor_set_bytes(address, ints, ints.byteSize());
        });
    }

    /// Writes all numbers as they are, with the blocks of quantised types.
    ///
    /// @return this
    /// @throws IllegalArgumentException if there are not [#byteSize()] bytes
    /// @throws IllegalStateException    if the tensor is a result, mapped, or a view that is not in order
    public Tensor setBytes(MemorySegment bytes) {
        return write(scratch -> {
            MemorySegment copy = bytes.isNative() ? bytes : scratch.allocate(Math.max(1, bytes.byteSize())).copyFrom(bytes);
            return chq_tensor_set_bytes(address, copy, bytes.byteSize());
        });
    }

    /// A native function that works on this tensor, with memory for what it takes.
    @FunctionalInterface
    private interface Access {
        int call(Arena scratch);
    }

    private Tensor write(Access access) {
        arena.enter();
        try (Arena scratch = Arena.ofConfined()) {
            arena.natives().check(access.call(scratch));
        } finally {
            arena.exit();
        }
        return this;
    }

    /// All numbers, in row-major order, converted from any type.
    ///
    /// @throws IllegalStateException if the tensor is not stored or not computed yet
    public float[] toFloats() {
        int count = Math.toIntExact(elementCount());
        arena.enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment floats = scratch.allocate(ValueLayout.JAVA_FLOAT, count);
            arena.natives().check(chq_tensor_get_floats(address, floats, count));
            return floats.toArray(ValueLayout.JAVA_FLOAT);
        } finally {
            arena.exit();
        }
    }

    /// The number of a tensor with one element.
    ///
    /// @throws IllegalStateException if there are more, or as [#toFloats()]
    public float toFloat() {
        if (elementCount() != 1) {
            throw new IllegalStateException(this + " is not a single number");
        }
        return toFloats()[0];
    }

    /// All numbers of an I32 tensor, in row-major order.
    ///
    /// @throws IllegalStateException if it is of another type, not stored or not computed yet
    public int[] toInts() {
        checkType(GgmlType.I32);
        arena.enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment ints = scratch.allocate(ValueLayout.JAVA_INT, elementCount());
            arena.natives().check(chq_tensor_get_bytes(address, ints, ints.byteSize()));
            return ints.toArray(ValueLayout.JAVA_INT);
        } finally {
            arena.exit();
        }
    }

    /// The memory of the numbers itself, with the blocks of quantised types; read-only for results and mapped tensors. It can be used until
    /// the arena is closed.
    ///
    /// @throws IllegalStateException if the tensor is not stored, not computed yet, not in order, or not in host memory
    public MemorySegment segment() {
        arena.enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment out = scratch.allocate(ValueLayout.ADDRESS);
            MemorySegment bytes = scratch.allocate(ValueLayout.JAVA_LONG);
            MemorySegment writable = scratch.allocate(ValueLayout.JAVA_BOOLEAN);
            arena.natives().check(chq_tensor_data(address, out, bytes, writable));
            MemorySegment view = HostMemory.view(out.get(ValueLayout.ADDRESS, 0), bytes.get(ValueLayout.JAVA_LONG, 0), arena.segments());
            return writable.get(ValueLayout.JAVA_BOOLEAN, 0) ? view : view.asReadOnly();
        } finally {
            arena.exit();
        }
    }

    /// The memory of an F32 tensor's numbers, as [#segment()].
    ///
    /// @throws IllegalStateException if it is of another type, has 2^31 bytes or more, or as [#segment()]
    public FloatBuffer floatBuffer() {
        checkType(GgmlType.F32);
        if (byteSize() > Integer.MAX_VALUE) {
            throw new IllegalStateException(this + " is too large for a buffer");
        }
        return segment().asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    private void checkType(GgmlType wanted) {
        if (type != wanted) {
            throw new IllegalStateException(this + " is not of type " + wanted);
        }
    }

    /// Computes this tensor now, with everything it needs that is not stored. To compute it more than once, keep a [Graph].
    ///
    /// @return this
    /// @throws IllegalArgumentException as [Graph#of(Tensor...)] and [Graph#compute()]
    /// @throws dev.chasqui.InsufficientMemoryException if it does not fit
    public Tensor compute() {
        try (Graph graph = new Graph(arena, this)) {
            graph.compute();
        }
        return this;
    }

    // ---- the same numbers in another order ---------------------------------------------------------------------------

    /// The same numbers, in order, in another shape. A view if they are in order already, a copy otherwise.
    ///
    /// @param sizes one may be -1: what is left
    public Tensor reshape(long... sizes) {
        Objects.requireNonNull(sizes, "sizes");
        return TensorArena.make(scratch -> (target, out) -> chq_tensor_reshape(target, address, sizes.length, TensorArena.longs(scratch, sizes), out), this);
    }

    /// All numbers in one axis.
    public Tensor flatten() {
        return reshape(-1);
    }

    /// A view of [begin, end) of an axis. Of the last axis of a quantised tensor, whole blocks.
    public Tensor slice(int axis, long begin, long end) {
        return result((target, out) -> chq_tensor_slice(target, address, axis, begin, end, out));
    }

    /// A view whose axis i is axis `axes[i]` of this. The last axis of a quantised tensor stays.
    public Tensor permute(int... axes) {
        Objects.requireNonNull(axes, "axes");
        return TensorArena.make(scratch -> (target, out) -> chq_tensor_permute(target, address, axes.length,
                axes.length == 0 ? MemorySegment.NULL : scratch.allocateFrom(ValueLayout.JAVA_INT, axes), out), this);
    }

    /// A view with the last two axes exchanged.
    public Tensor transpose() {
        int n = shape.length;
        if (n < 2) {
            throw new IllegalArgumentException("transpose of " + this + ": there are no two axes");
        }
        int[] axes = new int[n];
        for (int i = 0; i < n; i++) {
            axes[i] = i < n - 2 ? i : 2 * n - 3 - i;
        }
        return permute(axes);
    }

    /// An axis of size 1 more, before what is `axis` now; the rank or -1 for the end.
    public Tensor unsqueeze(int axis) {
        int at = Objects.checkIndex(axis < 0 ? axis + shape.length + 1 : axis, shape.length + 1);
        long[] sizes = new long[shape.length + 1];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = i < at ? shape[i] : i == at ? 1 : shape[i - 1];
        }
        return reshape(sizes);
    }

    /// Without an axis of size 1.
    public Tensor squeeze(int axis) {
        if (size(axis) != 1) {
            throw new IllegalArgumentException("squeeze of " + this + ": axis " + axis + " has not the size 1");
        }
        int at = axis < 0 ? axis + shape.length : axis;
        long[] sizes = new long[shape.length - 1];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = shape[i < at ? i : i + 1];
        }
        return reshape(sizes);
    }

    /// A copy with its numbers in order; this tensor itself if they are.
    public Tensor contiguous() {
        return result((target, out) -> chq_tensor_contiguous(target, address, out));
    }

    /// A copy of another type. F32, F16 and BF16 become each other, each of them and each quantised type becomes any quantised type that
    /// needs no importance matrix, quantised types become any of the three, and F32 and I32 become each other.
    public Tensor cast(GgmlType to) {
        return result((target, out) -> chq_tensor_cast(target, address, to.id(), out));
    }

    /// A copy with axes of size 1 repeated and axes added in front. F32, F16, BF16, I16 or I32.
    public Tensor broadcastTo(long... sizes) {
        Objects.requireNonNull(sizes, "sizes");
        return TensorArena.make(scratch -> (target, out) -> chq_tensor_broadcast(target, address, sizes.length, TensorArena.longs(scratch, sizes), out), this);
    }

    /// The numbers of both, one after the other along an axis. Any type, the same for both.
    public Tensor concat(Tensor other, int axis) {
        return result(other, (target, out) -> chq_tensor_concat(target, address, other.address, axis, out));
    }

    // ---- element by element ------------------------------------------------------------------------------------------

    public Tensor add(Tensor other) {
        return binary(CHQ_TENSOR_ADD(), other);
    }

    public Tensor sub(Tensor other) {
        return binary(CHQ_TENSOR_SUB(), other);
    }

    public Tensor mul(Tensor other) {
        return binary(CHQ_TENSOR_MUL(), other);
    }

    public Tensor div(Tensor other) {
        return binary(CHQ_TENSOR_DIV(), other);
    }

    public Tensor add(float value) {
        return affine(1, value);
    }

    public Tensor sub(float value) {
        return affine(1, -value);
    }

    public Tensor mul(float value) {
        return affine(value, 0);
    }

    public Tensor div(float value) {
        return affine(1 / value, 0);
    }

    /// this × scale + bias
    public Tensor affine(float scale, float bias) {
        return result((target, out) -> chq_tensor_affine(target, address, scale, bias, out));
    }

    public Tensor clamp(float min, float max) {
        return result((target, out) -> chq_tensor_clamp(target, address, min, max, out));
    }

    public Tensor abs() {
        return unary(CHQ_TENSOR_ABS());
    }

    public Tensor neg() {
        return unary(CHQ_TENSOR_NEG());
    }

    /// -1, 0 or 1
    public Tensor sign() {
        return unary(CHQ_TENSOR_SIGN());
    }

    public Tensor square() {
        return unary(CHQ_TENSOR_SQUARE());
    }

    public Tensor sqrt() {
        return unary(CHQ_TENSOR_SQRT());
    }

    public Tensor exp() {
        return unary(CHQ_TENSOR_EXP());
    }

    /// The natural logarithm.
    public Tensor log() {
        return unary(CHQ_TENSOR_LOG());
    }

    public Tensor sin() {
        return unary(CHQ_TENSOR_SIN());
    }

    public Tensor cos() {
        return unary(CHQ_TENSOR_COS());
    }

    public Tensor tanh() {
        return unary(CHQ_TENSOR_TANH());
    }

    /// 1 / (1 + e^-x)
    public Tensor sigmoid() {
        return unary(CHQ_TENSOR_SIGMOID());
    }

    /// max(x, 0)
    public Tensor relu() {
        return unary(CHQ_TENSOR_RELU());
    }

    /// x Φ(x), Φ approximated with tanh. On the CPU through a table of half precision: about three digits. [#geluErf()] is exact.
    /// Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).
    public Tensor gelu() {
        return unary(CHQ_TENSOR_GELU());
    }

    /// x Φ(x) with the error function.
    public Tensor geluErf() {
        return unary(CHQ_TENSOR_GELU_ERF());
    }

    /// x / (1 + e^-x)
    public Tensor silu() {
        return unary(CHQ_TENSOR_SILU());
    }

    /// x, or e^x - 1 where x is negative
    public Tensor elu() {
        return unary(CHQ_TENSOR_ELU());
    }

    /// log(1 + e^x)
    public Tensor softplus() {
        return unary(CHQ_TENSOR_SOFTPLUS());
    }

    public Tensor floor() {
        return unary(CHQ_TENSOR_FLOOR());
    }

    public Tensor ceil() {
        return unary(CHQ_TENSOR_CEIL());
    }

    /// To the nearest integer, halves away from zero.
    public Tensor round() {
        return unary(CHQ_TENSOR_ROUND());
    }

    // ---- products ----------------------------------------------------------------------------------------------------

    /// The matrix product: [.., m, k] times [.., k, n] gives [.., m, n]; `[k]` counts as one row and gives [.., n].
    ///
    /// Axes in front of the matrices: those of `other` divide those of this, so that each matrix of `other` serves so many consecutive ones of
    /// this (as heads of grouped attention do); or those of this are 1 or missing.
    ///
    /// @param other F32, F16 or BF16. Its numbers are copied into the order of [#matmulTransposed] unless it is a transposed view.
    public Tensor matmul(Tensor other) {
        return result(other, (target, out) -> chq_tensor_matmul(target, address, other.address, false, out));
    }

    /// The product with a transposed matrix: [.., m, k] times the transpose of [.., n, k] gives [.., m, n]. Weights are stored this way,
    /// with a row for each output. Axes in front as in [#matmul].
    ///
    /// @param other any type but integers and F64. Unless it is F32, the rows of this are rounded to what the kernel for that type takes: F16,
    ///              BF16, or 8 bits with a scale for each block if it is quantised.
    public Tensor matmulTransposed(Tensor other) {
        return result(other, (target, out) -> chq_tensor_matmul(target, address, other.address, true, out));
    }

    /// [#conv1d(Tensor, Convolution)] with [Convolution#defaults()].
    public Tensor conv1d(Tensor kernel) {
        return conv1d(kernel, Convolution.defaults());
    }

    /// Convolution over the last axis: this is [channels, length] or [batch, channels, length], the kernel [outputs, channels, width]; the
    /// result [outputs, length'] or [batch, outputs, length']. The kernel is not turned round.
    public Tensor conv1d(Tensor kernel, Convolution how) {
        return result(kernel, (target, out) ->
                chq_tensor_conv_1d(target, address, kernel.address, how.stride(), how.padding(), how.dilation(), out));
    }

    /// [#conv2d(Tensor, Convolution)] with [Convolution#defaults()].
    public Tensor conv2d(Tensor kernel) {
        return conv2d(kernel, Convolution.defaults());
    }

    /// Convolution over the last two axes: this is [channels, height, width] or [batch, channels, height, width], the kernel
    /// [outputs, channels, kernel height, kernel width]; the result [outputs, height', width'], with the batch in front if there is one.
    public Tensor conv2d(Tensor kernel, Convolution how) {
        return result(kernel, (target, out) ->
                chq_tensor_conv_2d(target, address, kernel.address, how.stride(), how.padding(), how.dilation(), out));
    }

    /// Rows of this table [n, width] by number, as F32: the shape of `ids`, and width. An I32 table gives I32.
    ///
    /// @param ids I32 of up to three axes. They are stored, and checked when they are used; or they come from [#argMax()], [#argSort()] or
    ///            [#topK(int)] over at most n numbers.
    public Tensor rows(Tensor ids) {
        return result(ids, (target, out) -> chq_tensor_rows(target, address, ids.address, out));
    }

    // ---- along the last axis -----------------------------------------------------------------------------------------

    /// (x - mean) / √(variance + eps). Ba et al., "Layer Normalization" (2016), without its weights.
    public Tensor layerNorm(float eps) {
        return norm(CHQ_TENSOR_LAYER_NORM(), eps);
    }

    /// x / √(mean of the squares + eps). Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019), without its weights.
    public Tensor rmsNorm(float eps) {
        return norm(CHQ_TENSOR_RMS_NORM(), eps);
    }

    /// x / max(length, eps)
    public Tensor l2Norm(float eps) {
        return norm(CHQ_TENSOR_L2_NORM(), eps);
    }

    /// Of [channels, height, width] or [batch, channels, height, width]: each group of consecutive channels to mean 0 and variance 1.
    /// Wu and He, "Group Normalization" (2018), without its weights.
    public Tensor groupNorm(int groups, float eps) {
        return result((target, out) -> chq_tensor_group_norm(target, address, groups, eps, out));
    }

    /// e^x, divided by the sum along the last axis.
    public Tensor softmax() {
        return result((target, out) -> chq_tensor_softmax(target, address, MemorySegment.NULL, 1, 0, out));
    }

    /// [#softmaxMasked(Tensor, float, float)] without a bias.
    public Tensor softmaxMasked(Tensor mask, float scale) {
        return softmaxMasked(mask, scale, 0);
    }

    /// Softmax of x × scale + mask along the last axis, as attention takes it.
    ///
    /// @param mask    F32 or F16 with the last two sizes of this; other axes divide those of this. Negative infinity hides.
    /// @param maxBias 0, or ALiBi: the mask counts 2^(-maxBias (h + 1) / n) times for head h (the third axis from the end) of n, a power of
    ///                two. Press et al., "Train Short, Test Long" (2021).
    public Tensor softmaxMasked(Tensor mask, float scale, float maxBias) {
        return result(mask, (target, out) -> chq_tensor_softmax(target, address, mask.address, scale, maxBias, out));
    }

    /// [#rope(Tensor, Rope, Tensor)] without factors.
    public Tensor rope(Tensor positions, Rope how) {
        return rope(positions, how, null);
    }

    /// Rotary position embedding of [tokens, heads, width], [batch, tokens, heads, width] or [tokens, width].
    ///
    /// @param positions I32 `[tokens]`
    /// @param factors   null, or F32 [width / 2] by which the angles are divided
    public Tensor rope(Tensor positions, Rope how, @Nullable Tensor factors) {
        Tensor[] operands = factors == null ? new Tensor[] {this, positions} : new Tensor[] {this, positions, factors};
        return TensorArena.make(scratch -> {
            MemorySegment p = scratch.allocate(chq_tensor_rope_params.layout());
            chq_tensor_rope_params.mode(p, how.pairing() == Rope.Pairing.HALVES ? CHQ_TENSOR_ROPE_HALVES() : CHQ_TENSOR_ROPE_PAIRS());
            chq_tensor_rope_params.n_dims(p, how.dimensions());
            chq_tensor_rope_params.freq_base(p, how.base());
            chq_tensor_rope_params.freq_scale(p, how.scale());
            chq_tensor_rope_params.n_ctx_orig(p, how.trainedContext());
            chq_tensor_rope_params.ext_factor(p, how.extrapolation());
            chq_tensor_rope_params.attn_factor(p, how.attentionFactor());
            chq_tensor_rope_params.beta_fast(p, how.betaFast());
            chq_tensor_rope_params.beta_slow(p, how.betaSlow());
            MemorySegment divisors = factors == null ? MemorySegment.NULL : factors.address;
            return (target, out) -> chq_tensor_rope(target, address, positions.address, divisors, p, out);
        }, operands);
    }

    // ---- reductions and order ----------------------------------------------------------------------------------------

    /// The sum of all numbers, a tensor without axes.
    public Tensor sum() {
        return result((target, out) -> chq_tensor_reduce_all(target, CHQ_TENSOR_SUM(), address, out));
    }

    public Tensor mean() {
        return result((target, out) -> chq_tensor_reduce_all(target, CHQ_TENSOR_MEAN(), address, out));
    }

    /// The largest of all numbers. A NaN counts as negative infinity.
    public Tensor max() {
        return result((target, out) -> chq_tensor_reduce_all(target, CHQ_TENSOR_MAX(), address, out));
    }

    /// Sums along an axis, which goes away; [#unsqueeze] brings it back.
    public Tensor sum(int axis) {
        return result((target, out) -> chq_tensor_reduce(target, CHQ_TENSOR_SUM(), address, axis, out));
    }

    public Tensor mean(int axis) {
        return result((target, out) -> chq_tensor_reduce(target, CHQ_TENSOR_MEAN(), address, axis, out));
    }

    public Tensor max(int axis) {
        return result((target, out) -> chq_tensor_reduce(target, CHQ_TENSOR_MAX(), address, axis, out));
    }

    /// Where along the last axis the largest number is, the first of equals, as I32; the axis goes away. A NaN counts as negative infinity,
    /// here and below.
    public Tensor argMax() {
        return result((target, out) -> chq_tensor_argmax(target, address, out));
    }

    /// Where along the last axis the smallest number is, the second smallest and so on, equals in their order, as I32.
    public Tensor argSort() {
        return argSort(false);
    }

    public Tensor argSort(boolean descending) {
        return result((target, out) -> chq_tensor_argsort(target, address, descending, out));
    }

    /// Where along the last axis the k largest numbers are, the largest first, equals in their order, as I32.
    public Tensor topK(int k) {
        return result((target, out) -> chq_tensor_top_k(target, address, k, out));
    }

    // ---- the rest ----------------------------------------------------------------------------------------------------

    /// Type and shape, for example `F32 [3, 4]`.
    @Override
    public String toString() {
        return type + " " + Arrays.toString(shape);
    }

    MemorySegment address() {
        return address;
    }

    private Tensor unary(int op) {
        return result((target, out) -> chq_tensor_unary(target, op, address, out));
    }

    private Tensor binary(int op, Tensor other) {
        return result(other, (target, out) -> chq_tensor_binary(target, op, address, other.address, out));
    }

    private Tensor norm(int op, float eps) {
        return result((target, out) -> chq_tensor_norm(target, op, address, eps, out));
    }

    private Tensor result(TensorArena.Operation operation) {
        Tensor result = TensorArena.make(scratch -> operation, this);
        return result.address.equals(address) ? this : result;
    }

    private Tensor result(Tensor other, TensorArena.Operation operation) {
        return TensorArena.make(scratch -> operation, this, other);
    }
}
