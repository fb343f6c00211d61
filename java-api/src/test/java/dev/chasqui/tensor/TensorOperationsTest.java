package dev.chasqui.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.GgmlType;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.lifecycle.AfterTry;
import net.jqwik.api.lifecycle.BeforeTry;

/// Each operation against its definition, on random shapes. Operands are now and then views of something larger, in another order.
///
/// On the CPU, or on the device that the system property `chasqui.tensor.device` names.
@Tag("standalone")
class TensorOperationsTest {

    private static final double EXACT = 1e-5;
    private static final double CLOSE = 1e-4;

    /// Devices other than the CPU may round the operands of products to 16 bits.
    private static final double PRODUCT = System.getProperty("chasqui.tensor.device") == null ? 1e-4 : 1e-2;

    private static final TensorOptions OPTIONS = TensorOptions.defaults().withDevice(System.getProperty("chasqui.tensor.device")).withThreads(2);

    private TensorArena arena = TensorArena.confined();

    @BeforeTry
    void open() {
        arena.close();
        arena = TensorArena.confined(OPTIONS);
    }

    @AfterTry
    void close() {
        arena.close();
    }

    // ---- element by element ------------------------------------------------------------------------------------------

    private record Function(UnaryOperator<Tensor> tensor, DoubleUnaryOperator plain, double tolerance) {
        Function(UnaryOperator<Tensor> tensor, DoubleUnaryOperator plain) {
            this(tensor, plain, EXACT);
        }
    }

    private static final Map<String, Function> FUNCTIONS = Map.ofEntries(
            Map.entry("abs", new Function(Tensor::abs, Math::abs)),
            Map.entry("neg", new Function(Tensor::neg, x -> -x)),
            Map.entry("sign", new Function(Tensor::sign, Math::signum)),
            Map.entry("square", new Function(Tensor::square, x -> x * x)),
            Map.entry("sqrt", new Function(x -> x.abs().sqrt(), x -> Math.sqrt(Math.abs(x)))),
            Map.entry("exp", new Function(Tensor::exp, Math::exp)),
            Map.entry("log", new Function(x -> x.abs().add(0.1f).log(), x -> Math.log(Math.abs(x) + 0.1f))),
            Map.entry("sin", new Function(Tensor::sin, Math::sin)),
            Map.entry("cos", new Function(Tensor::cos, Math::cos)),
            Map.entry("tanh", new Function(Tensor::tanh, Math::tanh)),
            Map.entry("sigmoid", new Function(Tensor::sigmoid, x -> 1 / (1 + Math.exp(-x)))),
            Map.entry("relu", new Function(Tensor::relu, x -> Math.max(x, 0))),
            Map.entry("gelu", new Function(Tensor::gelu, TensorOperationsTest::gelu, 4e-3)),
            Map.entry("geluErf", new Function(Tensor::geluErf, x -> 0.5 * x * (1 + erf(x / Math.sqrt(2))))),
            Map.entry("silu", new Function(Tensor::silu, x -> x / (1 + Math.exp(-x)))),
            Map.entry("elu", new Function(Tensor::elu, x -> x > 0 ? x : Math.expm1(x))),
            Map.entry("softplus", new Function(Tensor::softplus, x -> Math.log1p(Math.exp(x)))),
            Map.entry("floor", new Function(Tensor::floor, Math::floor)),
            Map.entry("ceil", new Function(Tensor::ceil, Math::ceil)),
            Map.entry("round", new Function(Tensor::round, x -> Math.signum(x) * Math.floor(Math.abs(x) + 0.5))),
            Map.entry("affine", new Function(x -> x.affine(3, -2), x -> 3 * x - 2)),
            Map.entry("add", new Function(x -> x.add(2.5f), x -> x + 2.5)),
            Map.entry("sub", new Function(x -> x.sub(2.5f), x -> x - 2.5)),
            Map.entry("mul", new Function(x -> x.mul(2.5f), x -> x * 2.5)),
            Map.entry("div", new Function(x -> x.div(2.5f), x -> x / 2.5)),
            Map.entry("clamp", new Function(x -> x.clamp(-0.5f, 1), x -> Math.clamp(x, -0.5, 1.0))));

