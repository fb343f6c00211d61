package tensors;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.util.List;
import org.junit.jupiter.api.Test;

class TensorsTest {

    @Test
    void tensorsAgreeWithPlainLoops() throws Exception {
        List<String> lines = Printed.by(Tensors::main).lines().toList();
        assertThat(lines).hasSize(2);
        assertThat(lines).allSatisfy(line -> assertThat(Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1))).isLessThan(1e-4));
    }
}
