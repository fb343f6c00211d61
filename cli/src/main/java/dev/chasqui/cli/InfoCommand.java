package dev.chasqui.cli;

import dev.chasqui.Chasqui;
import dev.chasqui.Device;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "info", description = "Show versions, the native libraries in use and the devices.", mixinStandardHelpOptions = true)
final class InfoCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            printJson(out);
        } else {
            printText(out);
        }
        return 0;
    }

    private static void printText(PrintWriter out) {
        out.println("chasqui        " + Chasqui.version());
        out.println("llama.cpp      " + Chasqui.llamaVersion());
        out.println("java           " + Runtime.version());
        out.println("natives        " + Chasqui.libraryLocation());
        out.println("cpu features   " + Chasqui.cpuFeatures());
        out.println("kernels        " + Chasqui.kernels().orElse("none"));
        out.println("cores          " + Chasqui.physicalCores());
        for (Device device : Chasqui.devices()) {
            // what only helps the CPU has no memory of its own
            String memory = device.totalMemory() == 0 ? ""
                    : ", " + Bytes.text(device.freeMemory()) + " of " + Bytes.text(device.totalMemory()) + " free";
            out.println("device         " + device.name() + ": " + device.description() + memory);
            if (!device.library().isEmpty()) {
                out.println("               " + device.library());
            }
        }
    }

    private static void printJson(PrintWriter out) {
        Json.line(out, object -> {
            object.writeStringField("chasqui", Chasqui.version());
            object.writeStringField("llama_cpp", Chasqui.llamaVersion());
            object.writeStringField("java", Runtime.version().toString());
            object.writeStringField("natives", Chasqui.libraryLocation());
            object.writeStringField("cpu_features", Chasqui.cpuFeatures());
            object.writeStringField("kernels", Chasqui.kernels().orElse(null));
            object.writeNumberField("cores", Chasqui.physicalCores());
            object.writeArrayFieldStart("devices");
            for (Device device : Chasqui.devices()) {
                object.writeStartObject();
                object.writeStringField("name", device.name());
                object.writeStringField("description", device.description());
                object.writeStringField("backend", device.backend());
                object.writeStringField("library", device.library());
                object.writeStringField("type", device.type().name().toLowerCase(Locale.ROOT));
                object.writeNumberField("free_memory", device.freeMemory());
                object.writeNumberField("total_memory", device.totalMemory());
                object.writeEndObject();
            }
            object.writeEndArray();
        });
    }
}
