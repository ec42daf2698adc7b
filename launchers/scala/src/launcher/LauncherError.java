package launcher;

/** A failure that one line explains, without a stack trace; carries the launcher's exit code. */
final class LauncherError extends Exception {
    static final int WRONG_INPUT = 2;

    private static final long serialVersionUID = 1L;

    private final int code;

    LauncherError(String message) {
        this(message, 1);
    }

    LauncherError(String message, int code) {
        super(message);
        this.code = code;
    }

    int code() {
        return code;
    }

    static LauncherError wrongInput(String message) {
        return new LauncherError(message, WRONG_INPUT);
    }
}
