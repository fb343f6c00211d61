import de.kherud.llama.InferenceParameters;
import de.kherud.llama.LlamaModel;
import de.kherud.llama.LlamaOutput;
import de.kherud.llama.ModelParameters;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/// java-llama.cpp's side of compare-peers.sh: streams a greedy answer, then prints `prefill` and `decode` in tokens per second on stderr.
///
/// Arguments: model file, threads, prompt file, its tokens, tokens to generate, tokens to generate beforehand as a warm-up.
public final class JavaLlamaCpp {

    private JavaLlamaCpp() {
    }

    public static void main(String[] args) throws Exception {
        int threads = Integer.parseInt(args[1]);
        String prompt = Files.readString(Path.of(args[2]));
        int promptTokens = Integer.parseInt(args[3]);
        int tokens = Integer.parseInt(args[4]);
        int warmUp = Integer.parseInt(args[5]);
        PrintStream out = System.out;
        System.setOut(System.err); // the library says there where it unpacks its natives
        LlamaModel.setLogger(null, (level, message) -> { });
        ModelParameters parameters = new ModelParameters().setModel(args[0]).setCtxSize(1024).setThreads(threads).setThreadsBatch(threads);
        if (warmUp == 0) {
            parameters.skipWarmup();
        }
        LlamaModel model = new LlamaModel(parameters);
        if (warmUp > 0) {
            model.complete(greedy("Hello", warmUp));
        }
        long start = System.nanoTime();
        long first = 0;
        for (LlamaOutput output : model.generate(greedy(prompt, tokens))) {
            if (first == 0) {
                first = System.nanoTime();
            }
            out.print(output.text);
            out.flush();
        }
        long end = System.nanoTime();
        System.err.print(String.format(Locale.ROOT, "%nprefill %.3f decode %.3f%n", promptTokens / ((first - start) / 1e9),
                (tokens - 1) / ((end - first) / 1e9)));
        Runtime.getRuntime().halt(0); // closing the model never returns
    }

    private static InferenceParameters greedy(String prompt, int tokens) {
        return new InferenceParameters(prompt).setTemperature(0).setIgnoreEos(true).setCachePrompt(false).setNPredict(tokens);
    }
}
