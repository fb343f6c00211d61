package hello;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import org.junit.jupiter.api.Test;

class HelloTest {

    @Test
    void namesTheRiver() throws Exception {
        assertThat(Printed.by(Hello::main)).contains("Amazon");
    }
}
