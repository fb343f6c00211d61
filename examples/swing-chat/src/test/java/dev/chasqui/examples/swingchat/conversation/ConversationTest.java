package dev.chasqui.examples.swingchat.conversation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class ConversationTest {

    private static Conversation say(Conversation conversation, String text) {
        return conversation.add(Message.user(conversation.leaf(), text, List.of()));
    }

    private static Conversation answer(Conversation conversation, String text) {
        return conversation.add(Message.assistant(conversation.leaf(), text, "", null));
    }

    private static List<String> texts(Conversation conversation) {
        return conversation.path().stream().map(Message::text).toList();
    }

    @Test
    void anEditedMessageIsASiblingAndNothingIsLost() {
        Conversation first = answer(say(answer(say(Conversation.begin(""), "one"), "1"), "two"), "2");
        Message two = first.path().get(2);
        Conversation edited = answer(first.add(Message.user(two.parent(), "deux", List.of())), "II");

        assertThat(texts(edited)).containsExactly("one", "1", "deux", "II");
        assertThat(edited.versions(two)).extracting(Message::text).containsExactly("two", "deux");
        assertThat(texts(edited.show(two.id()))).as("the whole branch comes back").containsExactly("one", "1", "two", "2");
        assertThat(texts(edited.show(edited.path().getFirst().id()))).as("the newest branch below").containsExactly("one", "1", "deux", "II");
        assertThat(texts(edited.at(two.id()))).containsExactly("one", "1", "two");
    }

    @Test
    void aBranchIsAConversationOfItsOwn() {
        Conversation first = answer(say(answer(say(Conversation.begin("be kind"), "one"), "1"), "two"), "2");
        Conversation branch = first.branch(first.path().get(1).id());
        assertThat(branch.id()).isNotEqualTo(first.id());
        assertThat(texts(branch)).containsExactly("one", "1");
        assertThat(branch.messages()).hasSize(2);
        assertThat(branch.system()).isEqualTo("be kind");
    }

    @Test
    void theTitleIsTheFirstLineOfTheFirstMessage() {
        assertThat(say(Conversation.begin(""), "  Hello there \nmore").title()).isEqualTo("Hello there");
        String title = say(Conversation.begin(""), "word ".repeat(40)).title();
        assertThat(title).hasSizeLessThan(62).endsWith("word…");
        String emoji = say(Conversation.begin(""), "x" + "😀".repeat(60)).title();
        assertThat(emoji).endsWith("😀…");
        assertThat(say(say(Conversation.begin(""), "one"), "two").title()).isEqualTo("one");
    }

    @Test
    void searchWantsEveryWordInAnyMessage() {
        Conversation conversation = answer(say(Conversation.begin(""), "Where is Cusco?"), "In the Andes.");
        assertThat(conversation.matches("andes cusco")).isTrue();
        assertThat(conversation.matches("andes lima")).isFalse();
        assertThat(conversation.withTitle("Lima").matches("andes lima")).isTrue();
    }

    @Test
    void whatIsNoTreeIsRefused() {
        Message orphan = Message.user("nobody", "x", List.of());
        assertThatIllegalArgumentException().isThrownBy(() -> new Conversation("c", "", 0, 0, "", List.of(orphan), orphan.id()));
        Message root = Message.user(null, "x", List.of());
        assertThatIllegalArgumentException().isThrownBy(() -> new Conversation("c", "", 0, 0, "", List.of(root, root), root.id()));
        assertThatIllegalArgumentException().isThrownBy(() -> new Conversation("c", "", 0, 0, "", List.of(root), "other"));
        assertThatIllegalArgumentException().isThrownBy(() -> new Conversation("c", "", 0, 0, "", List.of(root), null));
    }
}
