package $line1;

/** A cell, in a package as the Scala interpreter names them. */
public final class Cell {
    public static long turns;

    public static void sleep() throws InterruptedException {
        Thread.sleep(600_000);
    }

    public static void spin() {
        while (turns >= 0) {
            turns++;
        }
    }
}
