package launcher.toree;

import com.typesafe.config.Config;
import java.net.URL;
import java.util.concurrent.CountDownLatch;
import org.apache.toree.interpreter.ExecuteError;
import org.apache.toree.interpreter.ExecuteFailure;
import org.apache.toree.interpreter.Interpreter;
import org.apache.toree.interpreter.Results;
import org.apache.toree.interpreter.Results$Error$;
import org.apache.toree.interpreter.Results$Success$;
import org.apache.toree.kernel.api.KernelLike;
import org.apache.toree.kernel.interpreter.scala.ScalaInterpreter;
import scala.Option;
import scala.Tuple2;
import scala.collection.Seq;
import scala.collection.immutable.List;
import scala.collection.immutable.Map;
import scala.collection.immutable.Map$;
import scala.util.Either;
import scala.util.Left;
import scala.util.Right;

/**
 * Toree's Scala interpreter, made ready beside the kernel's first answers.
 *
 * <p>Toree answers nobody before its interpreter has compiled a dozen lines ({@code kernel}, {@code
 * spark}, {@code sc} and their imports), with a compiler that is cold. Here a thread of its own does
 * that; whoever needs the interpreter waits for it, and nobody else. Toree takes this class because
 * its reference.conf, as we build it, names it.
 */
public final class BackgroundInterpreter extends ScalaInterpreter {
    /** Set by the launcher where Spark's context is to be made as soon as the interpreter is ready. */
    private static final String EAGER = "launcher.toree.eager";

    /** What a cell without a result answers with. */
    private static final Map<String, String> NOTHING = Map$.MODULE$.empty();

    private static volatile BackgroundInterpreter only;

    private final CountDownLatch ready = new CountDownLatch(1);
    private volatile Thread worker;
    private volatile int interrupts; // of cells that wait; each ends those that wait by then

    public BackgroundInterpreter(Config config) {
        super(config);
        only = this;
    }

    /**
     * Interrupt the cells that wait for the interpreter.
     *
     * @return whether it is not ready yet; what then runs is no cell, and not to be interrupted
     */
    public static boolean interruptWaiting() {
        BackgroundInterpreter interpreter = only;
        if (interpreter == null || interpreter.ready.getCount() == 0) {
            return false;
        }
        synchronized (interpreter) {
            interpreter.interrupts++;
            interpreter.notifyAll();
        }
        return true;
    }

    @Override
    public Interpreter init(KernelLike kernel) {
        worker = new Thread(() -> work(kernel), "interpreter");
        worker.setDaemon(true);
        worker.start();
        return this;
    }

    private void work(KernelLike kernel) {
        try {
            super.init(kernel);
        } catch (Throwable error) { // a kernel without an interpreter is none
            error.printStackTrace();
            System.exit(1);
        }
        synchronized (this) {
            ready.countDown();
            notifyAll();
        }
        if (Boolean.getBoolean(EAGER)) {
            startSpark(kernel);
        }
    }

    /** As Toree's own mode `eager`; trouble with Spark is told to whoever uses it. */
    private static void startSpark(KernelLike kernel) {
        try { // by reflection: to be compiled, its result would need the whole of Spark
            KernelLike.class.getMethod("sparkSession").invoke(kernel);
        } catch (ReflectiveOperationException error) {
            System.err.println("toree-launcher: no Spark session: " + error.getCause());
        }
    }

    /**
     * Wait until the interpreter is ready.
     *
     * @return whether it is; false after an interrupt
     */
    private synchronized boolean await() {
        int before = interrupts;
        while (ready.getCount() > 0 && Thread.currentThread() != worker) {
            try {
                wait();
            } catch (InterruptedException error) {
                return false;
            }
            if (interrupts != before) {
                return false;
            }
        }
        return true;
    }

    @Override
    public Tuple2<Results.Result, Either<Map<String, String>, ExecuteFailure>> interpret(
            String code, boolean silent, Option<java.io.OutputStream> output) {
        if (Cells.isBlank(code)) { // Scala makes an error of it, and "run all" would end here
            return new Tuple2<>(Results$Success$.MODULE$, new Left<>(NOTHING));
        }
        if (await()) {
            return super.interpret(code, silent, output);
        }
        ExecuteFailure failure =
                new ExecuteError(
                        InterruptedException.class.getName(),
                        "interrupted before the interpreter was ready",
                        List.<String>empty());
        return new Tuple2<>(Results$Error$.MODULE$, new Right<>(failure));
    }

    @Override
    public Tuple2<Object, List<String>> completion(String code, int position) {
        return await() ? super.completion(code, position) : new Tuple2<>(position, List.empty());
    }

    @Override
    public Tuple2<String, String> isComplete(String code) {
        return await() ? super.isComplete(code) : new Tuple2<>("unknown", "");
    }

    @Override
    public void addJars(Seq<URL> jars) {
        if (await()) {
            super.addJars(jars);
        }
    }
}
