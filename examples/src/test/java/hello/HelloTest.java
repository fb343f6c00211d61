package hello;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import org.junit.jupiter.api.Test;

class HelloTest {

    @Test
    void speaksOfRivers() throws Exception { // which ones is drawn anew each time
        assertThat(Printed.by(Hello::main)).containsPattern("(?i)river|peru|amazon");
    }
}
