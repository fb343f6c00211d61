package dev.chasqui;

import static dev.chasqui.TestModels.async;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.insist;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class LifetimeTest {

    private static final GenerationOptions ENDLESS =
            GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true);

    private final int[] prompt = tokens(20, 1);

    /// One object of each kind, made of one model.
    private final class Everything {

        final Model model = Model.load(TestModels.tinyFile());
        final Context context = model.newContext(small().withMaxSequences(2));
        final Sequence sequence = context.newSequence();
        final SamplerChain chain = model.newSamplerChain(Sampler.standard());
        final ChatTemplate template = model.chatTemplate();
        final Generation generation = context.newSequence().generate(prompt, ENDLESS);
        final Iterator<String> pieces = generation.iterator();

        final List<Owner> owners = List.of(
                new Owner("model", model, () -> model.metadata("general.name"), "model tiny.gguf is closed"),
                new Owner("context", context, () -> context.threads(1, 1), "context is closed"),
                new Owner("sequence", sequence, sequence::room, "sequence is closed"),
                new Owner("chain", chain, () -> chain.pick(new float[320]), "sampler chain is closed"),
                new Owner("template", template, () -> template.render(List.of(), true), "chat template is closed"),
                new Owner("generation", generation, pieces::next, null));

        Everything() {
            sequence.append(prompt);
            pieces.next();
        }

        boolean works(int index, List<Integer> closed) {
            boolean needsContext = index == 2 || index == 5;
            return !closed.contains(index) && !(needsContext && closed.contains(1));
        }
    }

    private record Owner(String name, AutoCloseable object, Runnable use, String message) {

        void close() {
            try {
                object.close();
            } catch (Exception e) {
                throw new AssertionError("closing the " + name, e);
            }
        }
    }

    @Test
    void everyOrderOfClosing() {
        List<List<Integer>> orders = permutations(List.of(0, 1, 2, 3, 4, 5));
        assertThat(orders).hasSize(720);
        for (List<Integer> order : orders) {
            Everything all = new Everything();
            List<Integer> closed = new ArrayList<>();
            for (int next : order) {
                all.owners.get(next).close();
                closed.add(next);
                for (int i = 0; i < all.owners.size(); i++) {
                    use(all, i, closed, order);
                }
            }
            all.owners.forEach(Owner::close);
        }
    }

    private static void use(Everything all, int i, List<Integer> closed, List<Integer> order) {
        Owner owner = all.owners.get(i);
        if (all.works(i, closed)) {
            owner.use().run();
        } else if (owner.message() == null) {
            assertThat(closedGenerationHasNothingMore(all)).as("generation after %s of %s", closed, order).isTrue();
        } else {
            assertThatIllegalStateException().as("%s after %s of %s", owner.name(), closed, order).isThrownBy(() -> owner.use().run())
                    .satisfies(e -> assertThat(e.getMessage()).isIn(owner.message(), "context is closed"));
        }
    }

    private static boolean closedGenerationHasNothingMore(Everything all) {
        try {
            return !all.pieces.hasNext();
        } catch (IllegalStateException e) {
            return e.getMessage().equals("context is closed");
        }
    }

    @Test
    void vocabularyNeedsItsModel() {
        Model model = Model.load(TestModels.tinyFile());
        Vocabulary vocabulary = model.vocabulary();
        Context context = model.newContext(small());
        model.close();
        model.close();

        assertThat(vocabulary.size()).isEqualTo(320);
        assertThatIllegalStateException().isThrownBy(() -> vocabulary.tokenize("a")).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(() -> vocabulary.detokenize(3)).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(() -> vocabulary.piece(3)).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(() -> vocabulary.info(3)).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(model::newContext).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(model::chatTemplate).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(model::chat).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(() -> model.newSamplerChain(Sampler.greedy())).withMessage("model tiny.gguf is closed");
        assertThatIllegalStateException().isThrownBy(() -> model.generate("a", ENDLESS)).withMessage("model tiny.gguf is closed");
        context.close();
    }

    @Test
    void closedContextAndSequenceRefuseEverything() {
        Model model = TestModels.tiny();
        Context context = model.newContext(small());
        Sequence sequence = context.newSequence();
        Sequence closed = closedSequence(model);
        context.close();
        context.close();
        context.cancel();
        sequence.close();

        try (SamplerChain chain = model.newSamplerChain(Sampler.greedy())) {
            List<Runnable> uses = List.of(() -> context.newSequence(), () -> context.threads(1, 1),
                    () -> sequence.append(3), () -> sequence.append("a"), () -> sequence.push(3), () -> sequence.set(3),
                    () -> sequence.rewind(0), () -> sequence.next(chain), sequence::logits, () -> sequence.score(3), sequence::room,
                    sequence::fork, sequence::save, () -> sequence.restore(new byte[100]),
                    () -> sequence.generate(prompt, ENDLESS).text());
            for (Runnable use : uses) {
                assertThatIllegalStateException().isThrownBy(use::run).withMessage("context is closed");
            }
            List<Runnable> others = List.of(() -> closed.append(3), () -> closed.append("a"), () -> closed.push(3), () -> closed.set(3),
                    () -> closed.rewind(0), () -> closed.next(chain), closed::logits, () -> closed.score(3), closed::room,
                    closed::fork, closed::save, () -> closed.restore(new byte[100]),
                    () -> closed.generate(prompt, ENDLESS).text());
            for (Runnable use : others) {
                assertThatIllegalStateException().isThrownBy(use::run).withMessage("sequence is closed");
            }
        }
        closed.context().close();
    }

    private static Sequence closedSequence(Model model) {
        Sequence sequence = model.newContext(small()).newSequence();
        sequence.close();
        return sequence;
    }

    @Test
    void closedChainLeavesTheSequenceAlone() {
        Model model = TestModels.tiny();
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            SamplerChain chain = model.newSamplerChain(Sampler.greedy());
            chain.close();

            assertThatIllegalStateException().isThrownBy(() -> sequence.next(chain)).withMessage("sampler chain is closed");
            assertThat(sequence.tokens()).isEqualTo(prompt);
            assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
        }
    }

    @Test
    void closingFromAnotherThreadWhileItDecodes() {
        Model model = TestModels.tiny();
        int[] text = tokens(6_000, 2);
        Context context = model.newContext(small().withContextSize(6_144));
        Sequence sequence = context.newSequence();
        CompletableFuture<Void> decode = async(() -> insist(() -> sequence.append(text)));
        waitUntilBusy(sequence, decode);

        assertThatIllegalStateException().isThrownBy(context::close).withMessageContaining("context is in use by Thread");
        assertThatIllegalStateException().isThrownBy(sequence::close).withMessageContaining("context is in use by Thread");
        decode.join();
        assertThat(sequence.tokens()).isEqualTo(text);
        assertThat(greedy(sequence, 1)).hasSize(1);
        context.close();
        assertThatIllegalStateException().isThrownBy(sequence::room).withMessage("context is closed");
    }

    @Test
    void closingTheModelWhileAContextDecodes() {
        Model model = Model.load(TestModels.tinyFile());
        int[] text = tokens(8_000, 2);
        Context context = model.newContext(small().withContextSize(8_192));
        Sequence sequence = context.newSequence();
        CompletableFuture<Void> decode = async(() -> insist(() -> sequence.append(text)));
        waitUntilBusy(sequence, decode);
        model.close();
        decode.join();

        assertThat(sequence.length()).isEqualTo(8_000);
        sequence.append(prompt);
        context.close();
    }

    @Test
    void ofTwoThreadsOnOneContextOneIsTurnedAway() {
        Model model = TestModels.tiny();
        int[] text = tokens(6_000, 3);
        try (Context context = model.newContext(small().withContextSize(6_144).withMaxSequences(2))) {
            Sequence first = context.newSequence();
            Sequence second = context.newSequence();
            CompletableFuture<Void> decode = async(() -> insist(() -> first.append(text)));
            waitUntilBusy(second, decode);

            assertThatIllegalStateException().isThrownBy(() -> second.append(prompt)).withMessageContaining("context is in use by Thread");
            context.cancel();
            assertThat(decode.handle((_, failure) -> failure == null ? null : failure.getCause()).join())
                    .isInstanceOf(CancelledException.class);
            assertThat(first.length()).isLessThan(6_000);
            second.append(prompt);
            assertThat(greedy(second, 5)).isEqualTo(fresh(model, prompt, 5));
        }
    }

    @Test
    void manyCallsFromTwoThreadsNeverMix() {
        Model model = TestModels.tiny();
        try (Context context = model.newContext(small().withMaxSequences(2))) {
            Sequence[] sequences = {context.newSequence(), context.newSequence()};
            int[][] prompts = {tokens(20, 4), tokens(20, 5)};
            List<CompletableFuture<Integer>> runs = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                int which = i;
                runs.add(async(() -> persist(sequences[which], prompts[which])));
            }
            int refused = runs.stream().mapToInt(CompletableFuture::join).sum();

            for (int i = 0; i < 2; i++) {
                assertThat(Arrays.copyOfRange(sequences[i].tokens(), 20, 120)).as("%d calls were refused", refused)
                        .isEqualTo(fresh(model, prompts[i], 100));
            }
        }
    }

    /// Appends the prompt and 100 greedy tokens, trying each call until it is let in.
    private static int persist(Sequence sequence, int[] prompt) {
        int refused = 0;
        while (sequence.length() < 120) {
            try {
                if (sequence.length() == 0) {
                    sequence.append(prompt);
                } else {
                    greedy(sequence, 1);
                }
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("context is in use");
                refused++;
            }
        }
        return refused;
    }

    @Test
    void contextMayMoveFromThreadToThread() {
        Model model = TestModels.tiny();
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            async(() -> sequence.append(prompt)).join();
            int[] first = async(() -> greedy(sequence, 5)).join();
            int[] second = greedy(sequence, 5);

            assertThat(TestModels.concat(first, second)).isEqualTo(fresh(model, prompt, 10));
        }
    }

    @Test
    void oneModelServesManyThreads() throws InterruptedException {
        Model model = TestModels.tiny();
        int[] expected = fresh(model, prompt, 60);
        List<int[]> results = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            threads.add(Thread.ofPlatform().start(() -> {
                int[] tokens = fresh(model, prompt, 60);
                synchronized (results) {
                    results.add(tokens);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }

        assertThat(results).hasSize(4).allSatisfy(tokens -> assertThat(tokens).isEqualTo(expected));
    }

    /// A cancel may come at any moment; the calls after it must work again.
    @Test
    void cancelNeverSticks() throws InterruptedException {
        Model model = TestModels.tiny();
        try (Context context = model.newContext(small()); SamplerChain chain = model.newSamplerChain(Sampler.greedy())) {
            Sequence sequence = context.newSequence();
            for (int round = 0; round < 300; round++) {
                AtomicBoolean stop = new AtomicBoolean();
                Thread canceller = Thread.ofPlatform().start(() -> {
                    while (!stop.get()) {
                        context.cancel();
                    }
                });
                for (int i = 0; i < 20; i++) {
                    tolerateCancel(() -> {
                        sequence.set(prompt);
                        sequence.next(chain);
                        sequence.rewind(10);
                    });
                }
                stop.set(true);
                canceller.join();

                tolerateCancel(() -> sequence.set(prompt));
                sequence.set(prompt);
                assertThat(sequence.tokens()).isEqualTo(prompt);
            }
            assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
        }
    }

    private static void tolerateCancel(Runnable calls) {
        try {
            calls.run();
        } catch (CancelledException e) {
            // that is what was asked for
        }
    }

    @Test
    void cancelWithoutACallInProgressDoesNothing() {
        Model model = TestModels.tiny();
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            context.cancel();
            sequence.append(prompt);
            context.cancel();
            context.cancel();

            assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
        }
    }

    /// Memory of the process before and after 1 900 rounds of open, generate and close, in a JVM whose heap cannot grow.
    @Test
    @Timeout(600)
    void openingAndClosingLeaksNothing(@TempDir Path directory) {
        ChildJvm.Result result = ChildJvm.run(LeakLoop.class, directory,
                List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                List.of(TestModels.tinyFile().toString(), "2000"), 9);

        assertThat(result.exit()).as(result::summary).isZero();
        long growth = Long.parseLong(result.last("growth KiB: "));
        assertThat(growth).as(result::summary).isLessThan(5 * 1024);
    }

    private static void waitUntilBusy(Sequence sequence, CompletableFuture<?> call) {
        while (!call.isDone()) {
            try {
                sequence.room();
                Thread.onSpinWait();
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("context is in use by Thread");
                return;
            }
        }
        throw new AssertionError("the call was over before it was seen: " + call);
    }

    private static List<List<Integer>> permutations(List<Integer> items) {
        if (items.isEmpty()) {
            return List.of(List.of());
        }
        List<List<Integer>> all = new ArrayList<>();
        for (Integer first : items) {
            List<Integer> rest = new ArrayList<>(items);
            rest.remove(first);
            for (List<Integer> tail : permutations(rest)) {
                List<Integer> one = new ArrayList<>(List.of(first));
                one.addAll(tail);
                all.add(one);
            }
        }
        return all;
    }
}
