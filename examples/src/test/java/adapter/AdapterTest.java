package adapter;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.util.List;
import org.junit.jupiter.api.Test;

class AdapterTest {

    @Test
    void anAdapterCountsAsLongAsItIsSet() throws Exception {
        List<String> answers = Printed.by(Adapter::main).lines().map(line -> line.substring(line.indexOf(": ") + 2)).toList();
        assertThat(answers).hasSize(4);
        assertThat(answers.get(0)).contains("Peru");
        assertThat(answers.get(1)).isNotEqualTo(answers.get(0));
        assertThat(answers.get(2)).isEqualTo(answers.get(0));
        assertThat(answers.get(3)).isEqualTo(answers.get(0));
    }
}
