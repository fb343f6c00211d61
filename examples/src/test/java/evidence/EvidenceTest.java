package evidence;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.util.List;
import org.junit.jupiter.api.Test;

class EvidenceTest {

    @Test
    void theNoteAndTheSentenceWithTheNameComeFirst() throws Exception {
        List<String> lines = Printed.by(Evidence::main).lines().toList();
        assertThat(lines).hasSize(9);
        assertThat(lines.get(0)).startsWith("What is the name of the harbour master? ").contains("Fernanda");
        assertThat(lines.get(1)).matches(" *\\+[0-9.]+  In winter .*");
        assertThat(lines.get(5)).matches("16 prompts, [0-9]+ tokens computed, [0-9]+ reused");
        assertThat(lines.get(6)).matches(" *\\+[0-9.]+  The harbour master is called Fernanda Quispe.");
    }
}
