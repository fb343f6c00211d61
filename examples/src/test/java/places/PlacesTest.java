package places;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import org.junit.jupiter.api.Test;

class PlacesTest {

    @Test
    void readsTheSentence() throws Exception {
        assertThat(Printed.by(Places::main)).contains("is a MOUNTAIN in").contains("Peru");
    }
}
