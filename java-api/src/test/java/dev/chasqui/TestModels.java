package dev.chasqui;

import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Models that tests share. They stay open for the life of the test process.
final class TestModels {

    /// Writes the roles in words and each message between `<s>` and `</s>`, the two control tokens of the tiny vocabulary.
    static final String CHAT_TEMPLATE = "{% for m in messages %}{{ '<s>' + m['role'] + ' ' + m['content'] + '</s>' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<s>assistant ' }}{% endif %}";

    private TestModels() {
    }

    /// The default [TinyGguf] with [#CHAT_TEMPLATE], as a file.
    static Path tinyFile() {
        return TinyFile.PATH;
    }

    static Model tiny() {
        return Tiny.MODEL;
    }

    /// Weights from the model store.
    static Model smollm2() {
        return Smollm2.MODEL;
    }

    /// A tiny model whose last token, 319, is this text.
    static byte[] tinyWithPiece(String text) {
        return tinyWithPiece(text, null);
    }

    /// The same with a chat template.
    static byte[] tinyWithPiece(String text, @Nullable String chatTemplate) {
        List<String> texts = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        for (int b = 0; b < 256; b++) {
            texts.add("<0x%02X>".formatted(b));
        }
        while (texts.size() < 319) {
            texts.add("t" + texts.size());
        }
        texts.add(text);
        return TinyGguf.builder().chatTemplate(chatTemplate).writer().put("tokenizer.ggml.tokens", texts).bytes();
    }

    /// A directory that goes away with the process.
    static Path directory() {
        try {
            Path directory = Files.createTempDirectory("chasqui-test");
            Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(directory)));
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Ordinary tokens of the tiny vocabulary, the same for the same seed.
    static int[] tokens(int count, long seed) {
        return new Random(seed).ints(count, TinyGguf.FIRST_BYTE, 320).toArray();
    }

    /// The next tokens by greedy decoding.
    static int[] greedy(Sequence sequence, int count) {
        try (SamplerChain chain = sequence.context().model().newSamplerChain(Sampler.greedy())) {
            return next(sequence, chain, count);
        }
    }

    static int[] next(Sequence sequence, SamplerChain chain, int count) {
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++) {
            tokens[i] = sequence.next(chain);
        }
        return tokens;
    }

    /// What greedy decoding gives after the prompt in a context of its own.
    static int[] fresh(Model model, int[] prompt, int count) {
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            return greedy(sequence, count);
        }
    }

    /// 512 tokens, one thread.
    static ContextOptions small() {
        return ContextOptions.defaults().withContextSize(512).withThreads(1);
    }

    /// Runs in a thread of its own; the common pool may have only one.
    static <T> CompletableFuture<T> async(Supplier<T> work) {
        return CompletableFuture.supplyAsync(work, task -> Thread.ofPlatform().start(task));
    }

    static CompletableFuture<Void> async(Runnable work) {
        return async(() -> {
            work.run();
            return null;
        });
    }

    /// Tries until no other thread is in the way.
    static void insist(Runnable call) {
        while (true) {
            try {
                call.run();
                return;
            } catch (IllegalStateException e) {
                if (!e.getMessage().contains("is in use by")) {
                    throw e;
                }
            }
        }
    }

    static int argmax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }

    static int[] concat(int[]... parts) {
        List<Integer> all = new ArrayList<>();
        for (int[] part : parts) {
            for (int value : part) {
                all.add(value);
            }
        }
        return all.stream().mapToInt(Integer::intValue).toArray();
    }

    private static void delete(Path directory) {
        try (var paths = Files.walk(directory)) {
            for (Path path : paths.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            // left to the system's own cleaning
        }
    }

    private static final class TinyFile {
        static final Path PATH = TinyGguf.builder().chatTemplate(CHAT_TEMPLATE).write(directory().resolve("tiny.gguf"));
    }

    private static final class Tiny {
        static final Model MODEL = Model.load(tinyFile());
    }

    private static final class Smollm2 {
        static final Model MODEL = Model.load(ModelStore.standard().get("smollm2-135m"));
    }
}
