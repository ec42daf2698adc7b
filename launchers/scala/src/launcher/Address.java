package launcher;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where the gateway takes reports. */
final class Address {
    private static final Pattern FORM = Pattern.compile("\\[?(.+?)\\]?:([0-9]{1,5})");

    final String host;
    final int port;

    private Address(String host, int port) {
        this.host = host;
        this.port = port;
    }

    /** Split {@code host:port}, or {@code [v6 address]:port}; empty text is null. */
    static Address parse(String text) throws LauncherError {
        if (text.isEmpty()) {
            return null;
        }
        Matcher matcher = FORM.matcher(text);
        int port = matcher.matches() ? Integer.parseInt(matcher.group(2)) : 0;
        if (port < 1 || port > PortRange.HIGHEST) {
            throw LauncherError.wrongInput("--response-address is '" + text + "', not host:port");
        }
        return new Address(matcher.group(1), port);
    }
}
