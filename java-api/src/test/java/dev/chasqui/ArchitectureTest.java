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

    /// Programs without pictures need no java.desktop.
    @Test
    void onlyPicturesNeedTheDesktop() {
        noClasses().that().resideOutsideOfPackage("dev.chasqui.vision")
                .should().dependOnClassesThat().resideInAnyPackage("java.awt..", "javax.imageio..", "javax.swing..")
                .check(CLASSES);
    }

    @Test
    void bindingsKnowNothingAboveThem() {
        classes().that(BINDINGS)
                .should().onlyDependOnClassesThat().resideInAnyPackage("java..", "org.jspecify..", "dev.chasqui.bindings..")
                .check(CLASSES);
    }

    @Test
    void onlySomePackagesUseTheBindings() {
        noClasses().that(are(DescribedPredicate.not(resideInAnyPackage("dev.chasqui", "dev.chasqui.audio", "dev.chasqui.tensor", "dev.chasqui.vision", "dev.chasqui.bindings.."))))
                .should().dependOnClassesThat(BINDINGS)
                .check(CLASSES);
    }

    /// Nothing that a user of the API calls or is given comes from the bindings, or is raw memory but where that is the point: rows of pictures, samples of sounds, numbers of tensors, embeddings.
    @Test
    void publicApiShowsNoNativeTypes() {
        Set<String> numbers = Set.of("dev.chasqui.tensor.Tensor.segment()", "dev.chasqui.tensor.Tensor.setBytes(java.lang.foreign.MemorySegment)",
                "dev.chasqui.EmbeddingMatrix.data()", "dev.chasqui.EmbeddingMatrix.over(java.lang.foreign.MemorySegment, int)");
        Set<String> rowsOrSamples = Set.of("dev.chasqui.vision", "dev.chasqui.audio");
        DescribedPredicate<JavaClass> notExported = BINDINGS.or(resideInAPackage("dev.chasqui.internal"));
        for (JavaClass type : CLASSES) {
            DescribedPredicate<JavaClass> hidden = rowsOrSamples.contains(type.getPackageName())
                    ? BINDINGS : BINDINGS.or(resideInAPackage("java.lang.foreign.."));
            if (!notExported.test(type) && type.getModifiers().contains(JavaModifier.PUBLIC)) {
                type.getMethods().stream()
                        .filter(method -> method.getModifiers().contains(JavaModifier.PUBLIC))
                        .filter(method -> !numbers.contains(method.getFullName()))
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

    /// But for records and methods that the program itself hands over.
    @Test
    void noReflection() {
        DescribedPredicate<JavaClass> records = resideInAnyPackage("dev.chasqui.json", "dev.chasqui.tools");
        noClasses().that(are(DescribedPredicate.not(records))).should().dependOnClassesThat().resideInAnyPackage("java.lang.reflect..", "sun..", "jdk.internal..").check(CLASSES);
        DescribedPredicate<AccessTarget.CodeUnitCallTarget> reflective = DescribedPredicate.describe("a reflective method of Class",
                target -> target.getOwner().isEquivalentTo(Class.class)
                        && (target.getName().equals("forName") || target.getName().equals("newInstance")
                                || target.getName().matches("get(Declared)?(Method|Field|Constructor)s?")));
        noClasses().that(are(DescribedPredicate.not(records))).should().callCodeUnitWhere(DescribedPredicate.describe("reflection",
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
