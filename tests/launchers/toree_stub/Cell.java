package $line1;

/** A cell, in a package as the Scala interpreter names them; who interrupts finds it by that. */
public final class Cell {
    public static long turns;

    public static void sleep() throws InterruptedException {
        System.out.println("begun: sleep");
        Thread.sleep(600_000);
    }

    public static void spin() {
        System.out.println("begun: spin");
        while (turns >= 0) {
            turns++;
        }
    }
}
