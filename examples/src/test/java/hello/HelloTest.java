package hello;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import org.junit.jupiter.api.Test;

class HelloTest {

    @Test
    void answers() throws Exception { // what, is drawn anew each time
        assertThat(Printed.by(Hello::main)).containsPattern("\\p{L}{3}").endsWith(System.lineSeparator());
    }
}
