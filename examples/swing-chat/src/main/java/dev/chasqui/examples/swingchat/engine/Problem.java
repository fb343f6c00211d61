package dev.chasqui.examples.swingchat.engine;

import dev.chasqui.ContextFullException;
import dev.chasqui.DecodeException;
import dev.chasqui.GgufException;
import dev.chasqui.InsufficientMemoryException;
import dev.chasqui.ModelLoadException;
import dev.chasqui.NativeAbortException;
import dev.chasqui.NativeLibraryException;
import dev.chasqui.UnsupportedFeatureException;
import dev.chasqui.models.ModelStoreException;
import dev.chasqui.vision.ImageException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;
import java.util.stream.Stream;

/// What went wrong, for people.
///
/// @param title  in a few words
/// @param advice what one can do about it
/// @param detail what the program knows, for who wants to know
public record Problem(String title, String advice, String detail) {

    public static Problem of(Throwable failure) {
        String detail = failure.getMessage() == null || failure.getMessage().isBlank() ? failure.toString() : failure.getMessage();
        if (saysDiskFull(failure)) {
            return new Problem("The disk is full", "Free some space, then try again. What was downloaded so far is kept.", detail);
        }
        return switch (failure) {
            case InsufficientMemoryException _, OutOfMemoryError _ -> new Problem("There is not enough memory",
                    "Close other programs, choose a smaller model, or let it remember fewer tokens in the settings.", detail);
            case GgufException _, ModelLoadException _ -> new Problem("This model file cannot be used",
                    "It may be damaged or incomplete. Download it again, or choose another file.", detail);
            case ModelStoreException _ -> new Problem("The model could not be downloaded",
                    "Check your connection, then try again. What was downloaded so far is kept.", detail);
            case ImageException _ -> new Problem("This picture cannot be used", "PNG, JPEG, GIF, BMP and TIFF files can be opened.", detail);
            case ContextFullException _ -> new Problem("The message is too long for this model",
                    "Shorten it, or let the model remember more tokens in the settings.", detail);
            case UnsupportedFeatureException _ -> new Problem("This model cannot do that", "Choose another model.", detail);
            case NativeLibraryException _ -> new Problem("A part of the program is missing", "Install the program again.", detail);
            case DecodeException _, NativeAbortException _ -> new Problem("The model stopped working",
                    "Send the message again. If that does not help, load the model again.", detail);
            case NoSuchFileException _ -> new Problem("The file is not there", "Choose another file, or download the model.", detail);
            case IOException _ -> new Problem("A file could not be read or written", "Look at the file and at your rights to it, then try again.", detail);
            default -> new Problem("Something went wrong", "Try again.", failure.toString());
        };
    }

    private static boolean saysDiskFull(Throwable failure) {
        return Stream.iterate(failure, each -> each != null, Throwable::getCause)
                .map(each -> String.valueOf(each.getMessage()).toLowerCase(Locale.ROOT))
                .anyMatch(text -> text.contains("no space left") || text.contains("not enough space") || text.contains("of disk space"));
    }
}
