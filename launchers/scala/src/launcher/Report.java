package launcher;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.concurrent.TimeUnit;

/**
 * Brings the payload to the gateway, trying again and again until it has it.
 *
 * <p>The gateway reads to the end and closes, without a word. So its orderly close is the receipt; a
 * reset (it restarted, its queue was full, a proxy had nobody behind it) asks for another try. It
 * serves one connection at a time, so once all is sent we wait for our turn.
 */
final class Report {
    private static final int TRY_MILLIS = 3000; // to connect
    private static final long FIRST_PAUSE = 100; // between two tries, doubled each time
    private static final long LONGEST_PAUSE = 2000;

    private Report() {}

    /** Deliver, by the deadline ({@link System#nanoTime}). */
    static void deliver(byte[] payload, Address to, long deadline)
            throws LauncherError, InterruptedException {
        String problem = "no time left";
        for (long pause = FIRST_PAUSE; millisUntil(deadline) > 0; ) {
            try {
                deliverOnce(payload, to, deadline);
                return;
            } catch (IOException error) {
                problem = error.getMessage();
            }
            Thread.sleep(Math.max(0, Math.min(pause, millisUntil(deadline))));
            pause = Math.min(2 * pause, LONGEST_PAUSE);
        }
        throw new LauncherError("nobody takes the connection info: " + problem);
    }

    private static void deliverOnce(byte[] payload, Address to, long deadline) throws IOException {
        try (Socket socket = new Socket()) {
            int patience = (int) Math.max(1, Math.min(TRY_MILLIS, millisUntil(deadline)));
            socket.connect(new InetSocketAddress(to.host, to.port), patience);
            socket.getOutputStream().write(payload);
            socket.shutdownOutput();
            socket.setSoTimeout((int) Math.max(1, millisUntil(deadline)));
            InputStream answer = socket.getInputStream();
            byte[] ignored = new byte[1024];
            while (answer.read(ignored) >= 0) {
                // anything may come; only the end matters
            }
        } catch (SocketTimeoutException late) {
            if (millisUntil(deadline) > 0) {
                throw late; // could not even connect
            }
            // Sent whole to somebody who has not refused it: the gateway, with a long queue.
        }
    }

    private static long millisUntil(long deadline) {
        return TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
    }
}
