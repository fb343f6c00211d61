package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import java.io.IOException;
import java.nio.file.Path;

/// Saves where files cannot become as large as they have to be.
///
/// Arguments: model file, folder, a file to save to.
final class FullDisk {

    private FullDisk() {
    }

    public static void main(String[] args) {
        try (Model model = Model.load(Path.of(args[0])); Context context = model.newContext(small());
                SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(Path.of(args[1])))) {
            Sequence sequence = context.newSequence();
            int[] text = tokens(400, 1);
            sequence.append(text);
            try {
                sequence.save(Path.of(args[2]));
            } catch (IOException e) {
                System.out.println("save: " + e.getMessage());
            }
            System.out.println("parked: " + store.park(sequence));
            store.flush();
            System.out.println("failures: " + store.stats().writeFailures());
            System.out.println("reason: " + store.stats().lastFailure().orElse(""));
            sequence.rewind(0);
            System.out.println("reused: " + store.prepare(sequence, text).tokens());
        }
    }
}