    /// The error function by its Taylor series.
    private static double erf(double x) {
        double sum = 0;
        double term = x;
        for (int n = 0; n < 100; n++) {
            sum += term / (2 * n + 1);
            term *= -x * x / (n + 1);
        }
        return 2 / Math.sqrt(Math.PI) * sum;
    }

    /// x Φ(x) by the approximation with tanh.
    private static double gelu(double x) {
        return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }

    @Property(tries = 20)
    void functions(@ForAll long seed) {
        Random random = new Random(seed);
        NdArray x = NdArray.random(random, shape(random, 0, 4));
        Tensor t = tensor(random, x);
        FUNCTIONS.forEach((name, f) -> check(name, f.tensor().apply(t), x.map(f.plain()), f.tolerance()));
    }

    @Property(tries = 60)
    void arithmeticWithBroadcasting(@ForAll long seed) {
        Random random = new Random(seed);
        int[] shape = shape(random, 0, 4);
        NdArray a = NdArray.random(random, narrowed(random, shape));
        NdArray b = NdArray.random(random, narrowed(random, shape)).map(x -> x + (x < 0 ? -1 : 1));
        Tensor left = tensor(random, a);
        Tensor right = tensor(random, b);
        Map<UnaryOperator<Tensor>, DoubleBinaryOperator> operations = Map.of(left::add, Double::sum, left::sub, (x, y) -> x - y,
                left::mul, (x, y) -> x * y, left::div, (x, y) -> x / y);
        operations.forEach((operation, plain) -> check("arithmetic", operation.apply(right), a.zip(b, plain), EXACT));
    }

    // ---- the same numbers in another order ---------------------------------------------------------------------------

    @Property(tries = 60)
    void views(@ForAll long seed) {
        Random random = new Random(seed);
        NdArray x = NdArray.random(random, shape(random, 1, 4));
        Tensor t = tensor(random, x);
        int[] axes = permutation(random, x.rank());
        int axis = random.nextInt(x.rank());
        int begin = random.nextInt(x.shape()[axis]);
        int end = begin + 1 + random.nextInt(x.shape()[axis] - begin);

        assertStored(t.permute(axes), x.permute(axes));
        assertStored(t.slice(axis, begin, end), x.slice(axis, begin, end));
        assertStored(t.slice(axis - x.rank(), begin, end).permute(axes), x.slice(axis, begin, end).permute(axes));
        check("contiguous", t.permute(axes).contiguous(), x.permute(axes), 0);
        check("reshape", t.permute(axes).reshape(-1, 1), x.permute(axes).reshape(x.data().length, 1), 0);
        check("flatten", t.permute(axes).flatten().neg(), x.permute(axes).reshape(x.data().length).map(v -> -v), 0);
        check("view of a result", t.neg().permute(axes).abs(), x.permute(axes).map(Math::abs), 0);
        if (x.rank() >= 2) {
            assertStored(t.transpose(), x.transpose());
        }
        if (x.rank() < 4) {
            int[] sizes = new int[x.rank() + 1];
            System.arraycopy(x.shape(), 0, sizes, 0, axis);
            sizes[axis] = 1;
            System.arraycopy(x.shape(), axis, sizes, axis + 1, x.rank() - axis);
            check("unsqueeze", t.unsqueeze(axis).abs(), x.reshape(sizes).map(Math::abs), 0);
            check("squeeze", t.unsqueeze(axis).squeeze(axis).abs(), x.map(Math::abs), 0);
            check("unsqueeze at the end", t.unsqueeze(-1).squeeze(-1).abs(), x.map(Math::abs), 0);
        }
    }

