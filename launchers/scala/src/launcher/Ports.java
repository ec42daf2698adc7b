package launcher;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.ServerSocketChannel;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The kernel's five ports, held for Toree until it listens on them.
 *
 * <p>Toree opens its sockets itself and takes port numbers only. So each port is bound here, and not
 * listened on: nobody is given it as "any free port", and who asks for it by number is refused. Just
 * before Toree starts, address reuse is switched on; the operating system then lets Toree bind and
 * listen beside us. Whoever asks for this very number with address reuse in those moments could still
 * have it; Toree then fails to bind, and the launcher ends with an error ({@link #waitUntilTaken}).
 */
final class Ports {
    static final String[] NAMES = {
        "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"
    };
    static final String ALL_INTERFACES = "0.0.0.0"; // the gateway connects from outside

    private static final int CONNECT_MILLIS = 500;
    private static final int POLL_MILLIS = 20;

    private final Map<String, Integer> numbers = new LinkedHashMap<>();
    private final List<Socket> held = new ArrayList<>();

    /** Hold five ports. */
    static Ports hold(Iterator<Integer> candidates) throws LauncherError {
        Ports ports = new Ports();
        for (String name : NAMES) {
            Socket socket = ports.bind(candidates);
            ports.held.add(socket);
            ports.numbers.put(name, socket.getLocalPort());
        }
        return ports;
    }

    /** Ports that somebody else has chosen; nothing is held. */
    static Ports given(Map<String, Integer> numbers) {
        Ports ports = new Ports();
        ports.numbers.putAll(numbers);
        return ports;
    }

    /** Port numbers by name. */
    Map<String, Integer> numbers() {
        return numbers;
    }

    /** Let Toree bind the ports too; call it just before. */
    void share() throws LauncherError {
        try {
            for (Socket socket : held) {
                socket.setReuseAddress(true);
            }
        } catch (IOException error) {
            throw new LauncherError("cannot share the ports: " + error.getMessage());
        }
    }

    /**
     * Wait until there is somebody behind each port, then hold them no longer.
     *
     * @param deadline when to wait no more ({@link System#nanoTime})
     * @return the name of a port where nobody was by then; empty when all is well
     */
    String waitUntilTaken(long deadline) throws InterruptedException {
        for (Map.Entry<String, Integer> entry : numbers.entrySet()) {
            while (!answers(entry.getValue())) {
                if (System.nanoTime() > deadline) {
                    return entry.getKey();
                }
                Thread.sleep(POLL_MILLIS);
            }
        }
        release();
        return "";
    }

    void release() {
        for (Socket socket : held) {
            try {
                socket.close();
            } catch (IOException error) {
                Log.line("cannot release a port: " + error.getMessage());
            }
        }
        held.clear();
    }

    /** Listen on the first candidate that is free, on all interfaces. */
    static ServerSocketChannel listen(Iterator<Integer> candidates, int backlog)
            throws LauncherError {
        String problem = "all ports of the range are taken";
        while (candidates.hasNext()) {
            int port = candidates.next();
            ServerSocketChannel channel = null;
            try {
                channel = ServerSocketChannel.open();
                channel.bind(new InetSocketAddress(ALL_INTERFACES, port), backlog);
                channel.configureBlocking(false);
                return channel;
            } catch (IOException error) {
                String cause = closeAfter(error, channel);
                if (port == 0) {
                    problem = cause; // the system has none to give: asking again won't help
                    break;
                }
            }
        }
        throw new LauncherError("no port to listen on: " + problem);
    }

    private Socket bind(Iterator<Integer> candidates) throws LauncherError {
        String problem = "all ports of the range are taken";
        while (candidates.hasNext()) {
            int port = candidates.next();
            Socket socket = new Socket();
            try {
                socket.setReuseAddress(false);
                socket.bind(new InetSocketAddress(ALL_INTERFACES, port));
                return socket;
            } catch (IOException error) {
                String cause = closeAfter(error, socket);
                if (port == 0) {
                    problem = cause;
                    break;
                }
            }
        }
        release();
        throw new LauncherError("no port for the kernel: " + problem);
    }

    private static boolean answers(int port) {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress("127.0.0.1", port), CONNECT_MILLIS);
            // A connection from a port to itself is nobody's answer.
            return socket.getLocalPort() != port;
        } catch (IOException error) {
            return false;
        }
    }

    private static String closeAfter(IOException problem, AutoCloseable what) {
        try {
            if (what != null) {
                what.close();
            }
        } catch (Exception error) { // nothing to be done about it, and not what matters
            problem.addSuppressed(error);
        }
        return String.valueOf(problem.getMessage());
    }
}
