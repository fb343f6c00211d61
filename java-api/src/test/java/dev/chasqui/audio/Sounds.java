package dev.chasqui.audio;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.random.RandomGenerator;

/// Sounds, and files of them, made for tests.
public final class Sounds {

    private static final int BLOCK = 1024;
    /// Bytes of a frame of 128 kbit/s at 44,100 samples a second.
    private static final int MP3_FRAME = 417;

    private Sounds() {
    }

    /// A sine of half of full scale, in steps of 16 bits.
    public static float[] tone(int samples, double pitch, int rate) {
        float[] tone = new float[samples];
        for (int i = 0; i < samples; i++) {
            tone[i] = Math.round(16384 * Math.sin(2 * Math.PI * pitch * i / rate)) / 32768f;
        }
        return tone;
    }

    /// Samples of 16 bits.
    public static byte[] wav(int rate, float... samples) {
        ByteBuffer out = header(rate, samples.length * Short.BYTES, 1, Short.SIZE);
        for (float sample : samples) {
            out.putShort((short) Math.round(sample * 32768));
        }
        return out.array();
    }

    /// Samples as floats.
    public static byte[] floatWav(int rate, float... samples) {
        ByteBuffer out = header(rate, samples.length * Float.BYTES, 3, Float.SIZE);
        for (float sample : samples) {
            out.putFloat(sample);
        }
        return out.array();
    }

    private static ByteBuffer header(int rate, int bytes, int format, int bits) {
        return ByteBuffer.allocate(44 + bytes).order(ByteOrder.LITTLE_ENDIAN)
                .put(ascii("RIFF")).putInt(36 + bytes).put(ascii("WAVEfmt ")).putInt(16).putShort((short) format).putShort((short) 1)
                .putInt(rate).putInt(rate * bits / 8).putShort((short) (bits / 8)).putShort((short) bits).put(ascii("data")).putInt(bytes);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    /// Samples of 16 bits, in blocks that are not compressed.
    public static byte[] flac(int rate, float... samples) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(ascii("fLaC"));
        out.writeBytes(new byte[] {(byte) 0x80, 0, 0, 34});
        out.writeBytes(ByteBuffer.allocate(34).putShort((short) BLOCK).putShort((short) BLOCK).put(new byte[6])
                .putLong((long) rate << 44 | 15L << 36 | samples.length).array()); // one channel, 16 bits, and no digest
        for (int i = 0; i * BLOCK < samples.length; i++) {
            out.writeBytes(flacFrame(i, Arrays.copyOfRange(samples, i * BLOCK, Math.min(samples.length, (i + 1) * BLOCK))));
        }
        return out.toByteArray();
    }

    private static byte[] flacFrame(int number, float[] samples) {
        if (number > 127) {
            throw new IllegalArgumentException("numbers above 127 take more bytes");
        }
        ByteBuffer frame = ByteBuffer.allocate(11 + samples.length * Short.BYTES);
        frame.putShort((short) 0xFFF8).put((byte) 0x70).put((byte) 0x08).put((byte) number).putShort((short) (samples.length - 1));
        frame.put((byte) checksum(frame.array(), frame.position(), 8, 0x07));
        frame.put((byte) 0x02); // as they are
        for (float sample : samples) {
            frame.putShort((short) Math.round(sample * 32768));
        }
        return frame.putShort((short) checksum(frame.array(), frame.position(), 16, 0x8005)).array();
    }

    private static int checksum(byte[] bytes, int length, int bits, int polynomial) {
        int sum = 0;
        for (int i = 0; i < length; i++) {
            sum ^= (bytes[i] & 0xFF) << bits - 8;
            for (int k = 0; k < 8; k++) {
                sum = (sum & 1 << bits - 1) != 0 ? sum << 1 ^ polynomial : sum << 1;
            }
        }
        return sum & (1 << bits) - 1;
    }

    /// Frames of silence at 44,100 samples a second, 1,152 samples each.
    public static byte[] silentMp3(int frames) {
        byte[] out = new byte[frames * MP3_FRAME];
        for (int i = 0; i < frames; i++) {
            System.arraycopy(new byte[] {(byte) 0xFF, (byte) 0xFB, (byte) 0x90, 0}, 0, out, i * MP3_FRAME, 4);
        }
        return out;
    }

    /// Frames that say anything.
    public static byte[] noisyMp3(int frames, RandomGenerator random) {
        byte[] out = new byte[frames * MP3_FRAME];
        random.nextBytes(out);
        byte[] headers = silentMp3(frames);
        for (int i = 0; i < frames; i++) {
            System.arraycopy(headers, 0, out, i * MP3_FRAME, 4);
        }
        return out;
    }

    /// A file with some bits turned, most of them near its start, and sometimes cut.
    public static byte[] damaged(byte[] file, RandomGenerator random) {
        byte[] out = random.nextInt(3) == 0 ? Arrays.copyOf(file, 1 + random.nextInt(file.length - 1)) : file.clone();
        for (int n = 1 + random.nextInt(12); n > 0; n--) {
            int at = random.nextInt(random.nextBoolean() ? out.length : Math.min(out.length, 64));
            out[at] ^= (byte) (1 << random.nextInt(8));
        }
        return out;
    }
}