    @Property(tries = 40)
    void broadcastAndConcat(@ForAll long seed) {
        Random random = new Random(seed);
        int[] shape = shape(random, 1, 4);
        NdArray narrow = NdArray.random(random, narrowed(random, shape));
        check("broadcast", tensor(random, narrow).broadcastTo(longs(shape)), narrow.broadcastTo(shape), 0);

        NdArray a = NdArray.random(random, shape);
        int axis = random.nextInt(shape.length);
        int[] other = shape.clone();
        other[axis] = 1 + random.nextInt(4);
        NdArray b = NdArray.random(random, other);
        check("concat", tensor(random, a).concat(tensor(random, b), axis), a.concat(b, axis), 0);
    }

    @Property(tries = 20)
    void casts(@ForAll long seed) {
        Random random = new Random(seed);
        NdArray x = NdArray.random(random, shape(random, 0, 4));
        Tensor t = tensor(random, x);
        check("F16", t.cast(GgmlType.F16), x.map(v -> Float.float16ToFloat(Float.floatToFloat16((float) v))), 0);
        check("BF16", t.cast(GgmlType.BF16).cast(GgmlType.F32), x, 5e-3);
        check("I32", t.mul(100).cast(GgmlType.I32), x.map(v -> (int) ((float) v * 100f)), 0);
        check("F32 from I32", t.mul(100).cast(GgmlType.I32).cast(GgmlType.F32), x.map(v -> (int) ((float) v * 100f)), 0);
        int n = x.data().length;
        check("Q8_0 and F16", t.reshape(n, 1).broadcastTo(n, 32).cast(GgmlType.Q8_0).cast(GgmlType.F16), x.reshape(n, 1).broadcastTo(n, 32), 2e-2);
    }

    // ---- products ----------------------------------------------------------------------------------------------------

    @Property(tries = 80)
    void matrixProducts(@ForAll long seed) {
        Random random = new Random(seed);
        int m = 1 + random.nextInt(9);
        int n = 1 + random.nextInt(9);
        int k = 1 + random.nextInt(40);
        int heads = 1 + random.nextInt(3);
        int shared = 1 + random.nextInt(2);
        NdArray a;
        NdArray b;
        switch (random.nextInt(4)) {
            case 0 -> {
                a = NdArray.random(random, m, k);
                b = NdArray.random(random, k, n);
            }
            case 1 -> {
                a = NdArray.random(random, heads * shared, m, k);
                b = NdArray.random(random, heads, k, n);
            }
            case 2 -> {
                a = NdArray.random(random, 2, heads * shared, m, k);
                b = NdArray.random(random, 1, heads, k, n);
            }
            default -> {
                a = NdArray.random(random, 2, 3, m, k);
                b = NdArray.random(random, k, n);
            }
        }
        check("matmul", tensor(random, a).matmul(tensor(random, b)), a.matmul(b), PRODUCT);
        check("matmul of a view", tensor(random, a).matmul(tensor(random, b.transpose()).transpose()), a.matmul(b), PRODUCT);
        check("matmulTransposed", tensor(random, a).matmulTransposed(tensor(random, b.transpose())), a.matmul(b), PRODUCT);
    }

    @Property(tries = 30)
    void vectorsAndSingleMatricesAreRepeated(@ForAll long seed) {
        Random random = new Random(seed);
        int k = 1 + random.nextInt(20);
        int n = 1 + random.nextInt(5);
        NdArray x = NdArray.random(random, k);
        NdArray w = NdArray.random(random, k, n);
        check("vector", tensor(random, x).matmul(tensor(random, w)), x.reshape(1, k).matmul(w).reshape(n), PRODUCT);
        NdArray many = NdArray.random(random, 3, k, n);
        check("vector and matrices", tensor(random, x).matmulTransposed(tensor(random, many.transpose())),
                x.reshape(1, 1, k).broadcastTo(3, 1, k).matmul(many).reshape(3, n), PRODUCT);
        NdArray rows = NdArray.random(random, 2, k);
        check("matrix and matrices", tensor(random, rows).matmul(tensor(random, many)), rows.broadcastTo(3, 2, k).matmul(many), PRODUCT);
    }

