import java.nio.file.Files;
import java.nio.file.Path;
import jdk.internal.org.objectweb.asm.ClassReader;
import jdk.internal.org.objectweb.asm.ClassVisitor;
import jdk.internal.org.objectweb.asm.ClassWriter;
import jdk.internal.org.objectweb.asm.MethodVisitor;
import jdk.internal.org.objectweb.asm.Opcodes;

/**
 * Hands empty cells to the interpreter, too, which answers for all cells without code.
 *
 * <p>Toree compares a cell's trimmed code with the empty text, and answers by itself then: in 0.5.0
 * with a text where a mapping belongs, which ends in an error. Here it is compared with a text that
 * no trimmed one is.
 *
 * <p>Argument: the class file, which is overwritten. Refused is one that compares no trimmed text
 * with the empty one.
 */
final class InterpretEmptyCells extends ClassVisitor {
    private boolean changed;

    private InterpretEmptyCells(ClassWriter writer) {
        super(Opcodes.ASM8, writer);
    }

    @Override
    public MethodVisitor visitMethod(
            int access, String name, String descriptor, String signature, String[] exceptions) {
        MethodVisitor next = super.visitMethod(access, name, descriptor, signature, exceptions);
        return new MethodVisitor(Opcodes.ASM8, next) {
            private boolean trimmed; // and no constant since

            @Override
            public void visitMethodInsn(
                    int opcode, String owner, String name, String descriptor, boolean isInterface) {
                trimmed = owner.equals("java/lang/String") && name.equals("trim");
                super.visitMethodInsn(opcode, owner, name, descriptor, isInterface);
            }

            @Override
            public void visitLdcInsn(Object value) {
                boolean compared = trimmed && value.equals("");
                changed |= compared;
                trimmed = false;
                super.visitLdcInsn(compared ? "\0" : value);
            }
        };
    }

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]);
        ClassReader reader = new ClassReader(Files.readAllBytes(file));
        ClassWriter writer = new ClassWriter(reader, 0);
        InterpretEmptyCells visitor = new InterpretEmptyCells(writer);
        reader.accept(visitor, 0);
        if (!visitor.changed) {
            System.err.println(file + ": compares no trimmed text with the empty one");
            System.exit(1);
        }
        Files.write(file, writer.toByteArray());
    }
}
