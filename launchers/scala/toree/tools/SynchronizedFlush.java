import java.nio.file.Files;
import java.nio.file.Path;
import jdk.internal.org.objectweb.asm.ClassReader;
import jdk.internal.org.objectweb.asm.ClassVisitor;
import jdk.internal.org.objectweb.asm.ClassWriter;
import jdk.internal.org.objectweb.asm.MethodVisitor;
import jdk.internal.org.objectweb.asm.Opcodes;

/**
 * Makes {@code flush()} of a class synchronized.
 *
 * <p>Toree flushes what a cell has printed by a timer, after 10 ms, and at the cell's end. Where the
 * timer has taken the text and not sent it yet, the flush of the end finds nothing and the cell
 * becomes idle; the text comes after that, when clients no longer listen. No release of Toree has
 * this mended, 0.6.0 neither.
 *
 * <p>Argument: the class file, which is overwritten. Refused is one without such a method, and one
 * whose method is synchronized by itself: this step is then no longer needed.
 */
final class SynchronizedFlush extends ClassVisitor {
    private boolean changed;

    private SynchronizedFlush(ClassWriter writer) {
        super(Opcodes.ASM8, writer);
    }

    @Override
    public MethodVisitor visitMethod(
            int access, String name, String descriptor, String signature, String[] exceptions) {
        int wanted = access;
        if (name.equals("flush") && descriptor.equals("()V")) {
            wanted |= Opcodes.ACC_SYNCHRONIZED;
            changed = wanted != access;
        }
        return super.visitMethod(wanted, name, descriptor, signature, exceptions);
    }

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]);
        ClassReader reader = new ClassReader(Files.readAllBytes(file));
        ClassWriter writer = new ClassWriter(reader, 0);
        SynchronizedFlush visitor = new SynchronizedFlush(writer);
        reader.accept(visitor, 0);
        if (!visitor.changed) {
            System.err.println(file + ": flush() is not there, or is synchronized by itself");
            System.exit(1);
        }
        Files.write(file, writer.toByteArray());
    }
}