    @Property(tries = 40)
    void convolutions(@ForAll long seed) {
        Random random = new Random(seed);
        int stride = 1 + random.nextInt(3);
        int padding = random.nextInt(3);
        int dilation = 1 + random.nextInt(2);
        Convolution how = Convolution.defaults().withStride(stride).withPadding(padding).withDilation(dilation);
        int batch = 1 + random.nextInt(3);
        int channels = 1 + random.nextInt(3);
        int outputs = 1 + random.nextInt(3);
        int height = 5 + random.nextInt(4);
        int width = 5 + random.nextInt(4);
        NdArray data = NdArray.random(random, batch, channels, height, width);
        NdArray kernel = NdArray.random(random, outputs, channels, 1 + random.nextInt(3), 1 + random.nextInt(3));
        NdArray expected = convolve(data, kernel, how);
        check("conv2d", tensor(random, data).conv2d(tensor(random, kernel), how), expected, PRODUCT);
        NdArray one = data.slice(0, 0, 1);
        check("conv2d of one", tensor(random, one.reshape(channels, height, width)).conv2d(tensor(random, kernel), how),
                withoutFirst(convolve(one, kernel, how)), PRODUCT);

        NdArray lines = data.slice(2, 0, 1);
        NdArray flat = kernel.slice(2, 0, 1);
        NdArray padded = convolve(lines, flat, how, 0);
        NdArray line = lines.reshape(batch, channels, width);
        NdArray narrow = flat.reshape(outputs, channels, kernel.shape()[3]);
        check("conv1d", tensor(random, line).conv1d(tensor(random, narrow), how), padded.reshape(batch, outputs, padded.shape()[3]), PRODUCT);
        check("conv1d of one", tensor(random, line.slice(0, 0, 1).reshape(channels, width)).conv1d(tensor(random, narrow), how),
                padded.slice(0, 0, 1).reshape(outputs, padded.shape()[3]), PRODUCT);
    }

    private static NdArray withoutFirst(NdArray x) {
        return x.reshape(Arrays.copyOfRange(x.shape(), 1, x.rank()));
    }

    private static NdArray convolve(NdArray data, NdArray kernel, Convolution how) {
        return convolve(data, kernel, how, how.padding());
    }

    private static NdArray convolve(NdArray data, NdArray kernel, Convolution how, int verticalPadding) {
        int height = positions(data.shape()[2], kernel.shape()[2], verticalPadding == 0 && data.shape()[2] == 1 ? Convolution.defaults() : how);
        int width = positions(data.shape()[3], kernel.shape()[3], how);
        return NdArray.generate(new int[] {data.shape()[0], kernel.shape()[0], height, width}, index -> {
            double sum = 0;
            for (int c = 0; c < data.shape()[1]; c++) {
                for (int y = 0; y < kernel.shape()[2]; y++) {
                    for (int x = 0; x < kernel.shape()[3]; x++) {
                        int row = index[2] * how.stride() + y * how.dilation() - verticalPadding;
                        int column = index[3] * how.stride() + x * how.dilation() - how.padding();
                        if (row >= 0 && row < data.shape()[2] && column >= 0 && column < data.shape()[3]) {
                            sum += data.at(index[0], c, row, column) * kernel.at(index[1], c, y, x);
                        }
                    }
                }
            }
            return sum;
        });
    }

    private static int positions(int length, int width, Convolution how) {
        return (length + 2 * how.padding() - how.dilation() * (width - 1) - 1) / how.stride() + 1;
    }

