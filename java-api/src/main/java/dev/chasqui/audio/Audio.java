package dev.chasqui.audio;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.internal.ContentHash;
import dev.chasqui.internal.NativeAccess;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;

/// A sound: samples of one channel, in -1..1 as a rule, off-heap.
///
/// {@snippet class="snippets.AudioSnippets" region="samples"}
///
/// Immutable and thread-safe. Its memory goes when nothing refers to it any more. Files are WAV, FLAC or MP3; several channels become one. They are decoded
/// block by block up to [#MAX_SAMPLES], whatever length they claim, and a damaged one ends in an [AudioException].
public final class Audio {

    /// Most samples of a sound: 25 minutes at 44,100 a second, 70 at 16,000.
    public static final int MAX_SAMPLES = 1 << 26;

    private static final int MAX_FILE_BYTES = 1 << 28;
    private static final int MIN_RATE = 1_000;
    private static final int MAX_RATE = 384_000;
    private static final float MAX_SAMPLE = 1e6f;

    private final int rate;
    private final MemorySegment samples;
    private final String hash;

    private Audio(int rate, MemorySegment samples) {
        this.rate = rate;
        this.samples = samples.asReadOnly();
        this.hash = ContentHash.of(samples, rate);
    }

    /// A sound from a file.
    ///
    /// @throws AudioException if the file cannot be read, or is no sound of a known format and at most [#MAX_SAMPLES]
    public static Audio of(Path file) {
        Objects.requireNonNull(file, "file");
        byte[] bytes;
        try {
            if (Files.size(file) > MAX_FILE_BYTES) {
                throw new AudioException(file + " has more than " + MAX_FILE_BYTES + " bytes");
            }
            bytes = Files.readAllBytes(file);
        } catch (IOException e) {
            throw new AudioException("cannot read " + file + ": " + e, e);
        }
        return decode(bytes, file.toString());
    }

    /// A sound from the content of a file.
    ///
    /// @throws AudioException if it is no sound of a known format and at most [#MAX_SAMPLES]
    public static Audio of(byte[] file) {
        return decode(file, "the sound");
    }

    /// A copy of samples of one channel.
    ///
    /// @param rate samples a second, 1,000 to 384,000
    /// @throws IllegalArgumentException if there are none, or numbers among them that are no samples: not finite, or beyond a million
    /// @throws AudioException           if there are more than [#MAX_SAMPLES]
    public static Audio ofSamples(int rate, float... samples) {
        return copy(rate, MemorySegment.ofArray(samples));
    }

    /// A copy of samples of one channel, floats in the order of bytes of this machine.
    ///
    /// @param rate samples a second, 1,000 to 384,000
    /// @throws IllegalArgumentException if there are none, or numbers among them that are no samples: not finite, or beyond a million
    /// @throws AudioException           if there are more than [#MAX_SAMPLES]
    public static Audio ofSamples(int rate, MemorySegment samples) {
        if (samples.byteSize() % Float.BYTES != 0) {
            throw new IllegalArgumentException(samples.byteSize() + " bytes are no floats");
        }
        return copy(rate, samples);
    }

    private static Audio copy(int rate, MemorySegment samples) {
        checkRate(rate);
        long count = samples.byteSize() / Float.BYTES;
        if (count == 0) {
            throw new IllegalArgumentException("there are no samples");
        }
        if (count > MAX_SAMPLES) {
            throw new AudioException("%,d samples are more than %,d".formatted(count, MAX_SAMPLES));
        }
        MemorySegment copy = Arena.ofAuto().allocate(samples.byteSize(), Float.BYTES).copyFrom(samples);
        for (long i = 0; i < count; i++) {
            float sample = copy.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            if (!(Math.abs(sample) <= MAX_SAMPLE)) {
                throw new IllegalArgumentException("number " + i + " is " + sample + ", which is no sample");
            }
        }
        return new Audio(rate, copy);
    }

    private static void checkRate(int rate) {
        if (rate < MIN_RATE || rate > MAX_RATE) {
            throw new IllegalArgumentException("a rate of %,d samples a second is not in %,d..%,d".formatted(rate, MIN_RATE, MAX_RATE));
        }
    }

    private static Audio decode(byte[] file, String name) {
        NativeAccess access = NativeAccess.get();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(Math.max(1, file.length));
            MemorySegment.copy(file, 0, bytes, ValueLayout.JAVA_BYTE, 0, file.length);
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            int status = chq_pcm_decode(bytes, file.length, out);
            return taken(access, arena, status, out, name + " cannot be read as sound: ");
        }
    }

    /// The same sound at another rate, by linear interpolation behind a low-pass filter. A model's encoder does this by itself.
    ///
    /// @param newRate samples a second, 1,000 to 384,000
    /// @throws AudioException if that would be more than [#MAX_SAMPLES]
    public Audio resampled(int newRate) {
        checkRate(newRate);
        if (newRate == rate) {
            return this;
        }
        NativeAccess access = NativeAccess.get();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            int status = chq_pcm_resample(samples, length(), rate, newRate, out);
            return taken(access, arena, status, out, "the sound is too long: ");
        }
    }

    /// Copies what the native side has made.
    private static Audio taken(NativeAccess access, Arena arena, int status, MemorySegment out, String problem) {
        if (status == CHQ_STATUS_LOAD() || status == CHQ_STATUS_UNSUPPORTED()) {
            throw new AudioException(problem + chq_last_error().getString(0));
        }
        access.check(status);
        MemorySegment pcm = out.get(ValueLayout.ADDRESS, 0);
        try {
            MemorySegment samples = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
            MemorySegment rate = arena.allocate(ValueLayout.JAVA_INT);
            access.check(chq_pcm_get(pcm, samples, count, rate));
            long bytes = count.get(ValueLayout.JAVA_LONG, 0) * Float.BYTES;
            MemorySegment copy = Arena.ofAuto().allocate(bytes, Float.BYTES).copyFrom(samples.get(C_POINTER, 0).asSlice(0, bytes));
            return new Audio(rate.get(ValueLayout.JAVA_INT, 0), copy);
        } finally {
            chq_pcm_free(pcm);
        }
    }

    /// Samples a second.
    public int rate() {
        return rate;
    }

    /// Number of samples.
    public int length() {
        return (int) (samples.byteSize() / Float.BYTES);
    }

    public Duration duration() {
        return Duration.ofNanos(length() * 1_000_000_000L / rate);
    }

    /// The samples, `[length]` floats; read-only.
    public MemorySegment samples() {
        return samples;
    }

    /// The SHA-256 of rate and samples: equal for sounds that are the same.
    public String hash() {
        return hash;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Audio audio && audio.hash.equals(hash);
    }

    @Override
    public int hashCode() {
        return hash.hashCode();
    }

    @Override
    public String toString() {
        return "Audio[%d.%03d s at %d/s, %s]".formatted(duration().toSeconds(), duration().toMillisPart(), rate, hash.substring(0, 12));
    }
}
