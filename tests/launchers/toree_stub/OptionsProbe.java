package launcher;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Reads the launcher's options, and starts nothing.
 *
 * <p>A line of standard input is a case: its arguments, a word that is a record separator, and its
 * environment, with unit separators between. The answers are those of {@code LaunchedKernel.read_options}.
 */
public final class OptionsProbe {
    public static void main(String[] unused) throws IOException {
        BufferedReader cases = new BufferedReader(new InputStreamReader(System.in));
        for (String line = cases.readLine(); line != null; line = cases.readLine()) {
            List<String> words = Arrays.asList(line.split("\u001f", -1));
            int end = words.indexOf("\u001e");
            Map<String, String> env = new HashMap<>();
            for (String setting : words.subList(end + 1, words.size())) {
                String[] parts = setting.split("=", 2);
                env.put(parts[0], parts[1]);
            }
            System.out.println(read(words.subList(0, end).toArray(new String[0]), env));
        }
    }

    private static String read(String[] args, Map<String, String> env) {
        try {
            Options options = Options.parse(args, env);
            Address address = options.responseAddress;
            return String.join(
                    "|",
                    options.kernelId,
                    address == null ? "" : address.host + " " + address.port,
                    bounds(options.portRange),
                    options.sparkMode,
                    String.valueOf(Options.launchTimeout(env) / 1000.0).replaceAll("\\.0$", ""));
        } catch (LauncherError error) {
            return "error " + error.code();
        }
    }

    private static String bounds(PortRange range) {
        TreeSet<Integer> ports = new TreeSet<>();
        for (Iterator<Integer> each = range.candidates(); each.hasNext(); ) {
            int port = each.next();
            if (port == 0) {
                return "";
            }
            ports.add(port);
        }
        return ports.first() + " " + ports.last();
    }
}