    @Property(tries = 40)
    void rowsByNumber(@ForAll long seed) {
        Random random = new Random(seed);
        int n = 1 + random.nextInt(6);
        int width = 1 + random.nextInt(6);
        NdArray table = NdArray.random(random, n, width);
        int[] shape = shape(random, 0, 3);
        NdArray ids = NdArray.generate(shape, _ -> random.nextInt(n));
        int[] sizes = Arrays.copyOf(shape, shape.length + 1);
        sizes[shape.length] = width;
        NdArray expected = NdArray.generate(sizes, index -> table.at((int) ids.at(Arrays.copyOf(index, shape.length)), index[shape.length]));
        Tensor numbers = arena.of(Arrays.stream(ids.data()).mapToInt(x -> (int) x).toArray(), ids.longShape());
        check("rows", tensor(random, table).rows(numbers), expected, 0);

        NdArray scores = NdArray.random(random, n);
        NdArray best = table.slice(0, TensorOperationsTest.order(scores.data(), true)[0], 1 + order(scores.data(), true)[0]);
        check("rows of the best", tensor(random, table).rows(tensor(random, scores).topK(1)), best, 0);
        check("row of the best", tensor(random, table).rows(tensor(random, scores).argMax()), best.reshape(width), 0);
    }

    // ---- along the last axis -----------------------------------------------------------------------------------------

    @Property(tries = 40)
    void norms(@ForAll long seed) {
        Random random = new Random(seed);
        NdArray x = NdArray.random(random, shape(random, 1, 4));
        Tensor t = tensor(random, x);
        check("rmsNorm", t.rmsNorm(1e-5f), x.rmsNorm(1e-5f), CLOSE);
        check("layerNorm", t.layerNorm(1e-2f), x.mapRows(row -> normalized(row, 1e-2f)), CLOSE);
        check("l2Norm", t.l2Norm(1e-3f), x.mapRows(row -> {
            double length = Math.max(Math.sqrt(Arrays.stream(row).map(v -> v * v).sum()), 1e-3f);
            return Arrays.stream(row).map(v -> v / length).toArray();
        }), CLOSE);

        int groups = 1 + random.nextInt(3);
        int[] size = {1 + random.nextInt(2), groups * (1 + random.nextInt(2)), 1 + random.nextInt(4), 1 + random.nextInt(4)};
        NdArray images = NdArray.random(random, size);
        NdArray grouped = images.reshape(size[0], groups, NdArray.count(size) / size[0] / groups).mapRows(row -> normalized(row, 1e-2f)).reshape(size);
        check("groupNorm", tensor(random, images).groupNorm(groups, 1e-2f), grouped, CLOSE);
    }

    private static double[] normalized(double[] row, double eps) {
        double mean = Arrays.stream(row).average().orElseThrow();
        double variance = Arrays.stream(row).map(x -> (x - mean) * (x - mean)).average().orElseThrow();
        return Arrays.stream(row).map(x -> (x - mean) / Math.sqrt(variance + eps)).toArray();
    }

    @Property(tries = 40)
    void softmax(@ForAll long seed) {
        Random random = new Random(seed);
        NdArray x = NdArray.random(random, shape(random, 1, 4));
        check("softmax", tensor(random, x).softmax(), x.softmax(), EXACT);

        int heads = 1 << random.nextInt(3);
        int rows = 1 + random.nextInt(5);
        int columns = 1 + random.nextInt(5);
        NdArray scores = NdArray.random(random, heads, rows, columns);
        NdArray mask = NdArray.generate(new int[] {rows, columns}, index -> index[1] == 0 || random.nextBoolean() ? -random.nextInt(3) : Double.NEGATIVE_INFINITY);
        check("masked", tensor(random, scores).softmaxMasked(arena.of(mask.floats(), mask.longShape()), 0.3f),
                scores.map(v -> v * 0.3f).zip(mask, Double::sum).softmax(), EXACT);
        Tensor half = arena.tensor(GgmlType.F16, mask.longShape()).set(mask.floats());
        check("masked with ALiBi", tensor(random, scores).softmaxMasked(half, 0.3f, 8), NdArray.generate(scores.shape(), index ->
                scores.at(index) * 0.3f + Math.pow(2, -8.0 * (index[0] + 1) / heads) * mask.at(index[1], index[2])).softmax(), CLOSE);
    }

