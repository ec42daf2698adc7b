package launcher;

import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Apache Toree: where its classes are, how it is started, and what it must not say. */
final class Toree {
    private static final String MAIN = "org.apache.toree.Main";
    // It logs the connection info, key included, at INFO and DEBUG, cells at DEBUG, and at WARN what
    // concerns nobody. The second name is the class that tells the key, the third what we add to it.
    private static final List<String> LOGGERS =
            Arrays.asList("org.apache.toree", "org.apache.toree.Main$$anon$1", "launcher.toree");

    private static final String INTERPRETER = "launcher.toree.BackgroundInterpreter";
    private static final String EAGER = "launcher.toree.eager"; // which it looks at

    private final ClassLoader loader;
    private final Class<?> interpreter;

    private Toree(ClassLoader loader) {
        this.loader = loader;
        this.interpreter = ourInterpreter(loader);
    }

    /**
     * Find Toree: on the class path (spark-submit puts it there), else in the jar beside ours.
     *
     * <p>Its own class loader, and not the class path of the JVM: Toree searches each jar on that for
     * plugins once more, which takes seconds.
     */
    static Toree find() throws LauncherError {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        if (context.getResource(MAIN.replace('.', '/') + ".class") != null) {
            return new Toree(context);
        }
        try {
            File ours = new File(Toree.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            File[] jars =
                    ours.getParentFile()
                            .listFiles((folder, name) -> name.matches("toree-assembly.*\\.jar"));
            if (jars != null && jars.length == 1) {
                URL[] urls = {jars[0].toURI().toURL()};
                return new Toree(new URLClassLoader(urls, context));
            }
        } catch (Exception error) { // no jar: classes in a folder, or a place without a name
            Log.line("cannot look for Toree beside the launcher: " + error.getMessage());
        }
        throw new LauncherError("Toree is neither on the class path nor beside the launcher's jar");
    }

    ClassLoader loader() {
        return loader;
    }

    /** Toree's arguments. */
    String[] arguments(Options options, ConnectionFile file) {
        List<String> arguments = new ArrayList<>(Arrays.asList("--profile", file.path().toString()));
        if (options.sparkMode.equals("none")) {
            arguments.add("--nosparkcontext");
        } else {
            arguments.add("--spark-context-initialization-mode");
            arguments.add(eagerInBackground(options) ? "lazy" : options.sparkMode);
        }
        arguments.addAll(options.forToree);
        return arguments.toArray(new String[0]);
    }

    /**
     * In mode eager Toree makes Spark's context before it answers. On a local master our interpreter
     * does so, after that; a cluster's application master waits for a context, and not for ever.
     */
    private boolean eagerInBackground(Options options) {
        boolean local = System.getProperty("spark.master", "").startsWith("local");
        boolean background = options.sparkMode.equals("eager") && local && interpreter != null;
        if (background) {
            System.setProperty(EAGER, "true");
        }
        return background;
    }

    /**
     * Interrupt the cells that wait for the interpreter.
     *
     * @return whether it is not ready yet; false where Toree is not ours and makes it ready at once
     */
    boolean interruptWaiting() {
        try {
            return interpreter != null
                    && (Boolean) interpreter.getMethod("interruptWaiting").invoke(null);
        } catch (ReflectiveOperationException error) {
            Log.line("cannot interrupt waiting cells: " + error.getClass().getSimpleName());
            return false;
        }
    }

    /** Our interpreter's class, which is in Toree's jar as we build it (toree/src); else null. */
    private static Class<?> ourInterpreter(ClassLoader loader) {
        try {
            return Class.forName(INTERPRETER, false, loader);
        } catch (ClassNotFoundException | LinkageError theirs) {
            return null;
        }
    }

    /** Run Toree; returns when it has ended. */
    void run(String[] arguments) throws LauncherError {
        Thread.currentThread().setContextClassLoader(loader);
        SparkDefaults.apply();
        Outputs.inOrder();
        quiet();
        try {
            Method main = Class.forName(MAIN, true, loader).getMethod("main", String[].class);
            main.invoke(null, (Object) arguments);
        } catch (InvocationTargetException error) {
            throw new LauncherError("Toree has failed: " + error.getCause());
        } catch (ReflectiveOperationException | LinkageError error) {
            throw new LauncherError("Toree cannot be started: " + error);
        }
    }

    /** Has Toree set all its signal handlers, so that ours can replace them? */
    static boolean isReady() {
        return System.getSecurityManager() != null; // the last it does before it is ready
    }

    private void quiet() {
        try {
            // Spark sets up logging once, in this class at the latest; later it would undo ours.
            Class.forName("org.apache.spark.repl.Main$", true, loader);
        } catch (ClassNotFoundException | LinkageError error) {
            Log.line("Spark is not on the class path");
        }
        boolean found = quietByLog4j2();
        if (!quietByLog4j1() && !found) {
            Log.line("this logging system is not known: set org.apache.toree to ERROR");
        }
    }

    private boolean quietByLog4j2() {
        try {
            Class<?> level = Class.forName("org.apache.logging.log4j.Level", true, loader);
            Object error = level.getField("ERROR").get(null);
            Method set =
                    Class.forName("org.apache.logging.log4j.core.config.Configurator", true, loader)
                            .getMethod("setLevel", String.class, level);
            for (String name : LOGGERS) {
                set.invoke(null, name, error);
            }
            return true;
        } catch (ReflectiveOperationException | LinkageError unknown) {
            return false;
        }
    }

    private boolean quietByLog4j1() {
        try {
            Class<?> level = Class.forName("org.apache.log4j.Level", true, loader);
            Class<?> logger = Class.forName("org.apache.log4j.Logger", true, loader);
            Method set = logger.getMethod("setLevel", level);
            for (String name : LOGGERS) {
                Object named = logger.getMethod("getLogger", String.class).invoke(null, name);
                set.invoke(named, level.getField("ERROR").get(null));
            }
            return true;
        } catch (ReflectiveOperationException | LinkageError error) {
            return false;
        }
    }
}
