package dev.chasqui;

/// How a model file gets into memory.
public enum LoadMode {
    /// What suits the devices in use.
    AUTO(-1),
    /// Read into buffers.
    READ(0),
    /// Map the file; pages come in when they are used and can be shared between processes.
    MMAP(1),
    /// Read, and keep the pages from being swapped out.
    MLOCK(2),
    /// Map, and keep the pages from being swapped out.
    MMAP_MLOCK(3),
    /// Read past the page cache where the file system can.
    DIRECT_IO(4);

    private final int nativeValue;

    LoadMode(int nativeValue) {
        this.nativeValue = nativeValue;
    }

    int nativeValue() {
        return nativeValue;
    }
}
