package places;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import org.junit.jupiter.api.Test;

class PlacesTest {

    @Test
    void readsTheSentence() throws Exception {
        assertThat(Printed.by(Places::main).lines()).containsExactly("Huascaran is a MOUNTAIN in Peru", "height: 6768");
    }
}
