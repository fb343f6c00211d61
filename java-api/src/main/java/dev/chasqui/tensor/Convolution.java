package dev.chasqui.tensor;

/// How a kernel moves over data, the same along each axis. Immutable; change a copy with the `with` methods.
///
/// @param stride   elements from one place of the kernel to the next
/// @param padding  zeroes before and after the data
/// @param dilation elements from one number of the kernel to the next; 1 = side by side
public record Convolution(int stride, int padding, int dilation) {

    private static final Convolution DEFAULTS = new Convolution(1, 0, 1);

    public Convolution {
        if (stride < 1 || padding < 0 || dilation < 1) {
            throw new IllegalArgumentException("stride = " + stride + ", padding = " + padding + ", dilation = " + dilation);
        }
    }

    /// Every place, no padding, numbers side by side.
    public static Convolution defaults() {
        return DEFAULTS;
    }

    public Convolution withStride(int value) {
        return new Convolution(value, padding, dilation);
    }

    public Convolution withPadding(int value) {
        return new Convolution(stride, value, dilation);
    }

    public Convolution withDilation(int value) {
        return new Convolution(stride, padding, value);
    }
}
