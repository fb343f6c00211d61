package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// Turns texts into vectors that are near each other where their meanings are.
///
/// {@snippet class="snippets.EngineSnippets" region="embedder"}
///
/// Many texts are computed in one pass, without padding; which texts share a pass changes nothing but rounding.
///
/// Safe from any thread; callers wait for each other. Texts are cut into tokens by its [Model], which must stay open; [#embedTokens] works without.
public final class Embedder implements AutoCloseable {

    private final Vocabulary vocabulary;
    private final PooledContext context;
    private final Truncation truncation;
    private final boolean normalize;
    private final int dimensions;

    private Embedder(Model model, EmbedderOptions options, PooledContext context) {
        this.vocabulary = model.vocabulary();
        this.context = context;
        this.truncation = options.truncation();
        this.normalize = options.normalize();
        this.dimensions = options.dimensions() == 0 ? context.size() : options.dimensions();
    }

    /// With [EmbedderOptions#defaults()].
    public static Embedder of(Model model) {
        return of(model, EmbedderOptions.defaults());
    }

    /// @throws UnsupportedFeatureException if the model cannot be used that way
    /// @throws InsufficientMemoryException if its memory is not there
    /// @throws IllegalArgumentException    if there are more dimensions than an embedding has, or more tokens than the model was trained on
    public static Embedder of(Model model, EmbedderOptions options) {
        Objects.requireNonNull(options, "options");
        PooledContext context = new PooledContext(model, pooling(model, options.pooling()), options.maxTokens(), options.batchTokens(),
                options.maxBatch(), options.threads());
        if (options.dimensions() > context.size()) {
            context.close();
            throw new IllegalArgumentException("dimensions = %d, an embedding has %d".formatted(options.dimensions(), context.size()));
        }
        return new Embedder(model, options, context);
    }

    private static int pooling(Model model, Pooling wanted) {
        if (wanted != Pooling.MODEL) {
            return wanted.nativeValue();
        }
        String own = model.metadata("general.architecture").flatMap(name -> model.metadata(name + ".pooling_type")).orElse("0");
        if (own.equals(String.valueOf(LLAMA_POOLING_TYPE_RANK()))) {
            throw new UnsupportedFeatureException(model + " ranks documents, see Reranker; to embed with it, choose the pooling");
        }
        return own.equals(String.valueOf(LLAMA_POOLING_TYPE_NONE())) ? Pooling.MEAN.nativeValue() : Pooling.MODEL.nativeValue();
    }

    /// Numbers of an embedding.
    public int dimensions() {
        return dimensions;
    }

    /// Tokens of the longest text that is not truncated, with those that the model adds.
    public int maxTokens() {
        return context.maxTokens();
    }

    /// The embedding of a text.
    ///
    /// @throws IllegalArgumentException if it is too long and [Truncation#FAIL], or the model has no token for it
    /// @throws CancelledException       if [#cancel()] was called
    public float[] embed(String text) {
        try (EmbeddingMatrix rows = embed(List.of(text))) {
            return rows.row(0);
        }
    }

    /// The embeddings of texts, in their order. The caller closes them.
    ///
    /// @throws IllegalArgumentException if there are none, one is too long and [Truncation#FAIL], or the model has no token for it
    /// @throws CancelledException       if [#cancel()] was called
    public EmbeddingMatrix embed(List<String> texts) {
        List<int[]> tokens = new ArrayList<>(texts.size());
        for (String text : texts) {
            tokens.add(tokens(text, tokens.size()));
        }
        return embedTokens(tokens);
    }

    /// As [#embed(List)] for texts that are tokens already, with those that the model adds. They are not truncated.
    public EmbeddingMatrix embedTokens(List<int[]> texts) {
        for (int i = 0; i < texts.size(); i++) {
            check(texts.get(i).length, i);
        }
        EmbeddingMatrix rows = new EmbeddingMatrix(texts.size(), dimensions);
        try {
            context.compute(texts, dimensions, normalize, rows.data());
            return rows;
        } catch (Throwable e) {
            rows.close();
            throw e;
        }
    }

    private int[] tokens(String text, int index) {
        int[] whole = vocabulary.tokenize(text, true, false);
        if (whole.length <= context.maxTokens() || truncation == Truncation.FAIL) {
            check(whole.length, index);
            return whole;
        }
        int[] content = vocabulary.tokenize(text);
        int around = whole.length - content.length;
        int room = context.maxTokens() - around;
        if (around < 0 || room < 1) {
            throw new IllegalArgumentException("maxTokens = " + context.maxTokens() + " leaves no room beside the tokens that the model adds");
        }
        int before = around > 0 && vocabulary.addsBeginOfText() ? 1 : 0;
        int from = truncation == Truncation.START ? content.length - room : 0;
        int[] cut = new int[context.maxTokens()];
        System.arraycopy(whole, 0, cut, 0, before);
        System.arraycopy(content, from, cut, before, room);
        System.arraycopy(whole, before + content.length, cut, before + room, around - before);
        return cut;
    }

    private void check(int length, int index) {
        if (length == 0) {
            throw new IllegalArgumentException("text " + index + " has no tokens");
        }
        if (length > context.maxTokens()) {
            throw new IllegalArgumentException("text %d has %d tokens, at most %d are possible".formatted(index, length, context.maxTokens()));
        }
    }

    /// Stops what another thread is computing here; that call throws [CancelledException]. Does nothing when no call is in progress.
    public void cancel() {
        context.cancel();
    }

    /// Idempotent. Calls in progress go on to their end.
    @Override
    public void close() {
        context.close();
    }
}
