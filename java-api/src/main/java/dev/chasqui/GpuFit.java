package dev.chasqui;

import java.util.List;

/// How many layers of a model fit into the free memory of GPUs.
final class GpuFit {

    /// Of a GPU's free memory, for what is not counted here.
    private static final double USABLE = 0.9;

    private GpuFit() {
    }

    /// @return layers, the output counted as one more; -1 if all of them fit
    static int layers(GgufFile file, int contextSize, List<Long> freeMemory) {
        int layers = (int) Math.min(file.layerCount().orElse(0), 4096);
        if (layers == 0) {
            return -1;
        }
        MemoryEstimate estimate = file.estimate(contextSize, KvType.F16, KvType.F16);
        long[] weights = new long[layers];
        long output = 0;
        for (GgufTensor tensor : file.tensors()) {
            int layer = layer(tensor.name());
            if (layer >= 0 && layer < layers) {
                weights[layer] += tensor.byteSize();
            } else if (tensor.name().startsWith("output")) {
                output += tensor.byteSize();
            }
        }
        long cache = (estimate.kvBytes() + estimate.recurrentBytes()) / layers;
        int fit = 0;
        int next = layers; // llama.cpp puts the output there first, then the layers from the last one on
        for (long free : freeMemory) {
            long room = (long) (free * USABLE) - estimate.computeBytes() - estimate.outputBytes();
            while (next >= 0) {
                long needed = next == layers ? output : weights[next] + cache;
                if (needed > room) {
                    break;
                }
                room -= needed;
                next--;
                fit++;
            }
        }
        return next < 0 ? -1 : fit;
    }

    private static int layer(String tensor) {
        int end = tensor.startsWith("blk.") ? tensor.indexOf('.', 4) : -1;
        String number = end < 0 ? "" : tensor.substring(4, end);
        return number.matches("[0-9]{1,4}") ? Integer.parseInt(number) : -1;
    }
}
