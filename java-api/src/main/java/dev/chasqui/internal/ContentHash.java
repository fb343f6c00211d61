package dev.chasqui.internal;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// What stands for a content: equal for those that are the same.
public final class ContentHash {

    private ContentHash() {
    }

    /// The SHA-256 of the parameters of a content and the content itself, as hexadecimal digits.
    public static String of(MemorySegment content, int... parameters) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            ByteBuffer head = ByteBuffer.allocate(Integer.BYTES * parameters.length);
            head.asIntBuffer().put(parameters);
            digest.update(head);
            digest.update(content.asByteBuffer());
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }
}
