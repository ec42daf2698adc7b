package launcher;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Ends the running cell, without a signal.
 *
 * <p>Toree's own way, at a signal, asks for the Spark context to cancel its jobs, and so would start
 * Spark in kernels that have no use for it; and it leaves a cell that computes without ever waiting
 * running in the background. Here Spark's jobs are cancelled if there is a context; the thread that
 * runs the cell is interrupted; and if that is of no use, stopped, where the JVM still can (up to
 * Java 19). A cell is told by the class that the Scala interpreter makes for it, so nobody's next cell
 * is hit.
 */
final class Interrupter implements Runnable {
    private static final String WORKERS = "task-manager-"; // Toree's threads that run cells
    private static final Pattern CELL = Pattern.compile("(\\$line\\d+)\\..*");
    private static final int POLL_MILLIS = 10;
    private static final int GRACE_POLLS = 100; // then a cell that only computes is stopped
    private static final int LAST_POLL = 500;

    private final Semaphore wishes = new Semaphore(0);
    private final Toree toree;

    Interrupter(Toree toree) {
        this.toree = toree;
        Thread thread = new Thread(this, "interrupter");
        thread.setDaemon(true);
        thread.start();
    }

    /** Interrupt what runs now; returns at once. */
    void interrupt() {
        wishes.release();
    }

    @Override
    public void run() {
        while (true) {
            try {
                wishes.acquire();
                wishes.drainPermits();
                if (!toree.interruptWaiting()) {
                    cancelSparkJobs();
                    interruptCells();
                }
            } catch (InterruptedException error) {
                return;
            } catch (RuntimeException error) {
                Log.line("cannot interrupt: " + error.getClass().getSimpleName());
            }
        }
    }

    private static void interruptCells() throws InterruptedException {
        Map<Thread, String> cells = runningCells();
        for (int poll = 0; !cells.isEmpty() && poll < LAST_POLL; poll++) {
            for (Thread thread : cells.keySet()) {
                if (poll >= GRACE_POLLS && poll % GRACE_POLLS == 0) {
                    stop(thread);
                } else if (poll % GRACE_POLLS == 0) {
                    thread.interrupt();
                }
            }
            Thread.sleep(POLL_MILLIS);
            cells.entrySet().removeIf(e -> !e.getValue().equals(cell(e.getKey().getStackTrace())));
        }
    }

    private static Map<Thread, String> runningCells() {
        Map<Thread, String> cells = new HashMap<>();
        Thread.getAllStackTraces()
                .forEach(
                        (thread, stack) -> {
                            String cell = thread.getName().startsWith(WORKERS) ? cell(stack) : "";
                            if (!cell.isEmpty()) {
                                cells.put(thread, cell);
                            }
                        });
        return cells;
    }

    /** The cell that a thread runs, from its outermost frame of one; empty where it runs none. */
    private static String cell(StackTraceElement[] stack) {
        for (int i = stack.length - 1; i >= 0; i--) {
            Matcher matcher = CELL.matcher(stack[i].getClassName());
            if (matcher.matches()) {
                return matcher.group(1);
            }
        }
        return "";
    }

    @SuppressWarnings("deprecation") // the only way to end a loop that does not look up
    private static void stop(Thread thread) {
        try {
            thread.stop();
        } catch (UnsupportedOperationException error) {
            Log.line("this JVM cannot stop a cell that computes; it runs on");
        }
    }

    private void cancelSparkJobs() {
        try {
            Class<?> type = Class.forName("org.apache.spark.SparkContext", true, toree.loader());
            Class<?> companion = Class.forName(type.getName() + "$", true, toree.loader());
            Object contexts = companion.getField("MODULE$").get(null);
            Object active = companion.getMethod("getActive").invoke(contexts);
            Class<?> option = Class.forName("scala.Option", true, toree.loader());
            if ((Boolean) option.getMethod("isDefined").invoke(active)) {
                Object context = option.getMethod("get").invoke(active);
                type.getMethod("cancelAllJobs").invoke(context);
            }
        } catch (ClassNotFoundException | LinkageError error) {
            // no Spark, no jobs
        } catch (ReflectiveOperationException error) { // stopped, or just being made
            Log.line("cannot cancel Spark's jobs: " + error.getClass().getSimpleName());
        }
    }
}
