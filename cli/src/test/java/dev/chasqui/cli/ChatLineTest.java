package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ChatLineTest {

    @Test
    void textIsSaidWithoutTheSpaceAroundIt() {
        assertThat(ChatLine.parse("  Hello, you.\t")).isEqualTo(new ChatLine.Say("Hello, you."));
        assertThat(ChatLine.parse(" ")).isEqualTo(new ChatLine.Say(""));
    }

    @Test
    void aBackslashAtTheEndBindsTheNextLine() {
        assertThat(ChatLine.goesOn("one\\")).isTrue();
        assertThat(ChatLine.goesOn("one\\\ntwo")).isFalse();
        assertThat(ChatLine.parse("one\\\n  two\\\n\nthree")).isEqualTo(new ChatLine.Say("one\n  two\n\nthree"));
        assertThat(ChatLine.parse("a \\ b")).as("elsewhere it is a backslash").isEqualTo(new ChatLine.Say("a \\ b"));
    }

    @Test
    void whatFollowsACommandIsItsArgument() {
        assertThat(ChatLine.parse("/system You are\\\na parrot.")).isEqualTo(new ChatLine.Command(ChatVerb.SYSTEM, "You are\na parrot."));
        assertThat(ChatLine.parse("/save  a b.json ")).isEqualTo(new ChatLine.Command(ChatVerb.SAVE, "a b.json"));
        assertThat(ChatLine.parse("/json {\"type\": \"object\"}")).isEqualTo(new ChatLine.Command(ChatVerb.JSON, "{\"type\": \"object\"}"));
    }

    @ParameterizedTest
    @EnumSource(ChatVerb.class)
    void everyCommandIsKnown(ChatVerb verb) {
        assertThat(ChatLine.parse(verb.word())).isEqualTo(new ChatLine.Command(verb, ""));
    }

    @Test
    void otherWordsWithASlashAreNotSaid() {
        assertThat(ChatLine.parse("/sytem x")).isEqualTo(new ChatLine.Unknown("/sytem"));
        assertThat(ChatLine.parse("/Quit")).isEqualTo(new ChatLine.Unknown("/Quit"));
        assertThat(ChatLine.parse("//etc/hosts is a file")).isEqualTo(new ChatLine.Say("/etc/hosts is a file"));
    }
}
