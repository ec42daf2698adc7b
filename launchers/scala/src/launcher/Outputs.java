package launcher;

/**
 * Keeps what Toree tells on iopub in order: what a cell prints comes before its idle.
 *
 * <p>Toree has an actor for each kind of message, so that a stream and the idle after it pass through
 * two threads, and the idle may come first: clients no longer listen then, and the output is lost.
 * One thread for all of these actors takes the messages in the order in which they were sent. Its
 * throughput is so high that no actor is put off while it has messages.
 */
final class Outputs {
    private static final String[] KINDS = {
        "status", "stream", "error", "execute_input", "execute_result", "display_data",
        "clear_output", "comm_open", "comm_msg", "comm_close",
    };
    private static final String DISPATCHER = "launcher-outputs";

    private Outputs() {}

    /** Say so to the actor system that Toree will make; it looks at the JVM's properties. */
    static void inOrder() {
        System.setProperty(DISPATCHER + ".executor", "thread-pool-executor");
        System.setProperty(DISPATCHER + ".thread-pool-executor.fixed-pool-size", "1");
        System.setProperty(DISPATCHER + ".throughput", "1000");
        for (String kind : KINDS) {
            System.setProperty("akka.actor.deployment./" + kind + ".dispatcher", DISPATCHER);
        }
    }
}
