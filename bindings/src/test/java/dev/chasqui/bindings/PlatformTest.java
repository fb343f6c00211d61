package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlatformTest {

    @ParameterizedTest
    @CsvSource({
        "Linux, amd64, linux-x86_64, libchasqui.so",
        "Linux, aarch64, linux-aarch64, libchasqui.so",
        "Mac OS X, aarch64, macos-aarch64, libchasqui.dylib",
        "Windows 11, amd64, windows-x86_64, chasqui.dll",
    })
    void namesFollowTheJarsClassifier(String os, String arch, String classifier, String library) {
        Platform platform = Platform.of(os, arch);
        assertThat(platform.classifier()).isEqualTo(classifier);
        assertThat(platform.libraryFile("chasqui")).isEqualTo(library);
        assertThat(platform.isSupported()).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"Linux, riscv64", "SunOS, sparcv9", "Windows 11, aarch64"})
    void hasNoNativesForTheRest(String os, String arch) {
        assertThat(Platform.of(os, arch).isSupported()).isFalse();
    }
}
