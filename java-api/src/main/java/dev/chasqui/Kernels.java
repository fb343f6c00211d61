package dev.chasqui;

/// Whether weights are packed into the layout of Chasqui's own kernels, which compute products with quantised weights on the
/// CPU. [Chasqui#kernels()] tells whether there are any, [ModelInfo#packedBytes()] what came of it.
///
/// Packed weights take about as much memory as those of the file, which then need not stay mapped. Sums are rounded at other
/// places than llama.cpp's, so that a logit may differ in its last digits, as between two processors.
public enum Kernels {
    /// The quantisations that Chasqui's kernels are faster with than llama.cpp's, as a trial of some milliseconds finds at the
    /// first need. The environment variable `CHASQUI_KERNELS`, if it is `on` or `off`, decides instead.
    AUTO(0),
    /// Every quantisation that there are kernels for.
    ON(1),
    /// None: llama.cpp computes everything.
    OFF(2);

    private final int nativeValue;

    Kernels(int nativeValue) {
        this.nativeValue = nativeValue;
    }

    int nativeValue() {
        return nativeValue;
    }
}
