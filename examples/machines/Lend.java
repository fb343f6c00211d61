package machines;

import dev.chasqui.RpcServer;

/// What the other machines run: lends this one's devices until the process ends. Arguments: the address to listen on and the port.
public final class Lend {

    private Lend() {}

    public static void main(String... args) {
        RpcServer.serve(RpcServer.Options.defaults().withHost(args[0]).withPort(Integer.parseInt(args[1])));
    }
}
