package launcher;

import java.lang.reflect.Method;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Processes that user code has started: none outlives the kernel. */
final class Children {
    private Children() {}

    /** Kill all descendants of the JVM. By reflection: Java 8 cannot (a container's end does). */
    static void kill() {
        try {
            Class<?> type = Class.forName("java.lang.ProcessHandle");
            Object self = type.getMethod("current").invoke(null);
            Method destroy = type.getMethod("destroyForcibly");
            Consumer<Object> kill =
                    child -> {
                        try {
                            destroy.invoke(child);
                        } catch (ReflectiveOperationException error) {
                            Log.line("a process the kernel started cannot be ended");
                        }
                    };
            ((Stream<?>) type.getMethod("descendants").invoke(self)).forEach(kill);
        } catch (ClassNotFoundException error) {
            // Java 8
        } catch (ReflectiveOperationException error) {
            Log.line("processes the kernel started cannot be found: " + error.getCause());
        }
    }
}
