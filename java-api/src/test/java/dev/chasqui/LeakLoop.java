package dev.chasqui;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Opens, uses and closes a model again and again, and prints how the memory of the process grew after the first hundred rounds.
final class LeakLoop {

    private LeakLoop() {
    }

    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[0]);
        int rounds = Integer.parseInt(args[1]);
        // A second pool of threads is made and freed, but one token at a time does not compute with it: on a busy machine that is slow.
        int[] prompt = TestModels.tokens(1, 1);
        long before = 0;
        for (int round = 1; round <= rounds; round++) {
            try (Model model = Model.load(file);
                    Context context = model.newContext(TestModels.small().withThreads(1, 2))) {
                if (round % 10 == 0) {
                    try (ChatTemplate template = model.chatTemplate()) {
                        template.render(List.of(ChatMessage.user("a")), true);
                    }
                }
                Generation generation = context.newSequence().generate(prompt, GenerationOptions.defaults().withMaxTokens(3));
                generation.text();
                if (generation.stats().promptTokens() != 1) {
                    throw new AssertionError("nothing was generated");
                }
            }
            if (round == 100) {
                before = residentKib();
            }
            if (round % 100 == 0) {
                System.out.println(round + " rounds, resident KiB: " + residentKib());
            }
        }
        System.out.println("growth KiB: " + (residentKib() - before));
    }

    static long residentKib() throws IOException {
        System.gc();
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D+", ""));
            }
        }
        throw new AssertionError("no VmRSS");
    }
}
