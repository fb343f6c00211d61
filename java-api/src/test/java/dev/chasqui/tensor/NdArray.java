package dev.chasqui.tensor;

import java.util.Arrays;
import java.util.Random;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// A plain array with a shape, row-major, whose operations are written as their definitions say: what tensors are compared with.
record NdArray(double[] data, int... shape) {

    static NdArray generate(int[] shape, ToDoubleFunction<int[]> value) {
        double[] data = new double[count(shape)];
        int[] index = new int[shape.length];
        for (int i = 0; i < data.length; i++) {
            data[i] = value.applyAsDouble(index);
            for (int axis = shape.length - 1; axis >= 0 && ++index[axis] == shape[axis]; axis--) {
                index[axis] = 0;
            }
        }
        return new NdArray(data, shape);
    }

    /// Numbers that a float can hold.
    static NdArray random(Random random, int... shape) {
        return generate(shape, _ -> (float) random.nextGaussian());
    }

    static NdArray of(float[] values, int... shape) {
        return new NdArray(IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray(), shape);
    }

    static int count(int... shape) {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    int rank() {
        return shape.length;
    }

    float[] floats() {
        float[] floats = new float[data.length];
        for (int i = 0; i < data.length; i++) {
            floats[i] = (float) data[i];
        }
        return floats;
    }

    long[] longShape() {
        return Arrays.stream(shape).asLongStream().toArray();
    }

    double at(int... index) {
        int offset = 0;
        for (int axis = 0; axis < shape.length; axis++) {
            offset = offset * shape[axis] + index[axis];
        }
        return data[offset];
    }

    NdArray reshape(int... sizes) {
        return new NdArray(data, sizes);
    }

    NdArray permute(int... axes) {
        int[] sizes = Arrays.stream(axes).map(axis -> shape[axis]).toArray();
        return generate(sizes, index -> {
            int[] from = new int[axes.length];
            for (int i = 0; i < axes.length; i++) {
                from[axes[i]] = index[i];
            }
            return at(from);
        });
    }

    NdArray transpose() {
        int[] axes = IntStream.range(0, rank()).toArray();
        axes[rank() - 1] = rank() - 2;
        axes[rank() - 2] = rank() - 1;
        return permute(axes);
    }

    NdArray slice(int axis, int begin, int end) {
        int[] sizes = shape.clone();
        sizes[axis] = end - begin;
        return generate(sizes, index -> {
            int[] from = index.clone();
            from[axis] += begin;
            return at(from);
        });
    }

    NdArray concat(NdArray other, int axis) {
        int[] sizes = shape.clone();
        sizes[axis] += other.shape[axis];
        return generate(sizes, index -> {
            if (index[axis] < shape[axis]) {
                return at(index);
            }
            int[] from = index.clone();
            from[axis] -= shape[axis];
            return other.at(from);
        });
    }

    NdArray broadcastTo(int... sizes) {
        return generate(sizes, index -> {
            int[] from = Arrays.copyOfRange(index, sizes.length - rank(), sizes.length);
            for (int axis = 0; axis < rank(); axis++) {
                from[axis] = shape[axis] == 1 ? 0 : from[axis];
            }
            return at(from);
        });
    }

    NdArray map(DoubleUnaryOperator f) {
        return new NdArray(Arrays.stream(data).map(f).toArray(), shape);
    }

    NdArray zip(NdArray other, DoubleBinaryOperator f) {
        int[] sizes = new int[Math.max(rank(), other.rank())];
        for (int i = 1; i <= sizes.length; i++) {
            int a = i <= rank() ? shape[rank() - i] : 1;
            int b = i <= other.rank() ? other.shape[other.rank() - i] : 1;
            sizes[sizes.length - i] = Math.max(a, b);
        }
        NdArray left = broadcastTo(sizes);
        NdArray right = other.broadcastTo(sizes);
        return new NdArray(IntStream.range(0, left.data.length).mapToDouble(i -> f.applyAsDouble(left.data[i], right.data[i])).toArray(), sizes);
    }

    /// This [.., m, k] times other [.., k, n]; matrices of `other` serve as many consecutive ones of this as there are.
    NdArray matmul(NdArray other) {
        int[] sizes = shape.clone();
        int n = other.shape[other.rank() - 1];
        sizes[rank() - 1] = n;
        return generate(sizes, index -> {
            int[] left = index.clone();
            int[] right = new int[other.rank()];
            for (int i = 1; i <= other.rank(); i++) {
                int axis = other.rank() - i;
                right[axis] = i <= 2 ? 0 : index[rank() - i] / (shape[rank() - i] / other.shape[axis]);
            }
            right[other.rank() - 1] = index[rank() - 1];
            double sum = 0;
            for (int k = 0; k < shape[rank() - 1]; k++) {
                left[rank() - 1] = k;
                right[other.rank() - 2] = k;
                sum += at(left) * other.at(right);
            }
            return sum;
        });
    }

    /// Every row, the numbers along the last axis, replaced.
    NdArray mapRows(java.util.function.UnaryOperator<double[]> f) {
        int n = shape[rank() - 1];
        double[] result = new double[data.length];
        for (int row = 0; row < data.length / n; row++) {
            System.arraycopy(f.apply(Arrays.copyOfRange(data, row * n, (row + 1) * n)), 0, result, row * n, n);
        }
        return new NdArray(result, shape);
    }

    NdArray softmax() {
        return mapRows(row -> {
            double max = Arrays.stream(row).max().orElseThrow();
            double sum = Arrays.stream(row).map(x -> Math.exp(x - max)).sum();
            return Arrays.stream(row).map(x -> Math.exp(x - max) / sum).toArray();
        });
    }

    NdArray rmsNorm(double eps) {
        return mapRows(row -> {
            double meanSquare = Arrays.stream(row).map(x -> x * x).average().orElseThrow();
            return Arrays.stream(row).map(x -> x / Math.sqrt(meanSquare + eps)).toArray();
        });
    }

    /// A number for each of what the axis held.
    NdArray reduce(int axis, ToDoubleFunction<double[]> f) {
        int[] sizes = IntStream.range(0, rank()).filter(i -> i != axis).map(i -> shape[i]).toArray();
        return generate(sizes, index -> {
            int[] from = new int[rank()];
            for (int i = 0; i < rank(); i++) {
                from[i] = i < axis ? index[i] : i == axis ? 0 : index[i - 1];
            }
            double[] values = new double[shape[axis]];
            for (int i = 0; i < values.length; i++) {
                from[axis] = i;
                values[i] = at(from);
            }
            return f.applyAsDouble(values);
        });
    }

    @Override
    public String toString() {
        return Arrays.toString(shape) + " " + Arrays.toString(Arrays.copyOf(data, Math.min(data.length, 12)));
    }
}
