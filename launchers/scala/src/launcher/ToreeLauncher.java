package launcher;

import java.io.File;
import java.io.IOException;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Starts Apache Toree for Jupyter Enterprise Gateway, and sees to its end.
 *
 * <p>Runs in Toree's JVM, which under spark-submit in client mode is the Spark driver, too. Puts the
 * other classes together; docs/launchers.md has the whole picture.
 */
public final class ToreeLauncher {
    private static final int SIGNALLED = 128; // exit code 128 + n: ended by signal n
    private static final long EXIT_GRACE = 1300; // after a shutdown request Toree exits by itself
    private static final long READY_POLL = 100;
    private static final int PATIENCE = 4; // launch timeouts until a Toree that is deaf is given up

    private final Options options;
    private final Toree toree;
    private final long started; // nanoseconds, as all times here
    private final long timeout; // the gateway's, for the report
    private final int alternateSigint;
    private Interrupter interrupter;
    private CommPort commPort;

    private ToreeLauncher(Options options, long started, Map<String, String> env)
            throws LauncherError {
        this.options = options;
        this.started = started;
        this.timeout = TimeUnit.MILLISECONDS.toNanos(Options.launchTimeout(env));
        this.alternateSigint = alternateSigint(options, env);
        this.toree = Toree.find();
    }

    /** The program. */
    public static void main(String[] args) {
        long started = System.nanoTime();
        Map<String, String> env = System.getenv();
        try {
            Options options = Options.parse(args, env);
            new ToreeLauncher(options, started, env).launch(env);
            System.exit(0);
        } catch (LauncherError error) {
            fail(error);
        }
    }

    private void launch(Map<String, String> env) throws LauncherError {
        Iterator<Integer> candidates = options.portRange.candidates();
        boolean given = !options.profile.isEmpty() && new File(options.profile).exists();
        ConnectionFile file;
        Ports ports;
        if (given) {
            file = ConnectionFile.read(options.profile);
            ports = Ports.given(file.ports());
        } else {
            ports = Ports.hold(candidates);
            file = ConnectionFile.write(ports, options.kernelId, options.profile, env);
        }
        Ending.finallyDo(() -> end(file));
        for (String name : new String[] {"TERM", "HUP"}) {
            int code = SIGNALLED + Signals.number(name);
            Signals.handle(name, () -> Ending.wish(code, 0));
        }
        interrupter = new Interrupter(toree);
        byte[] payload = null;
        if (options.responseAddress != null) {
            ServerSocketChannel listener = Ports.listen(candidates, CommPort.BACKLOG);
            payload = payload(file, listener.socket().getLocalPort());
            commPort = new CommPort(listener, this::obey);
        }
        ports.share();
        watch(ports, file, payload);
        toree.run(toree.arguments(options, file));
    }

    private byte[] payload(ConnectionFile file, int port) throws LauncherError {
        Map<String, Object> info = file.info();
        info.put("kernel_id", options.kernelId);
        info.put("comm_port", port);
        info.putAll(processIds());
        return Seal.seal(info, options.publicKey);
    }

    /** Our ids, from Linux; the gateway does without where there are none. */
    private static Map<String, Long> processIds() {
        Map<String, Long> ids = new LinkedHashMap<>();
        try {
            byte[] bytes = Files.readAllBytes(new File("/proc/self/stat").toPath());
            String stat = new String(bytes, StandardCharsets.ISO_8859_1);
            // the name, in parentheses, may hold anything; after it: state, parent, group
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            ids.put("pid", Long.valueOf(stat.substring(0, stat.indexOf(' '))));
            ids.put("pgid", Long.valueOf(fields[2]));
        } catch (IOException | RuntimeException error) {
            Log.line("no process ids: " + error.getClass().getSimpleName());
        }
        return ids;
    }

    /**
     * What is to be done while Toree starts, in a thread beside it.
     *
     * <p>The report is sent when Toree listens. On a machine that is very busy that may be too late for
     * the gateway, so it goes out after a third of the launch timeout in any case: clients try again.
     */
    private void watch(Ports ports, ConnectionFile file, byte[] payload) {
        Thread thread =
                new Thread(
                        () -> {
                            try {
                                boolean listens = ports.waitUntilTaken(started + timeout / 3).isEmpty();
                                if (listens) {
                                    file.delete(); // Toree has read it
                                }
                                if (payload != null) {
                                    Report.deliver(payload, options.responseAddress, started + timeout);
                                    Log.line("the gateway has the connection info");
                                }
                                String silent = ports.waitUntilTaken(started + PATIENCE * timeout);
                                if (!silent.isEmpty()) {
                                    throw new LauncherError("Toree does not listen on its " + silent);
                                }
                                file.delete();
                                takeOverInterrupts();
                            } catch (LauncherError error) {
                                fail(error);
                            } catch (InterruptedException error) {
                                Log.line("somebody has interrupted the launcher");
                            }
                        },
                        "launcher");
        thread.setDaemon(true);
        thread.start();
    }

    /** Replace Toree's signal handlers by ours, once they are set: see {@link Interrupter}. */
    private void takeOverInterrupts() throws InterruptedException {
        while (!Toree.isReady()) {
            Thread.sleep(READY_POLL);
        }
        Signals.handle("INT", interrupter::interrupt);
        if (!options.alternateSigint.isEmpty()) {
            Signals.handle(options.alternateSigint, interrupter::interrupt);
        }
    }

    private void obey(CommPort.Request request) {
        int number = request.signum;
        if (number == Signals.INT || (number != 0 && number == alternateSigint)) {
            interrupter.interrupt();
        } else if (number == Signals.TERM || number == Signals.KILL || number == Signals.HUP) {
            Ending.wish(SIGNALLED + number, 0);
        }
        if (request.shutdown) {
            Log.line("the gateway has asked for the shutdown");
            commPort.close();
            Ending.wish(0, EXIT_GRACE);
        }
    }

    private void end(ConnectionFile file) {
        file.delete();
        if (commPort != null) {
            commPort.close();
        }
    }

    /** The number that stands for an interrupt beside SIGINT's, 0 for none. */
    private static int alternateSigint(Options options, Map<String, String> env)
            throws LauncherError {
        String number = env.getOrDefault("EG_ALTERNATE_SIGINT", "").trim();
        if (number.matches("[0-9]{1,2}")) {
            return Integer.parseInt(number);
        }
        return options.alternateSigint.isEmpty() ? 0 : Signals.number(options.alternateSigint);
    }

    private static void fail(LauncherError error) {
        Log.line("error: " + error.getMessage());
        System.exit(error.code());
    }
}
