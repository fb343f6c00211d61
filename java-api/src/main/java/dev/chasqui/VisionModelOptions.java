package dev.chasqui;

/// How a projector is loaded.
///
/// @param threads        CPU threads of the encoder; 0 = the physical cores that this process may use
/// @param minImageTokens for projectors of pictures of any size: at least so many rows a picture; 0 = as the file says
/// @param maxImageTokens for projectors of pictures of any size: at most so many rows a picture; 0 = as the file says
/// @param gpu            whether the encoder may run on a GPU
/// @param attention      whether to note how much of the encoder's attention each row gets; costs about as much as a layer's attention
public record VisionModelOptions(int threads, int minImageTokens, int maxImageTokens, boolean gpu, boolean attention) {

    private static final VisionModelOptions DEFAULTS = new VisionModelOptions(0, 0, 0, true, false);

    public VisionModelOptions {
        if (threads < 0 || threads > 512 || minImageTokens < 0 || maxImageTokens < 0 || maxImageTokens > 0 && minImageTokens > maxImageTokens) {
            throw new IllegalArgumentException("threads = " + threads + ", image tokens " + minImageTokens + ".." + maxImageTokens);
        }
    }

    public static VisionModelOptions defaults() {
        return DEFAULTS;
    }

    public VisionModelOptions withThreads(int value) {
        return new VisionModelOptions(value, minImageTokens, maxImageTokens, gpu, attention);
    }

    public VisionModelOptions withImageTokens(int min, int max) {
        return new VisionModelOptions(threads, min, max, gpu, attention);
    }

    public VisionModelOptions withGpu(boolean value) {
        return new VisionModelOptions(threads, minImageTokens, maxImageTokens, value, attention);
    }

    public VisionModelOptions withAttention(boolean value) {
        return new VisionModelOptions(threads, minImageTokens, maxImageTokens, gpu, value);
    }
}
