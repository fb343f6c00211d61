package dev.chasqui.cli;

import dev.chasqui.ChasquiException;
import dev.chasqui.ContextFullException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// Entry point: exit status 0 when all went well, 1 for a failure, 2 for a usage error, 130 after Ctrl-C.
@Command(
        name = "chasqui",
        description = "Language models on this machine, from Java.",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Examples:",
            "  chasqui run \"Why is the sky blue?\"",
            "  chasqui chat -m qwen2.5-coder-1.5b",
            "  chasqui run -m qwen2.5-coder-1.5b --temp 0 \"Write quicksort in Java.\"",
            "  chasqui bench -m smollm2-135m -p 512 -n 128",
        })
public final class Main implements Runnable {

    private static final List<Class<?>> COMMANDS = List.of(
            RunCommand.class, ChatCommand.class, BenchCommand.class, PerplexityCommand.class, EmbedCommand.class, RerankCommand.class, TokenizeCommand.class,
            GgufCommand.class, QuantizeCommand.class, ModelsCommand.class, InfoCommand.class, RpcServerCommand.class, HelpCommand.class);

    @Spec
    private CommandSpec spec;

    @Option(names = "--debug", scope = CommandLine.ScopeType.INHERIT,
            description = "Print the stack trace of a failure.")
    private boolean debug;

    public static void main(String[] args) {
        System.exit(execute(args, System.out, System.err));
    }

    static int execute(String[] args, PrintStream out, PrintStream err) {
        CommandLine commandLine = commandLine(args)
                .setOut(new PrintWriter(out, false, StandardCharsets.UTF_8))
                .setErr(new PrintWriter(err, true, StandardCharsets.UTF_8));
        try {
            return commandLine.execute(args);
        } finally {
            commandLine.getOut().flush();
        }
    }

    /// The command line for these arguments. Building all commands delays an answer by a tenth of a second, so one that is named comes alone.
    static CommandLine commandLine(String... args) {
        Main main = new Main();
        CommandLine commandLine = new CommandLine(main);
        commands(args).forEach(commandLine::addSubcommand);
        return commandLine
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setUsageHelpAutoWidth(true)
                .setExecutionExceptionHandler((e, command, _) -> main.report(e, command));
    }

    private static List<Class<?>> commands(String[] args) {
        for (Class<?> command : COMMANDS) {
            if (command != HelpCommand.class && args.length > 0 && args[0].equals(command.getAnnotation(Command.class).name())) {
                return List.of(command);
            }
        }
        return COMMANDS;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command");
    }

    private int report(Exception e, CommandLine command) {
        PrintWriter err = command.getErr();
        if (debug) {
            e.printStackTrace(err);
        } else if (e instanceof ChasquiException || e instanceof IllegalArgumentException || e instanceof IllegalStateException
                || e instanceof IOException || e instanceof UncheckedIOException) {
            err.println(command.getColorScheme().errorText("chasqui: " + message(e)));
        } else {
            err.println(command.getColorScheme().errorText("chasqui: " + e + " (run again with --debug for the stack trace)"));
        }
        return 1;
    }

    /// Exceptions of the file system say little more than a path; the library's name its own options.
    static String message(Exception e) {
        Throwable cause = e instanceof UncheckedIOException && e.getCause() != null ? e.getCause() : e;
        return switch (cause) {
            case java.nio.file.NoSuchFileException f -> "no such file: " + f.getMessage();
            case ContextFullException f -> "the context has room for %,d more tokens, %,d are needed; give a larger --context or a shorter text"
                    .formatted(f.available(), f.needed());
            case java.nio.file.AccessDeniedException f -> "no permission to read " + f.getMessage();
            default -> cause.getMessage() == null ? cause.toString() : cause.getMessage();
        };
    }
}
