package launcher;

import java.io.PrintStream;

/** Lines for the container's log. Never pass a key, a payload or a request. */
final class Log {
    // Kept from the start: Toree and user code may replace System.err.
    private static final PrintStream OUT = System.err;

    private Log() {}

    static void line(String message) {
        OUT.println("toree-launcher: " + message);
    }
}
