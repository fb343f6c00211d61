package snippets;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GgufFile;
import dev.chasqui.GgufWriter;
import dev.chasqui.KvType;
import dev.chasqui.LoraAdapter;
import dev.chasqui.Model;
import dev.chasqui.ModelOptions;
import dev.chasqui.QuantizationType;
import dev.chasqui.QuantizeOptions;
import dev.chasqui.Quantizer;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.kv.CompressedPrompt;
import dev.chasqui.kv.PromptCompression;
import dev.chasqui.kv.PromptKey;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/// Code that the documentation of models, contexts and files shows.
final class ModelSnippets {

    private ModelSnippets() {}

    static void first() {
        // @start region="first"
        try (var model = Model.load(ModelStore.standard().get("smollm2-135m"));
             var chat = model.chat()) {
            for (String piece : chat.send("Name three rivers of Peru.")) {
                System.out.print(piece);
            }
        }
        // @end
    }

    static void load(Path file) {
        // @start region="load"
        ModelOptions options = ModelOptions.defaults()
                .withGpuLayers(0)
                .withListener(loaded -> {
                    System.out.printf("%3.0f%%%n", 100 * loaded);
                    return true; // false gives up
                });
        try (Model model = Model.load(file, options)) {
            System.out.println(model.devices());
        }
        // @end
    }

    static void store() {
        // @start region="store"
        Path file = ModelStore.standard().get("smollm2-135m");
        // @end
    }

    static void context(Model model) {
        // @start region="context"
        ContextOptions options = ContextOptions.defaults().withContextSize(4096).withMaxSequences(2);
        try (Context context = model.newContext(options); Sequence sequence = context.newSequence()) {
            sequence.append("The capital of Peru is");
            try (Sequence other = sequence.fork()) { // shares what is computed
                other.append(" not");
            }
        }
        // @end
    }

    static void sequence(Sequence sequence, Model model) {
        // @start region="sequence"
        sequence.append("The capital of Peru is");
        float[] logits = sequence.logits(); // one for each token of the vocabulary
        int best = 0;
        for (int token = 1; token < logits.length; token++) {
            best = logits[token] > logits[best] ? token : best;
        }
        sequence.push(best);
        System.out.println(model.vocabulary().detokenize(best));
        // @end
    }

    static void generation(Sequence sequence, Model model) {
        // @start region="generation"
        GenerationOptions options = GenerationOptions.defaults().withMaxTokens(64).withStop("\n\n");
        try (Generation generation = sequence.generate(model.vocabulary().tokenize("Rivers of Peru:"), options)) {
            for (String piece : generation) {
                System.out.print(piece);
            }
            System.out.println(generation.stats().decodeTokensPerSecond());
        }
        // @end
    }

    static void sampler() {
        // @start region="sampler"
        Sampler sampler = Sampler.builder().topK(40).topP(0.95f).temperature(0.8f).seed(42).build();
        // @end
    }

    static void vocabulary(Model model) {
        // @start region="vocabulary"
        int[] tokens = model.vocabulary().tokenize("Cusco, 3400 m");
        String text = model.vocabulary().detokenize(tokens);
        // @end
    }

    static void gguf(Path path) {
        // @start region="gguf"
        GgufFile file = GgufFile.read(path);
        System.out.println(file.architecture().orElse("?") + ", " + file.parameterCount() + " parameters, "
                + file.estimate(8192, KvType.F16, KvType.F16).totalBytes() + " bytes of memory");
        // @end
    }

    static void write(Path path) throws IOException {
        // @start region="write"
        GgufWriter.copyOf(GgufFile.read(path))
                .put("general.name", "my model")
                .remove("tokenizer.chat_template")
                .write(path);
        // @end
    }

    static void quantize() throws IOException {
        // @start region="quantize"
        Quantizer.quantize(Path.of("model-f16.gguf"), Path.of("model-q4.gguf"), QuantizeOptions.to(QuantizationType.Q4_K_M));
        // @end
    }

    static void adapter(Model model) {
        // @start region="adapter"
        try (LoraAdapter adapter = LoraAdapter.load(model, Path.of("pirate.gguf")); Context context = model.newContext()) {
            context.setAdapters(adapter.scaled(0.8f));
        }
        // @end
    }

    static void compress(Model model, Context context, int[] prompt) {
        // @start region="compress"
        try (var compressor = model.promptCompressor(PromptCompression.toTokens(1024), 32_768);
             var sequence = context.newSequence()) {
            CompressedPrompt shorter = compressor.compress(prompt);
            System.out.printf("%d of %d tokens%n", shorter.tokens().length, shorter.promptTokens());
            System.out.println(sequence.generate(shorter.tokens(), GenerationOptions.defaults()).text());
        }
        // @end
    }

    static void sequenceStore(Model model, Path folder) {
        // @start region="sequence-store"
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(folder));
             var chat = model.chat(ContextOptions.defaults().withStore(store), GenerationOptions.defaults())) {
            var answer = chat.send("What is Cusco?"); // only what no stored text begins with is computed
            System.out.println(answer.text());
            System.out.println(store.stats());
        }
        // @end
    }

    static void promptKey(int[] before, byte[] pixels, int[] after) {
        // @start region="prompt-key"
        PromptKey key = PromptKey.builder().tokens(before).chunk(Arrays.hashCode(pixels), 64).tokens(after).build();
        // @end
    }
}
