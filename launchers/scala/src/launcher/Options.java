package launcher;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The command line, checked. Knows nothing of what is done with it.
 *
 * <p>Each option may be spelt {@code --kernel-id} or {@code --RemoteProcessProxy.kernel-id}; the plain
 * one wins, and an option without a value is not given. What is not ours is Toree's.
 */
final class Options {
    private static final String OLD_SPELLING = "RemoteProcessProxy.";
    private static final List<String> OURS =
            Arrays.asList(
                    "kernel-id",
                    "response-address",
                    "public-key",
                    "port-range",
                    "spark-context-initialization-mode",
                    "alternate-sigint",
                    "profile");
    private static final List<String> MODES = Arrays.asList("lazy", "eager", "none");

    final String kernelId;
    final Address responseAddress; // null: no report, and no comm port
    final String publicKey;
    final PortRange portRange;
    final String sparkMode;
    final String alternateSigint; // name without SIG, or empty
    final String profile; // path of a connection file to use, or empty
    final List<String> forToree;

    private Options(Map<String, String> given, List<String> forToree, Map<String, String> env)
            throws LauncherError {
        kernelId = value(given, "kernel-id", "");
        if (kernelId.isEmpty()) {
            throw LauncherError.wrongInput("--kernel-id is missing");
        }
        responseAddress = Address.parse(value(given, "response-address", ""));
        publicKey = value(given, "public-key", "");
        if (responseAddress != null && publicKey.isEmpty()) {
            throw LauncherError.wrongInput("--public-key is missing: a report must be encrypted");
        }
        portRange = PortRange.parse(value(given, "port-range", ""), env);
        sparkMode = value(given, "spark-context-initialization-mode", MODES.get(0));
        if (!MODES.contains(sparkMode)) {
            String problem = "--spark-context-initialization-mode is not one of ";
            throw LauncherError.wrongInput(problem + String.join(", ", MODES));
        }
        alternateSigint = value(given, "alternate-sigint", "");
        profile = value(given, "profile", "");
        this.forToree = forToree;
    }

    /**
     * Read the command line.
     *
     * @param env the environment, for the smallest size of a port range
     */
    static Options parse(String[] args, Map<String, String> env) throws LauncherError {
        Map<String, String> given = new HashMap<>();
        List<String> forToree = new ArrayList<>();
        for (int i = 0; i < args.length; i++) {
            String[] parts = args[i].split("=", 2);
            String name = parts[0].startsWith("--") ? parts[0].substring(2) : "";
            String plain = name.startsWith(OLD_SPELLING) ? name.substring(OLD_SPELLING.length()) : name;
            if (!OURS.contains(plain)) {
                forToree.add(args[i]);
            } else if (parts.length == 2) {
                given.put(name, parts[1]);
            } else if (i + 1 < args.length && !args[i + 1].startsWith("--")) {
                given.put(name, args[++i]);
            }
        }
        return new Options(given, forToree, env);
    }

    private static String value(Map<String, String> given, String name, String fallback) {
        for (String spelling : new String[] {name, OLD_SPELLING + name}) {
            String value = given.getOrDefault(spelling, "").trim();
            if (!value.isEmpty()) {
                return value;
            }
        }
        return fallback;
    }

    /** Milliseconds the gateway waits for the report; values that are no such number are passed over. */
    static long launchTimeout(Map<String, String> env) {
        for (String name : new String[] {"KERNEL_LAUNCH_TIMEOUT", "EG_KERNEL_LAUNCH_TIMEOUT"}) {
            String seconds = env.getOrDefault(name, "").trim();
            if (seconds.matches("[0-9]{1,5}(\\.[0-9]*)?") && Double.parseDouble(seconds) > 0) {
                return (long) (Double.parseDouble(seconds) * 1000);
            }
        }
        return 30_000; // the gateway's default
    }
}
