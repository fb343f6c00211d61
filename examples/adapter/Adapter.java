package adapter;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GgufFile;
import dev.chasqui.GgufTensor;
import dev.chasqui.GgufWriter;
import dev.chasqui.LoraAdapter;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/// One model, answering with a LoRA adapter and without. A text is computed again when the adapters change: what was computed with others is of no use.
///
/// Arguments: a model and an adapter for it. Without them, the default model gets an adapter of random numbers, which only shows that it counts.
public final class Adapter {

    private static final int RANK = 4;
    private static final String PROMPT = "The capital of Peru is";

    private Adapter() {}

    public static void main(String... args) throws IOException {
        Path file = args.length > 0 ? Path.of(args[0]) : ModelStore.standard().get("smollm2-135m");
        Path lora = args.length > 1 ? Path.of(args[1]) : random(GgufFile.read(file), Files.createTempFile("adapter", ".gguf"));
        try (Model model = Model.load(file);
             LoraAdapter adapter = LoraAdapter.load(model, lora);
             Context context = model.newContext(ContextOptions.defaults().withContextSize(256));
             Sequence sequence = context.newSequence()) {
            answer("without", sequence);
            context.setAdapters(adapter.scaled(1));
            answer("with", sequence);
            context.setAdapters(adapter.scaled(0));
            answer("scale 0", sequence);
            context.setAdapters();
            answer("without", sequence);
        }
    }

    private static void answer(String adapters, Sequence sequence) {
        int[] prompt = sequence.context().model().vocabulary().tokenize(PROMPT, true, false);
        String text = sequence.generate(prompt, GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(12)).text();
        IO.println(adapters + ": " + text.strip().replace('\n', ' '));
    }

    /// An adapter is a GGUF file with two small matrices for each weight that it changes.
    private static Path random(GgufFile model, Path to) throws IOException {
        Random random = new Random(1);
        GgufWriter writer = GgufWriter.empty()
                .put("general.architecture", model.architecture().orElseThrow())
                .put("general.type", "adapter")
                .put("adapter.type", "lora")
                .put("adapter.lora.alpha", (float) RANK);
        for (GgufTensor weight : model.tensors()) {
            if (weight.name().endsWith("ffn_down.weight")) {
                long inputs = weight.shape()[0];
                long outputs = weight.shape()[1];
                writer.tensor(weight.name() + ".lora_a", new long[] {inputs, RANK}, numbers(random, inputs * RANK));
                writer.tensor(weight.name() + ".lora_b", new long[] {RANK, outputs}, numbers(random, RANK * outputs));
            }
        }
        return writer.write(to).path();
    }

    private static float[] numbers(Random random, long count) {
        float[] values = new float[Math.toIntExact(count)];
        for (int i = 0; i < values.length; i++) {
            values[i] = 0.1f * (float) random.nextGaussian();
        }
        return values;
    }
}
