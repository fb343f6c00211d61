package dev.chasqui;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.conditions.ArchPredicates.are;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class ArchitectureTest {

    private static final String TESTS = ArchitectureTest.class.getProtectionDomain().getCodeSource().getLocation().getPath();

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(location -> !location.contains(TESTS))
            .importPackages("dev.chasqui");

    private static final DescribedPredicate<JavaClass> BINDINGS = resideInAPackage("dev.chasqui.bindings..");

    @Test
    void bothModulesAreLookedAt() {
        assertThat(CLASSES.contain(Model.class)).isTrue();
        assertThat(CLASSES.contain("dev.chasqui.bindings.Chq")).isTrue();
        assertThat(CLASSES.contain("dev.chasqui.bindings.NativeLoader")).isTrue();
        assertThat(CLASSES.contain("dev.chasqui.models.ModelStore")).isTrue();
        assertThat(CLASSES.contain(ArchitectureTest.class)).isFalse();
    }

    @Test
    void noRuntimeDependencies() {
        classes().that().resideInAPackage("dev.chasqui..")
                .should().onlyDependOnClassesThat().resideInAnyPackage("java..", "javax.imageio..", "org.jspecify..", "dev.chasqui..")
                .check(CLASSES);
    }

    /// Programs without a screen run on a Java without that module.
    @Test
    void onlyPicturesOfKeptTokensNeedTheDesktop() {
        noClasses().that().doNotHaveFullyQualifiedName("dev.chasqui.vision.KeptTokens")
                .should().dependOnClassesThat().resideInAnyPackage("java.awt..", "java.beans..", "javax..")
                .check(CLASSES);
    }

    @Test
    void bindingsKnowNothingAboveThem() {
        classes().that(BINDINGS)
                .should().onlyDependOnClassesThat().resideInAnyPackage("java..", "org.jspecify..", "dev.chasqui.bindings..")
                .check(CLASSES);
    }

    @Test
    void onlyTheCoreAndVisionUseTheBindings() {
        noClasses().that(are(DescribedPredicate.not(resideInAnyPackage("dev.chasqui", "dev.chasqui.vision", "dev.chasqui.bindings.."))))
                .should().dependOnClassesThat(BINDINGS)
                .check(CLASSES);
    }

    /// Nothing that a user of the API calls or is given comes from the bindings or is raw memory, but for the rows of images.
    @Test
    void publicApiShowsNoNativeTypes() {
        DescribedPredicate<JavaClass> hidden = BINDINGS.or(resideInAPackage("java.lang.foreign.."));
        Set<String> rows = Set.of(
                "dev.chasqui.vision.ImageTokens.of(java.lang.foreign.MemorySegment, int, int, int)",
                "dev.chasqui.vision.ImageTokens.rows()",
                "dev.chasqui.vision.ImageTokens.withQuestion(java.lang.foreign.MemorySegment, int, int)");
        for (JavaClass type : CLASSES) {
            if (!type.getPackageName().startsWith("dev.chasqui.bindings") && type.getModifiers().contains(JavaModifier.PUBLIC)) {
                type.getMethods().stream()
                        .filter(method -> method.getModifiers().contains(JavaModifier.PUBLIC))
                        .filter(method -> !rows.contains(method.getFullName()))
                        .forEach(method -> {
                            assertThat(method.getRawReturnType()).as(method.getFullName()).matches(hidden.negate());
                            assertThat(method.getRawParameterTypes()).as(method.getFullName()).noneMatch(hidden);
                        });
            }
        }
    }

    @Test
    void modelsNeedNothingNative() {
        noClasses().that().resideInAPackage("dev.chasqui.models..")
                .should().dependOnClassesThat().resideInAnyPackage("dev.chasqui.bindings..", "java.lang.foreign..")
                .orShould().dependOnClassesThat().belongToAnyOf(Native.class, NativeOwner.class, Model.class, Context.class)
                .check(CLASSES);
    }

    @Test
    void noReflection() {
        noClasses().should().dependOnClassesThat().resideInAnyPackage("java.lang.reflect..", "sun..", "jdk.internal..").check(CLASSES);
        DescribedPredicate<AccessTarget.CodeUnitCallTarget> reflective = DescribedPredicate.describe("a reflective method of Class",
                target -> target.getOwner().isEquivalentTo(Class.class)
                        && (target.getName().equals("forName") || target.getName().equals("newInstance")
                                || target.getName().matches("get(Declared)?(Method|Field|Constructor)s?")));
        noClasses().should().callCodeUnitWhere(DescribedPredicate.describe("reflection",
                call -> reflective.test(call.getTarget()))).check(CLASSES);
    }

    @Test
    void namesSayWhatThingsAre() {
        Set<String> empty = Set.of("util", "utils", "helper", "helpers", "common", "misc");
        for (JavaClass type : CLASSES) {
            assertThat(type.getPackageName().split("\\.")).as(type.getName()).doesNotContainAnyElementsOf(empty);
            assertThat(type.getSimpleName()).doesNotEndWithIgnoringCase("util").doesNotEndWithIgnoringCase("utils")
                    .doesNotEndWithIgnoringCase("helper").doesNotEndWithIgnoringCase("helpers")
                    .doesNotEndWithIgnoringCase("common").doesNotEndWithIgnoringCase("misc");
        }
    }

    @Test
    void exceptionsOfTheLibraryHaveOneRoot() {
        classes().that().areAssignableTo(Exception.class).and().arePublic().and().resideInAnyPackage("dev.chasqui", "dev.chasqui.models..")
                .should().beAssignableTo(ChasquiException.class).check(CLASSES);
    }
}
