package launcher;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.LinkedHashMap;
import java.util.Map;

/** What Toree is to bind and to sign with, and the file that tells it so. */
final class ConnectionFile {
    private static final int KEY_BYTES = 32;
    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private final Path path;
    private final Map<String, Object> info;
    private final boolean ours;

    private ConnectionFile(Path path, Map<String, Object> info, boolean ours) {
        this.path = path;
        this.info = info;
        this.ours = ours;
    }

    Path path() {
        return path;
    }

    /** Connection info: ports, key and so on. */
    Map<String, Object> info() {
        return new LinkedHashMap<>(info);
    }

    /**
     * Write a file for this user's eyes only, with a new key.
     *
     * @param wanted where to write it; empty for a name of our own in the temporary folder
     */
    static ConnectionFile write(Ports ports, String kernelId, String wanted, Map<String, String> env)
            throws LauncherError {
        Map<String, Object> info = new LinkedHashMap<>(ports.numbers());
        info.put("ip", Ports.ALL_INTERFACES); // the gateway puts in the address it knows us under
        info.put("transport", "tcp");
        info.put("signature_scheme", "hmac-sha256");
        info.put("key", newKey());
        info.put("kernel_name", "Apache Toree Scala");
        try {
            Path path =
                    wanted.isEmpty()
                            ? temporary(kernelId, env)
                            : Files.createFile(Paths.get(wanted), OWNER_ONLY);
            Files.write(path, Json.write(info).getBytes(StandardCharsets.UTF_8));
            return new ConnectionFile(path, info, true);
        } catch (IOException error) {
            throw new LauncherError("cannot write the connection file: " + error);
        }
    }

    /** Read a file that somebody else has made; it stays where it is. */
    static ConnectionFile read(String given) throws LauncherError {
        Path path = Paths.get(given);
        try {
            byte[] bytes = Files.readAllBytes(path);
            Map<String, Object> info = Json.readObject(new String(bytes, StandardCharsets.UTF_8));
            for (String name : Ports.NAMES) {
                if (!(info.get(name) instanceof Long)) {
                    throw LauncherError.wrongInput(given + " has no " + name);
                }
            }
            return new ConnectionFile(path, info, false);
        } catch (IOException | IllegalArgumentException error) {
            String kind = error.getClass().getSimpleName(); // its text may hold the key
            throw LauncherError.wrongInput("cannot read " + given + ": " + kind);
        }
    }

    /** The port numbers in it. */
    Map<String, Integer> ports() {
        Map<String, Integer> ports = new LinkedHashMap<>();
        for (String name : Ports.NAMES) {
            ports.put(name, ((Number) info.get(name)).intValue());
        }
        return ports;
    }

    /** Remove the file, if it is ours and still there. */
    void delete() {
        if (ours) {
            try {
                Files.deleteIfExists(path);
            } catch (IOException error) {
                Log.line("cannot remove the connection file: " + error.getMessage());
            }
        }
    }

    private static Path temporary(String kernelId, Map<String, String> env) throws IOException {
        String safeId = kernelId.replaceAll("[^A-Za-z0-9.-]", "_");
        String prefix = "kernel-" + safeId.substring(0, Math.min(100, safeId.length())) + "_";
        Path folder = Paths.get(env.getOrDefault("TMPDIR", ""));
        if (folder.toString().isEmpty() || !Files.isDirectory(folder)) {
            return Files.createTempFile(prefix, ".json", OWNER_ONLY);
        }
        return Files.createTempFile(folder, prefix, ".json", OWNER_ONLY);
    }

    private static String newKey() {
        byte[] bytes = new byte[KEY_BYTES];
        new SecureRandom().nextBytes(bytes);
        StringBuilder key = new StringBuilder();
        for (byte b : bytes) {
            key.append(String.format("%02x", b));
        }
        return key.toString();
    }
}
