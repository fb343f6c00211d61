package dev.chasqui.jmh;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Prompt;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.VisionModel;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.VisionOptions;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import javax.imageio.ImageIO;

/// The time from a picture (the bytes of a PNG file) to the first token of an answer about it, with all of its 2,880 tokens and with a tenth of them, in turns. The
/// language model is a real one; the encoder has random weights ([RandomProjector]), so that the rows are as many and as wide as real ones, and the answer is noise.
///
/// Arguments: model file, rounds, results file, share to keep, layers and width of the encoder. Appends one JSON row to the file.
public final class TimeToFirstToken {

    private static final String QUESTION = "\nDescribe what the picture shows, in one sentence.\n";

    /// Seconds.
    ///
    /// @param encode the picture decoded and encoded
    /// @param choose rows chosen
    /// @param total  from the file's bytes to the first token
    private record Reading(double encode, double choose, double total, int tokens) {

        double withoutEncoder() {
            return total - encode;
        }
    }

    private TimeToFirstToken() {
    }

    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[0]);
        int rounds = Integer.parseInt(args[1]);
        Path results = Path.of(args[2]);
        double keep = Double.parseDouble(args[3]);
        int layers = Integer.parseInt(args[4]);
        int width = Integer.parseInt(args[5]);
        Path projector = Files.createTempFile("chasqui-projector", ".gguf");
        try (Model model = Model.load(file)) {
            RandomProjector.write(projector, layers, width, model.info().embeddingSize());
            byte[] picture = picture();
            try (VisionModel vision = model.vision(projector);
                    Context context = model.newContext(ContextOptions.defaults().withContextSize(RandomProjector.ROWS + 256));
                    Sequence sequence = context.newSequence()) {
                Reading[] whole = new Reading[rounds];
                Reading[] pruned = new Reading[rounds];
                read(vision, sequence, picture, keep); // pages in weights
                for (int round = 0; round < rounds; round++) {
                    boolean wholeFirst = round % 2 == 0;
                    Reading first = read(vision, sequence, picture, wholeFirst ? 1 : keep);
                    Reading second = read(vision, sequence, picture, wholeFirst ? keep : 1);
                    whole[round] = wholeFirst ? first : second;
                    pruned[round] = wholeFirst ? second : first;
                    System.err.printf(Locale.ROOT, "round %d: %d tokens %.3f s (encoder %.3f s), %d tokens %.3f s (encoder %.3f s, choice %.3f s)%n", round + 1,
                            whole[round].tokens(), whole[round].total(), whole[round].encode(), pruned[round].tokens(), pruned[round].total(), pruned[round].encode(),
                            pruned[round].choose());
                }
                append(results, file, layers, width, keep, whole, pruned);
            }
        } finally {
            Files.deleteIfExists(projector);
        }
    }

    /// A picture of coloured fields and noise, of 2 x 2 tiles.
    private static byte[] picture() throws IOException {
        int side = 2 * RandomProjector.TILE;
        BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
        Random random = new Random(1);
        int[] fields = random.ints(64, 0, 1 << 24).toArray();
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) {
                image.setRGB(x, y, fields[y * 8 / side * 8 + x * 8 / side] ^ random.nextInt(1 << 24) & 0x0f0f0f);
            }
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "png", bytes);
        return bytes.toByteArray();
    }

    private static Reading read(VisionModel vision, Sequence sequence, byte[] picture, double keep) {
        sequence.rewind(0);
        GenerationOptions options = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(1).withIgnoreEnd(true);
        long start = System.nanoTime();
        EncodedImage encoded = vision.encode(Image.of(picture));
        long seen = System.nanoTime();
        EncodedImage kept = encoded.pruned(VisionOptions.keeping(keep));
        long chosen = System.nanoTime();
        Prompt prompt = Prompt.builder(vision.model()).begin().image(kept).text(QUESTION).build();
        try (Generation generation = sequence.generate(prompt, options)) {
            generation.text();
        }
        long end = System.nanoTime();
        return new Reading((seen - start) / 1e9, (chosen - seen) / 1e9, (end - start) / 1e9, kept.count());
    }

    private static void append(Path results, Path model, int layers, int width, double keep, Reading[] whole, Reading[] pruned) throws IOException {
        int n = whole.length;
        double[] without = new double[n];
        double[] with = new double[n];
        for (int i = 0; i < n; i++) {
            without[i] = whole[i].withoutEncoder() / pruned[i].withoutEncoder();
            with[i] = whole[i].total() / pruned[i].total();
        }
        String row = String.format(Locale.ROOT,
                "{\"time\":\"%s\",\"test\":\"time to first token\",\"model\":\"%s\",\"cpu\":\"%s\",\"threads\":%d,\"rounds\":%d,\"encoder_layers\":%d,\"encoder_width\":%d,"
                        + "\"keep\":%s,\"tokens\":%d,\"kept\":%d,\"whole_s\":%.3f,\"kept_s\":%.3f,\"encode_s\":%.3f,\"choose_s\":%.3f,"
                        + "\"median_ratio_without_encoder\":%.3f,\"median_ratio\":%.3f}",
                Instant.now().truncatedTo(ChronoUnit.SECONDS), model.getFileName(), Comparison.cpu(), Runtime.getRuntime().availableProcessors(), n, layers, width,
                keep, whole[0].tokens(), pruned[0].tokens(), median(whole, Reading::total), median(pruned, Reading::total), median(whole, Reading::encode),
                median(pruned, Reading::choose), Comparison.median(without), Comparison.median(with));
        System.out.println(row);
        Files.writeString(results, row + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static double median(Reading[] readings, ToDoubleFunction<Reading> part) {
        return Comparison.median(Arrays.stream(readings).mapToDouble(part).toArray());
    }
}
