package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.kv.StoreStats;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;

/// Parks and takes up sequences in a folder that others use at the same time, so many rounds or until it is killed, and checks what it is given.
///
/// Arguments: model file, folder, budget of the folder in bytes, rounds, seed.
final class ParkLoop {

    /// As many texts as are in use.
    static final int TEXTS = 12;

    private ParkLoop() {
    }

    static int[] text(int number) {
        return tokens(150 + 10 * number, 1000 + number);
    }

    public static void main(String[] args) {
        SequenceStoreOptions options = SequenceStoreOptions.in(Path.of(args[1])).withRamBytes(0).withDiskBytes(Long.parseLong(args[2]));
        int rounds = Integer.parseInt(args[3]);
        Random random = new Random(Long.parseLong(args[4]));
        int hits = 0;
        try (Model model = Model.load(Path.of(args[0])); Context context = model.newContext(small()); SequenceStore store = SequenceStore.open(options)) {
            Sequence sequence = context.newSequence();
            float[][] logits = new float[TEXTS][];
            for (int round = 0; round < rounds; round++) {
                int number = random.nextInt(TEXTS);
                int[] text = text(number);
                sequence.rewind(0);
                int reused = store.prepare(sequence, text).tokens();
                if (reused != 0 && reused != text.length) {
                    throw new AssertionError(reused + " of " + text.length + " tokens");
                }
                hits += reused > 0 ? 1 : 0;
                sequence.set(text);
                if (logits[number] == null) {
                    logits[number] = sequence.logits();
                } else if (!Arrays.equals(logits[number], sequence.logits())) {
                    throw new AssertionError("other logits after " + reused + " tokens");
                }
                store.park(sequence);
                if (round == 0) {
                    System.out.println("ready");
                }
            }
            store.flush();
            StoreStats stats = store.stats();
            if (stats.damaged() > 0 || stats.writeFailures() > 0) {
                throw new AssertionError(stats.toString());
            }
            System.out.println("hits " + hits);
        }
    }
}
