package questions;

import dev.chasqui.Answer;
import dev.chasqui.ChatMessage;
import dev.chasqui.ContextOptions;
import dev.chasqui.Engine;
import dev.chasqui.EngineOptions;
import dev.chasqui.EngineRequest;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.models.ModelStore;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/// A hundred virtual threads ask one engine a question each, all with the same system prompt, which is computed once.
public final class Questions {

    private static final int THREADS = 100;
    private static final ChatMessage SYSTEM = ChatMessage.system("You are a calculator. You answer with one short sentence that holds the result, and nothing else.");

    private Questions() {}

    public static void main(String... args) throws InterruptedException, ExecutionException {
        var options = EngineOptions.defaults().withContext(ContextOptions.defaults().withContextSize(4096)).withMaxConcurrent(32);
        try (var model = Model.load(ModelStore.standard().get("smollm2-135m"));
             var engine = model.newEngine(options);
             var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var answers = IntStream.rangeClosed(1, THREADS).mapToObj(n -> threads.submit(() -> ask(engine, n))).toList();
            int reused = 0;
            for (Future<Answer> answer : answers) {
                reused += answer.get().stats().cachedTokens() > 0 ? 1 : 0;
            }
            IO.println(answers.getFirst().get().text().strip());
            IO.println("%d answers, %d of them began with tokens that were there already".formatted(answers.size(), reused));
        }
    }

    private static Answer ask(Engine engine, int n) {
        Answer answer = engine.submit(EngineRequest.chat(SYSTEM, ChatMessage.user("What is %d plus 1?".formatted(n)))
                .withOptions(GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(16)));
        answer.text(); // waits, as virtual threads may
        return answer;
    }
}
