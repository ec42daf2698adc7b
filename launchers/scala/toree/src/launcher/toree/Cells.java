package launcher.toree;

/** What can be said of a cell without a compiler. */
final class Cells {
    private Cells() {}

    /**
     * Whether there is nothing in a cell to run: blanks, comments, and semicolons alone.
     *
     * <p>A comment that does not end counts as something: the compiler tells that.
     */
    static boolean isBlank(String code) {
        int at = 0;
        while (at < code.length()) {
            int after = code.startsWith("//", at) ? endOfLine(code, at) : endOfComment(code, at);
            if (after == at) {
                char next = code.charAt(at);
                if (!Character.isWhitespace(next) && next != ';') {
                    return false;
                }
                after = at + 1;
            }
            at = after;
        }
        return true;
    }

    private static int endOfLine(String code, int start) {
        int end = code.indexOf('\n', start);
        return end < 0 ? code.length() : end;
    }

    /** Where the comment that begins here ends, and all those in it; here, if there is none. */
    private static int endOfComment(String code, int start) {
        int depth = 0;
        int at = start;
        do {
            if (code.startsWith("/*", at)) {
                depth++;
                at += 2;
            } else if (depth > 0 && code.startsWith("*/", at)) {
                depth--;
                at += 2;
            } else if (depth > 0) {
                at++;
            }
        } while (depth > 0 && at < code.length());
        return depth == 0 ? at : start;
    }
}
