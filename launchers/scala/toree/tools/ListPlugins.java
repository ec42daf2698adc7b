import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.toree.plugins.PluginSearcher;
import scala.collection.Iterator;
import shadeclapper.org.clapper.classutil.ClassInfo;

/** Prints the names of the plugins that Toree finds in its own jar, sorted. */
final class ListPlugins {
    private ListPlugins() {}

    public static void main(String[] arguments) {
        List<String> names = new ArrayList<>();
        for (Iterator<ClassInfo> found = new PluginSearcher().internal().iterator(); found.hasNext(); ) {
            names.add(found.next().name());
        }
        if (names.isEmpty()) {
            System.err.println("Toree finds no plugins in its jar");
            System.exit(1);
        }
        Collections.sort(names);
        names.forEach(System.out::println);
    }
}
