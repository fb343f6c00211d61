package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.audio.Audio;
import dev.chasqui.audio.AudioException;
import dev.chasqui.audio.EncodedAudio;
import dev.chasqui.bindings.chq_image_chunk;
import dev.chasqui.bindings.chq_position;
import dev.chasqui.bindings.chq_vision_info;
import dev.chasqui.bindings.chq_vision_params;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// An encoder with its projector (an `mmproj` file) for a language model, with which it sees, hears, or both.
///
/// {@snippet class="snippets.VisionSnippets" region="vision"}
///
/// Thread-safe: one picture or sound at a time is encoded, others wait. Closing waits for the one in progress.
public final class VisionModel implements AutoCloseable {

    private static final int SAMPLES = 64;
    private static final int SAMPLE_BYTES = 1 << 12;

    private final Model model;
    private final Path path;
    private final NativeOwner handle;
    private final ReentrantLock encoding = new ReentrantLock();
    private final String projector;
    private final String key;
    private final int stride;
    private final int width;
    private final boolean grid;
    private final boolean images;
    private final int audioRate;
    private final boolean showsAttention;
    private final boolean attention;

    VisionModel(Model model, Path path, VisionModelOptions options) {
        this.model = model;
        this.path = path;
        this.attention = options.attention();
        MemorySegment modelAddress = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = arena.allocate(chq_vision_params.layout());
            chq_vision_params.n_threads(params, options.threads());
            chq_vision_params.image_min_tokens(params, options.minImageTokens());
            chq_vision_params.image_max_tokens(params, options.maxImageTokens());
            chq_vision_params.use_gpu(params, options.gpu());
            chq_vision_params.attention(params, options.attention());
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            int status = chq_vision_load(modelAddress, Native.cString(arena, "path", path.toString()), params, out);
            if (status == CHQ_STATUS_LOAD() || status == CHQ_STATUS_ABORTED() || status == CHQ_STATUS_INTERNAL()) {
                String reason = Status.lastError();
                NativeLog.drain();
                throw new ModelLoadException(path, reason);
            }
            Status.check(status);
            NativeLog.drain();
            MemorySegment address = out.get(ValueLayout.ADDRESS, 0);
            this.handle = new NativeOwner(this, "vision model " + path.getFileName(), address, vision -> chq_vision_free(vision), model.handle());
            MemorySegment info = arena.allocate(chq_vision_info.layout());
            Status.check(chq_vision_get_info(address, info));
            this.stride = chq_vision_info.n_embd(info);
            this.width = chq_vision_info.n_main(info);
            this.grid = chq_vision_info.grid(info);
            this.images = chq_vision_info.images(info);
            this.audioRate = chq_vision_info.audio_rate(info);
            this.showsAttention = chq_vision_info.attention(info);
            this.projector = Native.text((text, capacity, length) -> chq_vision_projector(address, text, capacity, length));
            this.key = path.getFileName() + "," + fingerprint(path) + "," + options.minImageTokens() + "," + options.maxImageTokens();
        } catch (Throwable e) {
            model.handle().release();
            throw e;
        }
    }

    /// Of the file's size and of some stretches of it: weights that were trained further differ everywhere.
    private static String fingerprint(Path path) {
        try (FileChannel file = FileChannel.open(path)) {
            long size = file.size();
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(Long.toString(size).getBytes(StandardCharsets.US_ASCII));
            for (int i = 0; i < SAMPLES; i++) {
                ByteBuffer stretch = ByteBuffer.allocate(SAMPLE_BYTES);
                long at = Math.max(0, size - SAMPLE_BYTES) / (SAMPLES - 1) * i;
                while (stretch.hasRemaining() && file.read(stretch, at + stretch.position()) > 0) {
                    // on to the rest of the stretch
                }
                digest.update(stretch.flip());
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 16);
        } catch (IOException | NoSuchAlgorithmException e) {
            throw new ModelLoadException(path, "cannot be read: " + e);
        }
    }

    /// The language model that it is for.
    public Model model() {
        return model;
    }

    /// The file it was loaded from.
    public Path path() {
        return path;
    }

    /// The type of the projector as its file names it, e.g. `qwen2vl_merger`; of two, that for pictures.
    public String projector() {
        return projector;
    }

    /// Whether it takes pictures.
    public boolean supportsImages() {
        return images;
    }

    /// Whether it takes sounds.
    public boolean supportsAudio() {
        return audioRate > 0;
    }

    /// Samples a second of the sounds that the encoder takes; others are resampled. Empty if it takes none.
    public OptionalInt audioRate() {
        return supportsAudio() ? OptionalInt.of(audioRate) : OptionalInt.empty();
    }

    /// Whether positions of this model have several dimensions, so that rows which are kept can stay where they were.
    public boolean hasGridPositions() {
        return grid;
    }

    /// Whether [VisionModelOptions#attention] is possible: for projectors whose encoder is known to have its patches where its rows come from.
    public boolean showsAttention() {
        return showsAttention;
    }

    /// Encodes a picture.
    ///
    /// @throws UnsupportedFeatureException if the projector takes no pictures, or none of this shape
    /// @throws DecodeException             if the encoder failed
    public EncodedImage encode(Image image) {
        Objects.requireNonNull(image, "image");
        Encoded encoded = encode(image.hash(), false, (address, out) -> chq_image_create(address, image.rgb(), image.width(), image.height(), out));
        return new EncodedImage(image, encoded.parts(), encoded.time());
    }

    /// Encodes a sound, resampled if its rate is another than [#audioRate()].
    ///
    /// @throws UnsupportedFeatureException if the projector takes no sounds, or none as short as this: less than a tenth of a second
    /// @throws AudioException              if it would have more than [Audio#MAX_SAMPLES] at the encoder's rate
    /// @throws DecodeException             if the encoder failed
    public EncodedAudio encode(Audio audio) {
        Objects.requireNonNull(audio, "audio");
        Audio heard = supportsAudio() ? audio.resampled(audioRate) : audio;
        Encoded encoded = encode(heard.hash(), true, (address, out) -> chq_audio_create(address, heard.samples(), heard.length(), out));
        return new EncodedAudio(audio, encoded.parts(), encoded.time());
    }

    private record Encoded(List<EncodedImage.Part> parts, Duration time) { }

    private interface Preparation {

        /// Has the projector cut its input into chunks.
        int prepare(MemorySegment vision, MemorySegment out);
    }

    private Encoded encode(String hash, boolean sound, Preparation preparation) {
        MemorySegment address = handle.acquire();
        encoding.lock();
        try (Arena arena = Arena.ofConfined()) {
            long start = System.nanoTime();
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(preparation.prepare(address, out));
            MemorySegment prepared = out.get(ValueLayout.ADDRESS, 0);
            try {
                List<EncodedImage.Part> parts = new ArrayList<>();
                MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
                Status.check(chq_image_n_chunks(prepared, count));
                for (int i = 0; i < count.get(ValueLayout.JAVA_INT, 0); i++) {
                    parts.add(part(prepared, i, hash, sound, arena));
                }
                return new Encoded(parts, Duration.ofNanos(System.nanoTime() - start));
            } finally {
                chq_image_free(prepared);
                NativeLog.drain();
            }
        } finally {
            encoding.unlock();
            handle.release();
        }
    }

    private EncodedImage.Part part(MemorySegment image, int index, String hash, boolean sound, Arena arena) {
        MemorySegment chunk = arena.allocate(chq_image_chunk.layout());
        Status.check(chq_image_get_chunk(image, index, chunk));
        int n = chq_image_chunk.n_tokens(chunk);
        if (chq_image_chunk.is_text(chunk)) {
            MemorySegment tokens = chq_image_chunk.tokens(chunk).asSlice(0, (long) n * Integer.BYTES);
            return new EncodedImage.Frame(IntStream.of(tokens.toArray(ValueLayout.JAVA_INT)).boxed().toList());
        }
        MemorySegment rows = Arena.ofAuto().allocate((long) n * stride * Float.BYTES, Long.BYTES);
        boolean shows = attention && !sound;
        MemorySegment shares = shows ? arena.allocate(ValueLayout.JAVA_FLOAT, n) : MemorySegment.NULL;
        Status.check(chq_image_encode(image, index, rows, (long) n * stride, shares));
        return new EncodedImage.Rows(rows, n, stride, width, chq_image_chunk.width(chunk), chq_image_chunk.height(chunk), chq_image_chunk.causal(chunk),
                grid && !sound ? positions(image, index, n, arena) : null, chq_image_chunk.n_positions(chunk),
                shows ? shares.toArray(ValueLayout.JAVA_FLOAT) : null, key + "/" + hash + "/" + index);
    }

    private static int @Nullable [] positions(MemorySegment image, int index, int n, Arena arena) {
        MemorySegment positions = chq_position.allocateArray(n, arena);
        Status.check(chq_image_positions(image, index, positions, n));
        return positions.toArray(ValueLayout.JAVA_INT);
    }

    /// Frees the encoder. Idempotent. What it encoded stays usable.
    @Override
    public void close() {
        handle.close();
    }

    @Override
    public String toString() {
        return "VisionModel[" + path.getFileName() + ", " + projector + "]";
    }
}
