package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.chasqui.ContextOptions;
import dev.chasqui.kv.KvCacheOptions;
import dev.chasqui.kv.KvFileStats;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// `--kv-file` and `--kv-budget`.
final class KvFileOption {

    @Option(names = "--kv-file", paramLabel = "FOLDER",
            description = "Keep the KV cache in a nameless file in this folder, and no more of it in memory than --kv-budget allows.")
    private @Nullable Path folder;

    @Option(names = "--kv-budget", paramLabel = "BYTES", defaultValue = "1G", converter = Size.class,
            description = "Most bytes of the KV cache in memory, e.g. 256M (default: ${DEFAULT-VALUE}). Only with --kv-file.")
    private long budget;

    boolean isSet() {
        return folder != null;
    }

    ContextOptions applyTo(ContextOptions options) {
        return folder == null ? options : options.withKvCache(KvCacheOptions.onFile(folder, budget));
    }

    /// Nothing without a file.
    static void write(JsonGenerator object, KvFileStats stats) throws IOException {
        if (stats.fileBytes() == 0) {
            return;
        }
        object.writeNumberField("kv_bytes", stats.fileBytes());
        object.writeNumberField("kv_budget_bytes", stats.budgetBytes());
        object.writeNumberField("kv_resident_bytes", stats.residentBytes());
        object.writeNumberField("kv_most_resident_bytes", stats.mostResident());
        object.writeNumberField("kv_loaded_bytes", stats.loadedBytes());
        object.writeNumberField("kv_evicted_bytes", stats.evictedBytes());
    }

    /// A number of bytes, with K, M or G for powers of 1024.
    static final class Size implements ITypeConverter<Long> {

        @Override
        public Long convert(String value) {
            String text = value.strip().toUpperCase(Locale.ROOT);
            int unit = text.isEmpty() ? -1 : "KMG".indexOf(text.charAt(text.length() - 1));
            try {
                long number = Long.parseLong(unit < 0 ? text : text.substring(0, text.length() - 1));
                if (number > 0) {
                    return Math.multiplyExact(number, 1L << 10 * (unit + 1));
                }
            } catch (NumberFormatException | ArithmeticException e) {
                // said below
            }
            throw new TypeConversionException("'" + value + "' is no number of bytes such as 268435456 or 256M");
        }
    }
}
