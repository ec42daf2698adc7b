package launcher.toree;

/** Stands for the interpreter that is added to Toree. */
public final class BackgroundInterpreter {
    /** Whether cells would have to wait for it. */
    public static volatile boolean ready = true;

    private BackgroundInterpreter() {}

    public static boolean interruptWaiting() {
        if (!ready) {
            System.out.println("interrupted: cells that wait");
        }
        return !ready;
    }
}
