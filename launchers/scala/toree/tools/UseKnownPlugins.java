import java.nio.file.Files;
import java.nio.file.Path;
import jdk.internal.org.objectweb.asm.ClassReader;
import jdk.internal.org.objectweb.asm.ClassVisitor;
import jdk.internal.org.objectweb.asm.ClassWriter;
import jdk.internal.org.objectweb.asm.MethodVisitor;
import jdk.internal.org.objectweb.asm.Opcodes;

/**
 * Makes a class take {@code launcher.toree.KnownPlugins} where it makes a {@code PluginSearcher}.
 *
 * <p>Argument: the class file, which is overwritten. Refused is one that makes none.
 */
final class UseKnownPlugins extends ClassVisitor {
    private static final String SEARCHER = "org/apache/toree/plugins/PluginSearcher";
    private static final String KNOWN = "launcher/toree/KnownPlugins";

    private int changed;

    private UseKnownPlugins(ClassWriter writer) {
        super(Opcodes.ASM8, writer);
    }

    @Override
    public MethodVisitor visitMethod(
            int access, String name, String descriptor, String signature, String[] exceptions) {
        MethodVisitor next = super.visitMethod(access, name, descriptor, signature, exceptions);
        return new MethodVisitor(Opcodes.ASM8, next) {
            @Override
            public void visitTypeInsn(int opcode, String type) {
                boolean made = opcode == Opcodes.NEW && type.equals(SEARCHER);
                super.visitTypeInsn(opcode, made ? KNOWN : type);
            }

            @Override
            public void visitMethodInsn(
                    int opcode, String owner, String name, String descriptor, boolean isInterface) {
                boolean made = owner.equals(SEARCHER) && name.equals("<init>");
                changed += made ? 1 : 0;
                super.visitMethodInsn(
                        opcode, made ? KNOWN : owner, name, descriptor, isInterface);
            }
        };
    }

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]);
        ClassReader reader = new ClassReader(Files.readAllBytes(file));
        ClassWriter writer = new ClassWriter(reader, 0);
        UseKnownPlugins visitor = new UseKnownPlugins(writer);
        reader.accept(visitor, 0);
        if (visitor.changed == 0) {
            System.err.println(file + ": makes no PluginSearcher");
            System.exit(1);
        }
        Files.write(file, writer.toByteArray());
    }
}
