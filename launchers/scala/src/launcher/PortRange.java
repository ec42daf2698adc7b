package launcher;

import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The ports to choose from: {@code lower..upper}, both included, or any. */
final class PortRange {
    static final int HIGHEST = 65535;

    private static final int LOWEST = 1024; // the gateway takes no range that begins below
    private static final Pattern FORM =
            Pattern.compile("\\s*([0-9]{1,5})\\s*\\.\\.\\s*([0-9]{1,5})\\s*");
    private static final int ANY = 0; // what bind() takes for "you choose"

    private final int lower;
    private final int upper;

    private PortRange(int lower, int upper) {
        this.lower = lower;
        this.upper = upper;
    }

    /**
     * Read a range; empty text and equal bounds stand for any port.
     *
     * <p>Its least size (upper - lower) is MIN_PORT_RANGE_SIZE, else EG_MIN_PORT_RANGE_SIZE, else 1000.
     */
    static PortRange parse(String text, Map<String, String> env) throws LauncherError {
        if (text.isEmpty()) {
            return new PortRange(ANY, ANY);
        }
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            throw LauncherError.wrongInput("--port-range is '" + text + "', not lower..upper");
        }
        int lower = Integer.parseInt(matcher.group(1));
        int upper = Integer.parseInt(matcher.group(2));
        if (lower == upper) {
            return new PortRange(ANY, ANY);
        }
        if (lower < LOWEST || upper < lower || upper > HIGHEST) {
            throw LauncherError.wrongInput("--port-range " + text + " is no range within 1024..65535");
        }
        int least = leastSize(env);
        if (upper - lower < least) {
            String wanted = " is too small: at least " + least + " ports";
            throw LauncherError.wrongInput("--port-range " + text + wanted);
        }
        return new PortRange(lower, upper);
    }

    private static int leastSize(Map<String, String> env) throws LauncherError {
        for (String name : new String[] {"MIN_PORT_RANGE_SIZE", "EG_MIN_PORT_RANGE_SIZE"}) {
            String size = env.getOrDefault(name, "");
            if (!size.isEmpty()) {
                if (!size.matches("[0-9]{1,9}")) {
                    throw LauncherError.wrongInput(name + " is '" + size + "', not a number");
                }
                return Integer.parseInt(size);
            }
        }
        return 1000;
    }

    /** Each port of the range once, in random order; without a range 0 (any), for ever. */
    Iterator<Integer> candidates() {
        if (lower == ANY) {
            return Collections.nCopies(Integer.MAX_VALUE, ANY).iterator();
        }
        List<Integer> ports = new ArrayList<>();
        for (int port = lower; port <= upper; port++) {
            ports.add(port);
        }
        Collections.shuffle(ports, new SecureRandom());
        return ports.iterator();
    }
}
