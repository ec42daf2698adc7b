package launcher;

import java.util.concurrent.TimeUnit;

/**
 * How the JVM ends: whatever asks for it, it is over within two seconds.
 *
 * <p>Exit hooks (Spark's, Toree's, the user's) may take long or hang, so the JVM is halted when their
 * time is up. What must be done in any case is done first, in a hook of our own.
 */
final class Ending {
    private static final long KILL_MILLIS = 1750; // from the wish to end to the halt
    private static final long HOOK_MILLIS = 1400; // from the exit's begin, if nobody has asked us

    private static volatile int exitCode; // 0 where Toree exits by itself, after a shutdown request
    private static volatile boolean wished;

    private Ending() {}

    /** Do something at the JVM's exit, before it can be halted. */
    static void finallyDo(Runnable action) {
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(
                                () -> {
                                    if (!wished) {
                                        haltAfter(HOOK_MILLIS);
                                    }
                                    action.run();
                                    Children.kill();
                                }));
    }

    /**
     * End the JVM; returns at once. The first wish counts.
     *
     * @param graceMillis time in which Toree may exit by itself
     */
    static synchronized void wish(int code, long graceMillis) {
        if (wished) {
            return;
        }
        wished = true;
        exitCode = code;
        haltAfter(KILL_MILLIS);
        inThread(
                () -> {
                    sleep(graceMillis);
                    System.exit(code);
                });
    }

    private static void haltAfter(long millis) {
        inThread(
                () -> {
                    sleep(millis);
                    Runtime.getRuntime().halt(exitCode);
                });
    }

    private static void inThread(Runnable action) {
        Thread thread = new Thread(action, "ending");
        thread.setDaemon(true);
        thread.start();
    }

    private static void sleep(long millis) {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
        for (long left = millis; left > 0; ) {
            try {
                Thread.sleep(left);
            } catch (InterruptedException error) {
                Log.line("somebody interrupts the ending"); // it goes on all the same
            }
            left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        }
    }
}
