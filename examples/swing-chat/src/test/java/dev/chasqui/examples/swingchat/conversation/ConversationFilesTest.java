package dev.chasqui.examples.swingchat.conversation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIOException;

import dev.chasqui.FinishReason;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class ConversationFilesTest {

    @TempDir
    Path folder;

    private static Conversation sample() {
        Message question = Message.user(null, "Ünïcode “quotes” 😀\n\t\u0007", List.of(Picture.of("a.png", 0.25).seen(144, 36, "b.png")));
        Conversation conversation = Conversation.begin("system").add(question);
        return conversation.add(Message.assistant(question.id(), "answer", "thought", new AnswerFacts("m", 10, 4, 7, 12.5, 1.5, 0.25, FinishReason.END, 0)));
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        ConversationFiles files = new ConversationFiles(folder.resolve("deep/down"));
        assertThat(files.readAll()).isEmpty();
        Conversation one = sample();
        Conversation two = new Conversation("two", "Second", 1, one.changed() + 1, "", List.of(), null);
        files.write(one);
        files.write(two);
        assertThat(files.readAll()).containsExactly(two, one);
        files.write(one.withTitle("new"));
        files.delete("two");
        assertThat(files.readAll()).containsExactly(one.withTitle("new"));
    }

    @Test
    void aDamagedFileIsPassedOverAndStays() throws IOException {
        ConversationFiles files = new ConversationFiles(folder);
        files.write(sample());
        Path cut = folder.resolve("cut.json");
        Files.writeString(cut, "{\"id\": \"cut\", \"messages\": [");
        Files.writeString(folder.resolve("loop.json"), "{\"id\":\"loop\",\"messages\":[{\"id\":\"a\",\"parent\":\"a\",\"role\":\"USER\"}],\"leaf\":\"a\"}");
        Files.writeString(folder.resolve("none.json"), "{}");
        assertThat(files.readAll()).hasSize(1);
        assertThat(cut).exists();
    }

    @Test
    void fieldsOfANewerProgramAreIgnored() throws IOException {
        Files.writeString(folder.resolve("n.json"), "{\"id\":\"n\",\"title\":\"t\",\"created\":1,\"changed\":2,\"colour\":\"red\"}");
        assertThat(new ConversationFiles(folder).readAll()).singleElement().satisfies(read -> assertThat(read.title()).isEqualTo("t"));
    }

    @Test
    void aWriteThatFailsLeavesTheOldFileAndNothingElse() throws IOException {
        Path file = folder.resolve("f");
        WholeFile.write(file, new byte[] {1});
        Path blocked = Files.createDirectory(folder.resolve("blocked"));
        Files.writeString(blocked.resolve("inside"), "x"); // a folder that is not empty cannot be replaced
        assertThatIOException().isThrownBy(() -> WholeFile.write(blocked, new byte[] {2}));
        assertThat(file).hasBinaryContent(new byte[] {1});
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).containsExactlyInAnyOrder(file, blocked);
        }
    }

    @Test
    void namesThatLeaveTheFolderAreRefused() {
        Conversation evil = new Conversation("../evil", "", 0, 0, "", List.of(), null);
        assertThatIllegalArgumentException().isThrownBy(() -> new ConversationFiles(folder).write(evil));
        assertThat(new PictureFolder(folder).file("../../x.png")).isEqualTo(folder.resolve("x.png"));
    }

    @Test
    void picturesAreKeptOnceAndForAsLongAsTheyAreShown() throws IOException {
        PictureFolder pictures = new PictureFolder(folder);
        BufferedImage image = new BufferedImage(4, 4, BufferedImage.TYPE_INT_RGB);
        String name = pictures.add(image);
        assertThat(pictures.add(image)).isEqualTo(name);
        image.setRGB(1, 1, 0xFFFFFF);
        String other = pictures.add(image);
        String overlay = pictures.add(new BufferedImage(5, 5, BufferedImage.TYPE_INT_RGB));

        pictures.keepOnly(List.of(Conversation.begin("").add(Message.user(null, "", List.of(Picture.of(other, 1).seen(1, 1, overlay))))));
        assertThat(pictures.file(name)).doesNotExist();
        assertThat(pictures.file(other)).exists();
        assertThat(pictures.file(overlay)).exists();
    }
}
