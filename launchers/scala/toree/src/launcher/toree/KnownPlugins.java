package launcher.toree;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import org.apache.toree.plugins.PluginSearcher;
import scala.collection.Seq;
import scala.collection.mutable.ArrayBuffer;
import shadeclapper.org.clapper.classutil.ClassInfo;

/**
 * Toree's own plugins (its magics), from a list that the build has made.
 *
 * <p>Toree finds them at each start by reading all 14,000 classes of its jar. Plugins elsewhere
 * ({@code --magic-url}) are searched for as ever.
 */
public final class KnownPlugins extends PluginSearcher {
    private static final String LIST = "plugins.txt"; // beside this class

    @Override
    public Seq<ClassInfo> internal() {
        ArrayBuffer<ClassInfo> plugins = new ArrayBuffer<>();
        try (InputStream list = KnownPlugins.class.getResourceAsStream(LIST);
                BufferedReader lines =
                        new BufferedReader(new InputStreamReader(list, StandardCharsets.UTF_8))) {
            for (String name = lines.readLine(); name != null; name = lines.readLine()) {
                plugins.$plus$eq(named(name));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return plugins;
    }

    /** A class of which nothing is known but its name, which is all that Toree asks for. */
    private static ClassInfo named(String name) {
        Class<?>[] types = {ClassInfo.class};
        return (ClassInfo)
                Proxy.newProxyInstance(
                        KnownPlugins.class.getClassLoader(),
                        types,
                        (self, method, arguments) -> {
                            if (method.getName().equals("name")) {
                                return name;
                            }
                            throw new UnsupportedOperationException(method.getName());
                        });
    }
}
