package places;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.chasqui.models.ModelStore;
import examples.Printed;
import org.junit.jupiter.api.Test;

class PlacesTest {

    @Test
    void readsTheSentence() throws Exception {
        assumeThat(ModelStore.standard().find("qwen2.5-coder-0.5b")).as("fetched before").isPresent();
        assertThat(Printed.by(Places::main)).contains("is a MOUNTAIN in").contains("Peru");
    }
}
