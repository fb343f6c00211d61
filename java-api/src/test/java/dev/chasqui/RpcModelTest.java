package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.small;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Real weights on two servers.
@Tag("model")
class RpcModelTest {

    private static final int TOKENS = 48;
    /// The largest lead of a token that another way of computing the same sums may turn around.
    private static final float UNDECIDED = 0.5f;

    @Test
    void greedyTokensAreThoseOfTheLocalRun() {
        ModelOptions options = ModelOptions.defaults().withKernels(Kernels.OFF);
        try (RpcServerProcess one = new RpcServerProcess();
                RpcServerProcess two = new RpcServerProcess();
                Model local = Model.load(TestModels.smollm2().path(), options);
                Model remote = Model.load(TestModels.smollm2().path(), options.withRpcServers(List.of(one.address(), two.address())))) {
            for (String prompt : List.of("The capital of Peru is", "def fibonacci(n):\n")) {
                int[] tokens = local.vocabulary().tokenize(prompt, true, false);
                int[] there = fresh(remote, tokens, TOKENS);
                int[] here = fresh(local, tokens, TOKENS);
                int at = Arrays.mismatch(there, here);
                if (at >= 0) {
                    float[] logits = logits(local, concat(tokens, Arrays.copyOf(here, at)));
                    assertThat(logits[here[at]] - logits[there[at]]).as("lead of the local choice of token %d", at).isLessThan(UNDECIDED);
                }
            }
        }
    }

    private static float[] logits(Model model, int[] tokens) {
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens);
            return sequence.logits();
        }
    }
}
