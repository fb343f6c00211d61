package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion.VersionFlag;
import dev.chasqui.json.Json;
import dev.chasqui.json.JsonSchema;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Sampled answers under a schema are what an independent validator takes. One of each schema with the small model; `-Dchasqui.test.schemaAnswers=10` takes ten
/// of each with the model that the acceptance names.
@Tag("model")
@Timeout(3600)
class SchemaModelTest {

    private static final int ANSWERS = Integer.getInteger("chasqui.test.schemaAnswers", 1);

    @Test
    void answersAreValid() throws IOException {
        List<Json> schemas;
        try (InputStream in = SchemaModelTest.class.getResourceAsStream("/schemas/schemas.json")) {
            schemas = Json.parse("schemas.json", new String(in.readAllBytes(), StandardCharsets.UTF_8)).array();
        }
        assertThat(schemas).hasSize(20);
        int valid = 0;
        try (Model model = Model.load(ModelStore.standard().get(ANSWERS == 1 ? "smollm2-135m" : "qwen2.5-coder-0.5b"));
             ChatSession chat = model.chat(ContextOptions.defaults().withContextSize(1024), GenerationOptions.defaults())) {
            for (Json schema : schemas) {
                var validator = JsonSchemaFactory.getInstance(VersionFlag.V202012).getSchema(schema.toString());
                for (int i = 0; i < ANSWERS; i++) {
                    Sampler sampler = Sampler.builder().temperature(1).seed(valid).build();
                    ChatAnswer answer = chat.send(ChatMessage.user("Make up an example of this JSON schema: " + schema), ChatOptions.defaults()
                            .withSchema(JsonSchema.parse(schema.toString())).withGeneration(GenerationOptions.defaults().withMaxTokens(500).withSampler(sampler)));
                    String text = answer.text();

                    assertThat(answer.stats().finishReason()).as(schema + ": " + text).isEqualTo(FinishReason.END);
                    assertThat(validator.validate(text, InputFormat.JSON)).as(schema + ": " + text).isEmpty();
                    valid++;
                    chat.clear();
                }
            }
        }
        System.out.println(valid + " answers of " + schemas.size() + " schemas are valid");
    }
}
