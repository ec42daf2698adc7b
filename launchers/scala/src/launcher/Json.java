package launcher;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * As much JSON as the protocol needs: flat objects are written, any text is read.
 *
 * <p>Our own, since what Spark and Toree ship differs between their versions. Reading is strict: what
 * comes over the comm port is anybody's. Whole numbers become {@code Long}, others {@code Double}.
 */
final class Json {
    private static final int DEEPEST = 32;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    /** The object's text; values are strings and numbers. */
    static String write(Map<String, ?> object) {
        StringBuilder out = new StringBuilder("{");
        String separator = "";
        for (Map.Entry<String, ?> entry : object.entrySet()) {
            out.append(separator).append(quote(entry.getKey())).append(": ");
            Object value = entry.getValue();
            out.append(value instanceof Number ? value.toString() : quote(value.toString()));
            separator = ", ";
        }
        return out.append('}').toString();
    }

    private static String quote(String plain) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : plain.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    /**
     * Read an object.
     *
     * @throws IllegalArgumentException when the text is not one JSON object
     */
    static Map<String, Object> readObject(String text) {
        Json json = new Json(text);
        json.skipSpace();
        Map<String, Object> object = json.object();
        json.skipSpace();
        if (json.at != text.length()) {
            throw wrong("something follows the object");
        }
        return object;
    }

    private Map<String, Object> object() {
        Map<String, Object> members = new LinkedHashMap<>();
        open('{');
        while (next() != '}') {
            if (!members.isEmpty()) {
                expect(',');
                skipSpace();
            }
            String name = string();
            skipSpace();
            expect(':');
            skipSpace();
            members.put(name, value());
            skipSpace();
        }
        close();
        return members;
    }

    private List<Object> array() {
        List<Object> items = new ArrayList<>();
        open('[');
        while (next() != ']') {
            if (!items.isEmpty()) {
                expect(',');
                skipSpace();
            }
            items.add(value());
            skipSpace();
        }
        close();
        return items;
    }

    private Object value() {
        switch (next()) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong("no value");
        }
        at += word.length();
        return value;
    }

    private Number number() {
        int start = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String digits = text.substring(start, at);
        if (!digits.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?")) {
            throw wrong("no value");
        }
        boolean whole = digits.length() < 18 && digits.matches("-?[0-9]+");
        return whole ? (Number) Long.valueOf(digits) : (Number) Double.valueOf(digits);
    }

    private String string() {
        expect('"');
        StringBuilder out = new StringBuilder();
        while (next() != '"') {
            char c = text.charAt(at++);
            if (c < ' ') {
                throw wrong("a control character in a string");
            }
            out.append(c == '\\' ? escaped() : c);
        }
        at++;
        return out.toString();
    }

    private char escaped() {
        char c = next();
        at++;
        int plain = "\"\\/bfnrt".indexOf(c);
        if (plain >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(plain);
        }
        if (c != 'u' || !text.substring(at).matches("(?s)[0-9a-fA-F]{4}.*")) {
            throw wrong("no such escape");
        }
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }

    private void open(char bracket) {
        expect(bracket);
        skipSpace();
        if (++depth > DEEPEST) {
            throw wrong("nested too deeply");
        }
    }

    private void close() {
        at++;
        depth--;
    }

    private char next() {
        if (at >= text.length()) {
            throw wrong("it ends too early");
        }
        return text.charAt(at);
    }

    private void expect(char wanted) {
        if (next() != wanted) {
            throw wrong("something else than " + wanted);
        }
        at++;
    }

    private void skipSpace() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private static IllegalArgumentException wrong(String what) {
        return new IllegalArgumentException("not JSON: " + what); // never with the text itself
    }
}
