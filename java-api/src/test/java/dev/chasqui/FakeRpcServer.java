package dev.chasqui;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Something that listens where an RPC server should, and answers as the test says.
final class FakeRpcServer implements AutoCloseable {

    static final int ALLOC_BUFFER = 0;
    static final int GET_ALIGNMENT = 1;
    static final int GET_MAX_SIZE = 2;
    static final int BUFFER_GET_BASE = 3;
    static final int SET_TENSOR_HASH = 7;
    static final int GET_TENSOR = 8;
    static final int COPY_TENSOR = 9;
    static final int GET_DEVICE_MEMORY = 11;
    static final int GET_ALLOC_SIZE = 13;
    static final int HELLO = 14;
    static final int DEVICE_COUNT = 15;

    /// What happens on a new connection.
    interface Session {
        void run(DataInputStream in, OutputStream out) throws IOException;
    }

    /// The answer to a command, null for none.
    interface Answers {
        byte[] answer(int command, byte[] request);
    }

    private final ServerSocket listener;
    private final Session session;

    FakeRpcServer(Session session) {
        this.session = session;
        try {
            listener = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Thread.ofPlatform().daemon().start(this::accept);
    }

    /// A server that speaks the protocol.
    static FakeRpcServer speaking(Answers answers) {
        return new FakeRpcServer((in, out) -> {
            while (true) {
                int command = in.readUnsignedByte();
                int size = (int) Long.reverseBytes(in.readLong());
                byte[] request = in.readNBytes(size);
                byte[] answer = answers.answer(command, request);
                if (answer != null) {
                    out.write(ByteBuffer.allocate(8 + answer.length).put(numbers(answer.length)).put(answer).array());
                }
            }
        });
    }

    /// What an honest server with one device says, without memory behind its buffers: nothing can be read back from it but zeros.
    static byte[] honest(int command, byte[] request) {
        return switch (command) {
            case HELLO -> hello(7, 0, 0);
            case DEVICE_COUNT -> int32(1);
            case GET_ALIGNMENT -> numbers(64);
            case GET_MAX_SIZE -> numbers(Long.MAX_VALUE);
            case GET_DEVICE_MEMORY -> numbers(1L << 32, 1L << 32);
            case ALLOC_BUFFER -> numbers(1, ByteBuffer.wrap(request).order(ByteOrder.LITTLE_ENDIAN).getLong(4));
            case BUFFER_GET_BASE -> numbers(1L << 40);
            case GET_ALLOC_SIZE -> numbers(0);
            case SET_TENSOR_HASH, COPY_TENSOR -> new byte[] {1};
            case GET_TENSOR -> new byte[(int) ByteBuffer.wrap(request).order(ByteOrder.LITTLE_ENDIAN).getLong(request.length - 8)];
            default -> null;
        };
    }

    static byte[] hello(int major, int minor, int patch) {
        byte[] answer = new byte[28];
        answer[0] = (byte) major;
        answer[1] = (byte) minor;
        answer[2] = (byte) patch;
        return answer;
    }

    static byte[] int32(int value) {
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
    }

    static byte[] numbers(long... values) {
        ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (long value : values) {
            bytes.putLong(value);
        }
        return bytes.array();
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    private void accept() {
        try {
            while (true) {
                Socket socket = listener.accept();
                Thread.ofPlatform().daemon().start(() -> {
                    try (socket) {
                        socket.setTcpNoDelay(true);
                        session.run(new DataInputStream(new BufferedInputStream(socket.getInputStream())), socket.getOutputStream());
                    } catch (IOException ended) {
                        // the client has gone
                    }
                });
            }
        } catch (IOException closed) {
            // no more clients
        }
    }

    @Override
    public void close() {
        try {
            listener.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
