package dev.chasqui;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;

/// Quantises where files cannot become as large as they have to be.
///
/// Arguments: model file, output.
final class QuantizeOnFullDisk {

    private QuantizeOnFullDisk() {
    }

    public static void main(String[] args) throws IOException {
        try {
            Quantizer.quantize(Path.of(args[0]), Path.of(args[1]), QuantizeOptions.to(QuantizationType.Q8_0));
        } catch (FileSystemException e) {
            System.out.println("failed: " + e.getMessage());
        }
    }
}
