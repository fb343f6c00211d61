package dev.chasqui.examples.swingchat.view;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.LauncherSessionListener;

/// Starts Xvfb before the first test, if it is installed, and sends all windows there. Without it the tests that need a display are skipped.
public final class VirtualDisplay implements LauncherSessionListener {

    /// Xvfb for as long as this process lives: it ends when the pipe to the shell does. Ended any earlier, it takes the process along with an error.
    private static final String SERVER = "Xvfb -displayfd 1 -screen 0 1280x900x24 -nolisten tcp & exec > /dev/null; cat; kill $!";

    private static boolean asked;
    private static boolean there;

    /// Skips a test where there is no display.
    static void assume() {
        assumeTrue(there, "there is no Xvfb");
    }

    @Override
    public void launcherSessionOpened(LauncherSession session) {
        start();
    }

    /// Starts it once in this process, before anything of AWT is used.
    ///
    /// @return whether there is a display
    static synchronized boolean start() {
        if (!asked) {
            asked = true;
            there = startServer();
            System.setProperty("java.awt.headless", Boolean.toString(!there));
        }
        return there;
    }

    private static boolean startServer() {
        try {
            Process server = new ProcessBuilder("sh", "-c", SERVER).redirectError(ProcessBuilder.Redirect.DISCARD).start();
            BufferedReader out = server.inputReader();
            String number = out.readLine();
            if (number == null) {
                return false;
            }
            setEnvironment("DISPLAY", ":" + number.strip());
            return true;
        } catch (IOException e) {
            return false; // no shell
        }
    }

    /// AWT's native code looks there; Java cannot change it.
    @SuppressWarnings("restricted")
    private static void setEnvironment(String name, String value) {
        Linker linker = Linker.nativeLinker();
        MethodHandle setenv = linker.downcallHandle(linker.defaultLookup().find("setenv").orElseThrow(),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            int status = (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1);
            if (status != 0) {
                throw new IllegalStateException("setenv gives " + status);
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
