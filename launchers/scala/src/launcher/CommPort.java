package launcher;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The comm port: the gateway's one-way requests, one JSON object a connection.
 *
 * <p>Anybody who reaches the port can write to it, so a connection may be empty, malformed, endless,
 * one of thousands: it is dropped, and the others are served. The gateway waits 5 ms for a connection;
 * the operating system accepts it in that time, whatever we are doing, as long as the backlog has room.
 * One thread that never blocks, and that runs nobody else's code.
 */
final class CommPort implements Runnable {
    static final int BACKLOG = 4096; // as far as the system lets us

    private static final long REQUEST_NANOS = TimeUnit.SECONDS.toNanos(2); // to be complete,
    private static final int REQUEST_BYTES = 4096; // not longer than this,
    private static final int OPEN_REQUESTS = 200; // with fewer open ones behind it
    private static final int HIGHEST_SIGNAL = 64;

    /** What the gateway asks for: a signal (0: none, it only polls), the end of listening. */
    static final class Request {
        final int signum;
        final boolean shutdown;

        Request(int signum, boolean shutdown) {
            this.signum = signum;
            this.shutdown = shutdown;
        }

        /**
         * Read one request.
         *
         * @throws IllegalArgumentException when it has neither a valid {@code signum} nor {@code shutdown}
         */
        static Request parse(String text) {
            Map<String, Object> request = Json.readObject(text);
            if (!request.containsKey("signum") && !request.containsKey("shutdown")) {
                throw new IllegalArgumentException("neither signum nor shutdown");
            }
            Object signum = request.getOrDefault("signum", 0L);
            if (!(signum instanceof Long) || (Long) signum < 0 || (Long) signum > HIGHEST_SIGNAL) {
                throw new IllegalArgumentException("no such signal");
            }
            return new Request(
                    ((Long) signum).intValue(), Long.valueOf(1).equals(request.get("shutdown")));
        }
    }

    /** A connection and what has come over it so far. */
    private static final class Open {
        final SocketChannel channel;
        final ByteBuffer received = ByteBuffer.allocate(REQUEST_BYTES + 1);
        final long deadline = System.nanoTime() + REQUEST_NANOS;

        Open(SocketChannel channel) {
            this.channel = channel;
        }
    }

    private final ServerSocketChannel listener;
    private final Consumer<Request> obey;
    private final Selector selector;
    private final ArrayDeque<Open> open = new ArrayDeque<>(); // oldest first
    private boolean complained;

    /**
     * Begin to serve.
     *
     * @param obey called for each request, in this thread: must return at once
     */
    CommPort(ServerSocketChannel listener, Consumer<Request> obey) throws LauncherError {
        this.listener = listener;
        this.obey = obey;
        try {
            selector = Selector.open();
            listener.register(selector, SelectionKey.OP_ACCEPT);
        } catch (IOException error) {
            throw new LauncherError("cannot serve the comm port: " + error.getMessage());
        }
        Thread thread = new Thread(this, "comm-port");
        thread.setDaemon(true);
        thread.setPriority(Thread.MAX_PRIORITY);
        thread.start();
    }

    /** Refuse connections from now on: to the gateway, the kernel is gone. */
    void close() {
        try {
            listener.close();
        } catch (IOException error) {
            Log.line("cannot close the comm port: " + error.getMessage());
        }
        selector.wakeup(); // a closed channel keeps its port until the selector has seen it
    }

    @Override
    public void run() {
        while (listener.isOpen()) {
            try {
                selector.select(open.isEmpty() ? 0 : millisLeft(open.peekFirst()));
                accept();
                for (SelectionKey key : selector.selectedKeys()) {
                    Open connection = (Open) key.attachment(); // none at the listener's key
                    if (connection != null && open.contains(connection)) {
                        read(connection);
                    }
                }
                selector.selectedKeys().clear();
                while (!open.isEmpty() && millisLeft(open.peekFirst()) <= 1) {
                    refuse(open.peekFirst(), "not complete in time");
                }
            } catch (IOException | RuntimeException error) {
                complain(error.getClass().getSimpleName());
            }
        }
        try {
            selector.selectNow(); // lets go of the port
        } catch (IOException error) {
            complain(error.getMessage());
        }
        for (Open connection : open.toArray(new Open[0])) {
            drop(connection);
        }
    }

    private static long millisLeft(Open connection) {
        long nanos = connection.deadline - System.nanoTime();
        return Math.max(1, TimeUnit.NANOSECONDS.toMillis(nanos));
    }

    private void accept() throws IOException {
        SocketChannel channel;
        while (listener.isOpen() && (channel = acceptOne()) != null) {
            if (open.size() >= OPEN_REQUESTS) {
                refuse(open.peekFirst(), "too many at once");
            }
            Open connection = new Open(channel);
            open.addLast(connection);
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_READ, connection);
            read(connection); // mostly all is there
        }
    }

    private SocketChannel acceptOne() throws IOException {
        try {
            return listener.accept();
        } catch (IOException error) { // it is gone again, or no file descriptor is left
            if (!open.isEmpty()) {
                refuse(open.peekFirst(), "no room left");
            }
            pause(); // don't spin until there is room
            return null;
        }
    }

    private static void pause() {
        try {
            Thread.sleep(1);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    private void read(Open connection) {
        int count;
        try {
            count = connection.channel.read(connection.received);
        } catch (IOException error) {
            drop(connection);
            return;
        }
        int length = connection.received.position();
        if (length > REQUEST_BYTES) {
            refuse(connection, "too long");
        } else if (count < 0 && length == 0) {
            drop(connection); // a port scan, a health check
        } else if (count != 0) {
            String text =
                    new String(connection.received.array(), 0, length, StandardCharsets.UTF_8);
            if (count < 0 || text.trim().endsWith("}")) {
                finish(connection, text, count < 0);
            }
        }
    }

    private void finish(Open connection, String text, boolean ended) {
        Request request;
        try {
            request = Request.parse(text);
        } catch (IllegalArgumentException error) {
            if (ended) { // else that brace was perhaps not the last
                refuse(connection, "malformed");
            }
            return;
        }
        drop(connection);
        obey.accept(request);
    }

    private void refuse(Open connection, String reason) {
        complain(reason);
        drop(connection);
    }

    private void complain(String reason) {
        if (!complained) { // once: a storm of garbage must not fill the log
            complained = true;
            Log.line("dropped a connection to the comm port: " + reason + " (further ones in silence)");
        }
    }

    private void drop(Open connection) {
        open.remove(connection);
        try {
            connection.channel.close();
        } catch (IOException error) {
            complain(error.getMessage());
        }
    }
}
