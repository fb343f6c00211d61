package dev.chasqui;

/// Hears how far a quantisation has come.
@FunctionalInterface
public interface QuantizeListener {

    /// Called before each tensor, on the quantising thread.
    ///
    /// @param index  of the tensor, from 0
    /// @param count  tensors in all
    /// @param tensor its name
    /// @return false to stop; [Quantizer#quantize] then throws [CancelledException]
    boolean tensor(int index, int count, String tensor);
}
