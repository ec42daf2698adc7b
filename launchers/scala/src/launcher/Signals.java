package launcher;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;

/**
 * Signals of the operating system, to handle and by name.
 *
 * <p>By reflection: the JVM's class for it ({@code sun.misc.Signal}) is not part of Java's interface,
 * and the compiler does not see it.
 */
final class Signals {
    static final int HUP = 1;
    static final int INT = 2;
    static final int KILL = 9;
    static final int TERM = 15;

    private static final String CLASS = "sun.misc.Signal";

    private Signals() {}

    /** The number of a signal; the name is without SIG. */
    static int number(String name) throws LauncherError {
        try {
            Object signal = Class.forName(CLASS).getConstructor(String.class).newInstance(name);
            return (Integer) signal.getClass().getMethod("getNumber").invoke(signal);
        } catch (ReflectiveOperationException error) {
            throw LauncherError.wrongInput("there is no signal '" + name + "'");
        }
    }

    /** Run something whenever a signal comes, in a thread of its own. */
    static void handle(String name, Runnable action) {
        try {
            Class<?> type = Class.forName(CLASS);
            Class<?> handlerType = Class.forName("sun.misc.SignalHandler");
            InvocationHandler handler =
                    (proxy, method, args) -> {
                        switch (method.getName()) {
                            case "handle":
                                action.run();
                                return null;
                            case "equals":
                                return proxy == args[0];
                            case "hashCode":
                                return System.identityHashCode(proxy);
                            default:
                                return name;
                        }
                    };
            Class<?>[] interfaces = {handlerType};
            Object proxy = Proxy.newProxyInstance(handlerType.getClassLoader(), interfaces, handler);
            Object signal = type.getConstructor(String.class).newInstance(name);
            type.getMethod("handle", type, handlerType).invoke(null, signal, proxy);
        } catch (ReflectiveOperationException error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            Log.line("signal " + name + " cannot be handled: " + cause.getMessage());
        }
    }
}
