package launcher;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Properties;

/**
 * Spark's file of default settings, where spark-submit has not read it.
 *
 * <p>Spark finds its settings in the JVM's properties; spark-submit puts those of the file there. The
 * bootstrap script does without spark-submit where the file says nothing that concerns the start.
 */
final class SparkDefaults {
    private static final String FILE = "launcher.sparkDefaults"; // set by the bootstrap script

    private SparkDefaults() {}

    /** Set what the file says and nobody has set before. */
    static void apply() {
        String file = System.getProperty(FILE, "");
        Path path = Paths.get(file);
        if (file.isEmpty() || !Files.isRegularFile(path)) {
            return;
        }
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(path, StandardCharsets.UTF_8)) {
            properties.load(reader);
        } catch (IOException | IllegalArgumentException error) {
            Log.line("cannot read " + path + ": " + error.getMessage());
        }
        for (String name : properties.stringPropertyNames()) {
            if (name.startsWith("spark.") && System.getProperty(name) == null) {
                System.setProperty(name, properties.getProperty(name).trim());
            }
        }
    }
}