    @Property(tries = 40)
    void rotaryPositions(@ForAll long seed) {
        Random random = new Random(seed);
        int tokens = 1 + random.nextInt(5);
        int width = 2 * (1 + random.nextInt(8));
        int rotated = random.nextBoolean() ? 0 : 2 * (1 + random.nextInt(width / 2));
        NdArray x = NdArray.random(random, 1 + random.nextInt(2), tokens, 1 + random.nextInt(3), width);
        int[] positions = random.ints(tokens, 0, 100).toArray();
        NdArray factors = NdArray.generate(new int[] {width / 2}, _ -> 1 + random.nextInt(3));
        for (Rope.Pairing pairing : Rope.Pairing.values()) {
            Rope how = Rope.defaults().withPairing(pairing).withDimensions(rotated).withBase(500).withScale(0.5f);
            Tensor at = arena.of(positions, tokens);
            check("rope", tensor(random, x).rope(at, how), rotated(x, positions, how, i -> 1), CLOSE);
            check("rope with factors", tensor(random, x).rope(at, how, tensor(random, factors)), rotated(x, positions, how, i -> factors.at((int) i)), CLOSE);
            NdArray single = x.slice(0, 0, 1).slice(2, 0, 1);
            check("rope of rows", tensor(random, single.reshape(tokens, width)).rope(at, how),
                    rotated(single, positions, how, i -> 1).reshape(tokens, width), CLOSE);
        }
    }

    private static NdArray rotated(NdArray x, int[] positions, Rope how, DoubleUnaryOperator factor) {
        int n = how.dimensions() == 0 ? x.shape()[3] : how.dimensions();
        return NdArray.generate(x.shape(), index -> {
            int i = index[3];
            if (i >= n) {
                return x.at(index);
            }
            boolean halves = how.pairing() == Rope.Pairing.HALVES;
            int pair = halves ? i % (n / 2) : i / 2;
            boolean first = halves ? i < n / 2 : i % 2 == 0;
            int[] partner = index.clone();
            partner[3] = halves ? (i + n / 2) % n : i ^ 1;
            double angle = positions[index[1]] * how.scale() * Math.pow(how.base(), -2.0 * pair / n) / factor.applyAsDouble(pair);
            return x.at(index) * Math.cos(angle) + (first ? -1 : 1) * x.at(partner) * Math.sin(angle);
        });
    }

    // ---- reductions and order ----------------------------------------------------------------------------------------

    @Property(tries = 40)
    void reductions(@ForAll long seed) {
        Random random = new Random(seed);
        NdArray x = NdArray.random(random, shape(random, 1, 4));
        Tensor t = tensor(random, x);
        int axis = random.nextInt(x.rank());
        check("sum", t.sum(axis), x.reduce(axis, v -> Arrays.stream(v).sum()), CLOSE);
        check("mean", t.mean(axis - x.rank()), x.reduce(axis, v -> Arrays.stream(v).average().orElseThrow()), CLOSE);
        check("max", t.max(axis), x.reduce(axis, v -> Arrays.stream(v).max().orElseThrow()), 0);
        check("sum of all", t.sum(), new NdArray(new double[] {Arrays.stream(x.data()).sum()}), CLOSE);
        check("mean of all", t.mean(), new NdArray(new double[] {Arrays.stream(x.data()).average().orElseThrow()}), CLOSE);
        check("max of all", t.max(), new NdArray(new double[] {Arrays.stream(x.data()).max().orElseThrow()}), 0);
        assertThat(t.max().compute().toFloat()).isEqualTo((float) Arrays.stream(x.data()).max().orElseThrow());
    }

