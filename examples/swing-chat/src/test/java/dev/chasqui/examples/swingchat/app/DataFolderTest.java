package dev.chasqui.examples.swingchat.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class DataFolderTest {

    private static Path root(Map<String, String> properties, Map<String, String> environment) {
        return DataFolder.standard(properties::get, environment::get).root();
    }

    @Test
    void itIsWhereTheSystemWantsIt() {
        Map<String, String> linux = Map.of("user.home", "/home/ana", "os.name", "Linux");
        assertThat(root(linux, Map.of())).isEqualTo(Path.of("/home/ana/.local/share/chasqui-chat"));
        assertThat(root(linux, Map.of("XDG_DATA_HOME", "/data"))).isEqualTo(Path.of("/data/chasqui-chat"));
        assertThat(root(linux, Map.of("XDG_DATA_HOME", "relative"))).isEqualTo(Path.of("/home/ana/.local/share/chasqui-chat"));
        assertThat(root(Map.of("user.home", "/Users/ana", "os.name", "Mac OS X"), Map.of()))
                .isEqualTo(Path.of("/Users/ana/Library/Application Support/Chasqui Chat"));
        Map<String, String> windows = Map.of("user.home", "/users/ana", "os.name", "Windows 11");
        assertThat(root(windows, Map.of("APPDATA", "/roaming"))).isEqualTo(Path.of("/roaming/Chasqui Chat"));
        assertThat(root(windows, Map.of())).isEqualTo(Path.of("/users/ana/AppData/Roaming/Chasqui Chat"));
    }

    @Test
    void aPropertyPutsItElsewhere() {
        assertThat(root(Map.of(DataFolder.PROPERTY, "/elsewhere", "os.name", "Linux"), Map.of())).isEqualTo(Path.of("/elsewhere"));
    }
}
