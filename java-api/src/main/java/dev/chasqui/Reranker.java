package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Tells how well documents answer a query, by a model that reads both together: slower than comparing embeddings, and better.
///
/// {@snippet class="snippets.EngineSnippets" region="reranker"}
///
/// Neither query nor documents can become control tokens of the model.
///
/// Safe from any thread; callers wait for each other. Its [Model] must stay open.
public final class Reranker implements AutoCloseable {

    private static final String QUERY = "{query}";
    private static final String DOCUMENT = "{document}";

    private final Vocabulary vocabulary;
    private final PooledContext context;
    private final Truncation truncation;
    private final @Nullable String template;

    /// A document with its score.
    ///
    /// @param index in the list of documents
    /// @param score larger is better; how large differs from model to model, and it may be negative
    public record Ranked(int index, float score) { }

    private Reranker(Model model, RerankerOptions options, PooledContext context, @Nullable String template) {
        this.vocabulary = model.vocabulary();
        this.context = context;
        this.truncation = options.truncation();
        this.template = template;
    }

    /// With [RerankerOptions#defaults()].
    ///
    /// @throws UnsupportedFeatureException if the model does not rank
    public static Reranker of(Model model) {
        return of(model, RerankerOptions.defaults());
    }

    /// @throws UnsupportedFeatureException if the model does not rank
    /// @throws InsufficientMemoryException if its memory is not there
    public static Reranker of(Model model, RerankerOptions options) {
        Objects.requireNonNull(options, "options");
        GgufFile file = GgufFile.read(model.path());
        boolean ranks = file.split().isPresent() || file.tensor("cls.output.weight").isPresent() || file.tensor("cls.weight").isPresent();
        if (!ranks) {
            throw new UnsupportedFeatureException(model + " does not rank: it has no classification head");
        }
        Optional<String> template = file.text("tokenizer.chat_template.rerank").filter(text -> text.contains(QUERY) && text.contains(DOCUMENT));
        return new Reranker(model, options, new PooledContext(model, LLAMA_POOLING_TYPE_RANK(), options.maxTokens(), options.batchTokens(),
                options.maxBatch(), options.threads()), template.orElse(null));
    }

    /// The documents with their scores, best first, equals in their order.
    ///
    /// @throws IllegalArgumentException if one is too long and [Truncation#FAIL], or the query alone is
    /// @throws CancelledException       if [#cancel()] was called
    public List<Ranked> rank(String query, List<String> documents) {
        float[] scores = scores(query, documents);
        List<Ranked> ranked = new ArrayList<>(scores.length);
        for (int i = 0; i < scores.length; i++) {
            ranked.add(new Ranked(i, scores[i]));
        }
        ranked.sort(Comparator.comparing(Ranked::score).reversed());
        return ranked;
    }

    /// The scores of documents in their order.
    ///
    /// @throws IllegalArgumentException if one is too long and [Truncation#FAIL], or the query alone is
    /// @throws CancelledException       if [#cancel()] was called
    public float[] scores(String query, List<String> documents) {
        Objects.requireNonNull(query, "query");
        if (documents.isEmpty()) {
            return new float[0];
        }
        int[] queryTokens = vocabulary.tokenize(query);
        List<int[]> texts = new ArrayList<>(documents.size());
        for (String document : documents) {
            texts.add(pair(queryTokens, vocabulary.tokenize(document), texts.size()));
        }
        try (EmbeddingMatrix rows = new EmbeddingMatrix(texts.size(), 1)) {
            MemorySegment data = rows.data();
            context.compute(texts, 1, false, data);
            return data.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /// The query with a document as the model wants them.
    private int[] pair(int[] query, int[] document, int index) {
        int around = frame(query, new int[0]).size();
        int room = context.maxTokens() - around;
        int[] part = document;
        if (room < 1 || (document.length > room && truncation == Truncation.FAIL)) {
            throw new IllegalArgumentException("document %d has %d tokens beside %d of the query and around them, at most %d are possible in all"
                    .formatted(index, document.length, around, context.maxTokens()));
        }
        if (document.length > room) {
            int from = truncation == Truncation.START ? document.length - room : 0;
            part = Arrays.copyOfRange(document, from, from + room);
        }
        return frame(query, part).toArray();
    }

    private TokenList frame(int[] query, int[] document) {
        TokenList all = new TokenList();
        if (template != null) {
            String rest = template;
            while (!rest.isEmpty()) {
                int atQuery = rest.indexOf(QUERY);
                int atDocument = rest.indexOf(DOCUMENT);
                int at = atQuery < 0 ? atDocument : atDocument < 0 ? atQuery : Math.min(atQuery, atDocument);
                String literal = at < 0 ? rest : rest.substring(0, at);
                all.addAll(vocabulary.tokenize(literal, false, true));
                if (at < 0) {
                    break;
                }
                boolean isQuery = at == atQuery;
                all.addAll(isQuery ? query : document);
                rest = rest.substring(at + (isQuery ? QUERY : DOCUMENT).length());
            }
            return all;
        }
        Vocabulary.SpecialTokens special = vocabulary.special();
        int[] end = special.endOfText().isPresent() ? special.endOfText().stream().toArray() : special.separator().stream().toArray();
        if (vocabulary.addsBeginOfText()) {
            all.addAll(special.beginOfText().stream().toArray());
        }
        all.addAll(query);
        if (vocabulary.addsEndOfText()) {
            all.addAll(end);
        }
        if (vocabulary.addsSeparator()) {
            all.addAll(special.separator().stream().toArray());
        }
        all.addAll(document);
        if (vocabulary.addsEndOfText()) {
            all.addAll(end);
        }
        return all;
    }

    /// Tokens of a query with a document and what is around them, at most.
    public int maxTokens() {
        return context.maxTokens();
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
