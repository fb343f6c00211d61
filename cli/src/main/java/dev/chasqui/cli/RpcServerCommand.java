package dev.chasqui.cli;

import dev.chasqui.RpcServer;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "rpc-server", description = "Lend this machine's devices to models on other machines, until Ctrl-C.", mixinStandardHelpOptions = true,
        footer = {"", "There is no password and no encryption: use it on a private network only."})
final class RpcServerCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Option(names = "--host", paramLabel = "ADDRESS", defaultValue = "127.0.0.1",
            description = "IPv4 address to listen on, 0.0.0.0 for all of this machine's (default: ${DEFAULT-VALUE}).")
    private String host;

    @Option(names = "--port", paramLabel = "N", defaultValue = "" + RpcServer.DEFAULT_PORT, description = "TCP port (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(names = {"-t", "--threads"}, paramLabel = "N", defaultValue = "0",
            description = "CPU threads if there is no GPU, 0 for the number of physical cores (default: ${DEFAULT-VALUE}).")
    private int threads;

    @Option(names = "--cache", paramLabel = "FOLDER", description = "Keep large weights there, so that clients need not send them again.")
    private @Nullable Path cache;

    @Override
    public Integer call() {
        RpcServer.Options options = new RpcServer.Options(host, port, threads, cache);
        if (!options.loopback()) {
            spec.commandLine().getErr().println(spec.commandLine().getColorScheme().errorText("chasqui: " + host + " can be reached by other machines, and anyone"
                    + " who reaches it can use this process and read and write its memory. Use it on a private network only."));
        }
        RpcServer.serve(options);
        return 0;
    }
}
