package dev.chasqui.jmh;

import dev.chasqui.vision.BuiltInPruner;
import dev.chasqui.vision.ImageTokens;
import dev.chasqui.vision.TokenPruner;
import dev.chasqui.vision.TokenScores;
import java.util.List;
import java.util.stream.IntStream;

/// What a projection costs in quality: 256 of 2880 rows of 4096 floats are chosen with and without it, and by chance to compare with.
///
/// One line each: the share of rows that are those of the exact method; the importance (norm) of the kept rows; how like the kept rows are to each
/// other, as the mean of each one's largest cosine to another; and how well they cover the image, as the mean over all rows of the largest cosine to
/// a kept one.
final class ProjectionLoss {

    private static final int KEEP = 256;

    private final ImageTokens tokens;
    private final float[][] units;
    private final float[] norms;

    private ProjectionLoss(ImageTokens tokens) {
        this.tokens = tokens;
        this.norms = TokenScores.norms(tokens);
        this.units = new float[tokens.count()][];
        for (int i = 0; i < units.length; i++) {
            units[i] = tokens.row(i);
            for (int k = 0; k < units[i].length; k++) {
                units[i][k] /= norms[i];
            }
        }
    }

    public static void main(String... args) {
        IO.println("| rows | method | projection | same rows | importance | likeness | coverage |");
        IO.println("|---|---|---|---|---|---|---|");
        for (String kind : List.of("patches", "independent")) {
            ProjectionLoss loss = new ProjectionLoss(VisualRows.of(kind));
            for (String name : List.of("herding", "mmr", "product", "k-center", "max-sum", "facility", "dpp", "coverage", "residual", "bipartite")) {
                BuiltInPruner pruner = TokenPruner.named(name);
                int[] exact = loss.tokens.select(pruner, KEEP);
                for (int projection : new int[] {0, 512, 256, 128, 64}) {
                    loss.print(kind, name, projection, loss.tokens.select(pruner.withProjection(projection), KEEP), exact);
                }
            }
            int[] random = loss.tokens.select(TokenPruner.random(1), KEEP);
            loss.print(kind, "random", 0, random, random);
        }
    }

    private void print(String kind, String name, int projection, int[] kept, int[] exact) {
        long same = IntStream.of(kept).filter(i -> IntStream.of(exact).anyMatch(j -> i == j)).count();
        double importance = IntStream.of(kept).mapToDouble(i -> norms[i]).average().orElse(0) / tokens.count();
        double mean = IntStream.range(0, norms.length).mapToDouble(i -> norms[i]).average().orElse(0) / tokens.count();
        double likeness = 0;
        double coverage = 0;
        for (int i = 0; i < units.length; i++) {
            double most = 0;
            double other = 0;
            boolean isKept = false;
            for (int j : kept) {
                double cosine = cosine(units[i], units[j]);
                most = Math.max(most, cosine);
                isKept |= i == j;
                other = i == j ? other : Math.max(other, cosine);
            }
            coverage += most / units.length;
            likeness += isKept ? other / kept.length : 0;
        }
        IO.println("| %s | %s | %d | %.2f | %.3f | %.3f | %.3f |".formatted(kind, name, projection, (double) same / kept.length, importance / mean,
                likeness, coverage));
    }

    private static double cosine(float[] a, float[] b) {
        float[] lanes = new float[8];
        for (int k = 0; k < a.length; k += lanes.length) {
            for (int l = 0; l < lanes.length; l++) {
                lanes[l] += a[k + l] * b[k + l];
            }
        }
        return IntStream.range(0, lanes.length).mapToDouble(l -> lanes[l]).sum();
    }
}
