package dev.chasqui.bindings;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.SymbolLookup;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Finds the native libraries, loads them once, and checks that they are the ones this code was generated for.
///
/// Places, in order: the folder that the system property `chasqui.library.path` names; the natives jar, unpacked once into the
/// user's cache folder (another one with the property `chasqui.cache`).
public final class NativeLoader {

    /// Folder with the libraries.
    public static final String PATH_PROPERTY = "chasqui.library.path";

    /// Folder under which natives jars are unpacked.
    public static final String CACHE_PROPERTY = "chasqui.cache";

    private static @Nullable Path location;

    private NativeLoader() {
    }

    /// Loads the libraries; does nothing the second time.
    ///
    /// @throws NativeLoadException if no place has libraries that load and fit
    public static synchronized void load() {
        if (location != null) {
            return;
        }
        warnWithoutNativeAccess();
        Platform platform = Platform.current();
        List<Attempt> attempts = new ArrayList<>();
        @Nullable Path library = fromProperty(platform, attempts);
        if (library == null) {
            library = fromJar(platform, attempts);
        }
        if (library == null) {
            throw NativeLoadException.of(attempts);
        }
        if (!isAsGenerated()) {
            AbiCheck.verify(library);
        }
        location = library.getParent();
    }

    /// The folder the libraries were loaded from.
    ///
    /// @throws IllegalStateException before [#load()]
    public static synchronized Path location() {
        if (location == null) {
            throw new IllegalStateException("the native libraries are not loaded");
        }
        return location;
    }

    /// One number instead of hundreds of comparisons, which every start of a program would wait for.
    private static boolean isAsGenerated() {
        return SymbolLookup.loaderLookup().find("chq_abi_digest").isPresent() && Chq.chq_abi_digest() == StructDefaults.DIGEST;
    }

    private static @Nullable Path fromProperty(Platform platform, List<Attempt> attempts) {
        String folder = System.getProperty(PATH_PROPERTY);
        if (folder == null || folder.isBlank()) {
            attempts.add(new Attempt("system property " + PATH_PROPERTY, "not set", null));
            return null;
        }
        return loadFrom(Path.of(folder), "system property " + PATH_PROPERTY, platform, attempts);
    }

    private static @Nullable Path fromJar(Platform platform, List<Attempt> attempts) {
        String place = "natives jar for " + platform.classifier();
        if (!platform.isSupported()) {
            attempts.add(new Attempt(place, "there is none for this system; build the libraries with native/build.sh and name their folder in "
                    + PATH_PROPERTY, null));
            return null;
        }
        try (URLClassLoader resources = NativesJar.resources(NativeLoader.class.getClassLoader(), platform)) {
            Path folder = new NativesJar(resources, platform).unpack(cache(platform));
            return loadFrom(folder, place, platform, attempts);
        } catch (NativesJar.UnusableException e) {
            attempts.add(new Attempt(place, Objects.requireNonNull(e.getMessage()), e.getCause()));
            return null;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// What Chasqui keeps for the next time is here: the folder in [#CACHE_PROPERTY], else `chasqui` in the user's cache folder.
    public static Path cacheFolder() {
        return cache(Platform.current());
    }

    private static Path cache(Platform platform) {
        String property = System.getProperty(CACHE_PROPERTY);
        return property == null || property.isBlank() ? platform.userCache().resolve("chasqui") : Path.of(property);
    }

    private static @Nullable Path loadFrom(Path folder, String why, Platform platform, List<Attempt> attempts) {
        Path library = folder.toAbsolutePath().resolve(platform.libraryFile("chasqui"));
        String place = library + " (" + why + ")";
        if (!Files.exists(library)) {
            attempts.add(new Attempt(place, "no such file", null));
            return null;
        }
        try {
            for (String name : platform.dependencies()) {
                Path dependency = library.resolveSibling(platform.libraryFile(name));
                if (Files.exists(dependency)) {
                    System.load(dependency.toString());
                }
            }
            System.load(library.toString());
            return library;
        } catch (UnsatisfiedLinkError e) {
            attempts.add(new Attempt(place, String.valueOf(e.getMessage()), e));
        } catch (IllegalCallerException e) {
            throw new NativeLoadException(missingFlag());
        }
        return null;
    }

    /// The JDK's own warning names the module, not what to do about it.
    private static void warnWithoutNativeAccess() {
        if (!NativeLoader.class.getModule().isNativeAccessEnabled()) {
            System.getLogger("dev.chasqui").log(System.Logger.Level.WARNING, missingFlag());
        }
    }

    private static String missingFlag() {
        Module module = NativeLoader.class.getModule();
        return "Chasqui calls native code: start Java with --enable-native-access=" + (module.isNamed() ? module.getName() : "ALL-UNNAMED");
    }
}