    @Property(tries = 40)
    void order(@ForAll long seed) {
        Random random = new Random(seed);
        int[] shape = shape(random, 1, 4);
        NdArray x = NdArray.generate(shape, _ -> switch (random.nextInt(8)) {
            case 0 -> Double.NaN;
            case 1 -> Double.NEGATIVE_INFINITY;
            case 2 -> Double.POSITIVE_INFINITY;
            default -> random.nextInt(4);
        });
        Tensor t = tensor(random, x);
        int last = x.rank() - 1;
        int k = 1 + random.nextInt(shape[last]);
        check("argSort", t.argSort(), x.mapRows(row -> doubles(order(row, false))), 0);
        check("argSort descending", t.argSort(true), x.mapRows(row -> doubles(order(row, true))), 0);
        check("topK", t.topK(k), x.mapRows(row -> doubles(order(row, true))).slice(last, 0, k), 0);
        check("argMax", t.argMax(), x.reduce(last, row -> order(row, true)[0]), 0);
        assertThat(t.topK(k).compute().toInts()).hasSize(NdArray.count(shape) / shape[last] * k);
    }

    /// NaN as negative infinity, equals in their order.
    private static int[] order(double[] row, boolean descending) {
        return IntStream.range(0, row.length).boxed().sorted((i, j) -> {
            double a = Double.isNaN(row[i]) ? Double.NEGATIVE_INFINITY : row[i];
            double b = Double.isNaN(row[j]) ? Double.NEGATIVE_INFINITY : row[j];
            return descending ? Double.compare(b, a) : Double.compare(a, b);
        }).mapToInt(Integer::intValue).toArray();
    }

    private static double[] doubles(int[] values) {
        return Arrays.stream(values).asDoubleStream().toArray();
    }

    // ---- operands and results ----------------------------------------------------------------------------------------

    /// Small sizes, 1 among them.
    private static int[] shape(Random random, int minimum, int maximum) {
        return random.ints(minimum + random.nextInt(maximum - minimum + 1), 1, 6).toArray();
    }

    /// The shape with some sizes 1, and some axes missing in front.
    private static int[] narrowed(Random random, int[] shape) {
        int[] sizes = Arrays.copyOfRange(shape, random.nextInt(shape.length + 1), shape.length);
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = random.nextInt(3) == 0 ? 1 : sizes[i];
        }
        return sizes;
    }

    private static int[] permutation(Random random, int n) {
        int[] axes = IntStream.range(0, n).toArray();
        for (int i = n - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swap = axes[i];
            axes[i] = axes[j];
            axes[j] = swap;
        }
        return axes;
    }

    private static long[] longs(int... values) {
        return Arrays.stream(values).asLongStream().toArray();
    }

    /// A tensor with these numbers: its own memory, a permuted view, or a part of something larger.
    private Tensor tensor(Random random, NdArray x) {
        if (x.rank() == 0 || random.nextInt(2) == 0) {
            return arena.of(x.floats(), x.longShape());
        }
        if (random.nextBoolean()) {
            int[] axes = permutation(random, x.rank());
            int[] back = new int[axes.length];
            for (int i = 0; i < axes.length; i++) {
                back[axes[i]] = i;
            }
            NdArray permuted = x.permute(axes);
            return arena.of(permuted.floats(), permuted.longShape()).permute(back);
        }
        int axis = random.nextInt(x.rank());
        int[] margin = x.shape().clone();
        margin[axis] = 1 + random.nextInt(2);
        NdArray larger = NdArray.random(random, margin).concat(x, axis).concat(NdArray.random(random, margin), axis);
        return arena.of(larger.floats(), larger.longShape()).slice(axis, margin[axis], margin[axis] + x.shape()[axis]);
    }

    private static void assertStored(Tensor actual, NdArray expected) {
        assertThat(actual.shape()).isEqualTo(expected.longShape());
        assertThat(actual.toFloats()).isEqualTo(expected.floats());
    }

    private static void check(String name, Tensor actual, NdArray expected, double tolerance) {
        assertThat(actual.shape()).as(name).isEqualTo(expected.longShape());
        float[] values = actual.compute().toFloats();
        for (int i = 0; i < values.length; i++) {
            double wanted = expected.data()[i];
            double error = values[i] == (float) wanted ? 0 : Math.abs(values[i] - wanted) / Math.max(1, Math.abs(wanted));
            assertThat(error).as("%s: number %d is %s instead of %s, expected %s", name, i, values[i], wanted, expected).isLessThanOrEqualTo(tolerance);
        }
    }
}
