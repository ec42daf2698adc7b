# shellcheck shell=sh
# What all run.sh scripts share: sourced by them, beside them in a kernelspec.
#
# Options come as one text (SPARK_OPTS, LAUNCH_OPTS, ...), so they have to be split into words and
# references in them replaced. `eval` would do it, and would also run whatever a client writes into
# KERNEL_EXTRA_SPARK_OPTS. `words` does no more than this:
#   blanks separate words; quotes of both kinds and backslashes keep them together;
#   $NAME, ${NAME} and ${NAME:-text} outside of single quotes stand for a variable's value;
#   a value is one piece of its word, blanks included, and nothing in it is looked at again;
#   but where a word is one reference and nothing else, as ${KERNEL_EXTRA_SPARK_OPTS:-}, its value
#   is split into words as well (quotes count, references in it do not).

fail() { # CODE MESSAGE
    printf 'run.sh: error: %s\n' "$2" >&2
    exit "$1"
}

words() { # TEXT; prints one word a line
    # The text goes through the environment: awk would read backslashes in an assignment.
    OPTIONS_TEXT=$1 awk '
        function fold(text) { # a word is a line, so it may have no line ends
            gsub(/[\r\n]/, " ", text)
            return text
        }
        function end_of_word() {
            if (begun) print fold(word)
            begun = 0; word = ""
        }
        # A reference at the start of `rest`: sets `length_of_it` (0: there is none), and its value.
        function reference(rest,    body, name, at) {
            length_of_it = 0; value_of_it = ""
            if (match(rest, /^[$][{][A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?[}]/)) {
                length_of_it = RLENGTH
                body = substr(rest, 3, RLENGTH - 3)
                at = index(body, ":-")
                name = at ? substr(body, 1, at - 1) : body
                value_of_it = ENVIRON[name]
                if (value_of_it == "" && at) value_of_it = substr(body, at + 2)
            } else if (match(rest, /^[$][A-Za-z_][A-Za-z0-9_]*/)) {
                length_of_it = RLENGTH
                value_of_it = ENVIRON[substr(rest, 2, RLENGTH - 1)]
            }
        }
        function split_words(text, replace,    at, c, quote, after) {
            quote = ""
            for (at = 1; at <= length(text); at++) {
                c = substr(text, at, 1)
                if (quote == "" && c ~ /[ \t\r\n]/) { end_of_word(); continue }
                if (c == quote) { quote = ""; continue }
                if (quote == "" && (c == "\"" || c == SINGLE)) { quote = c; begun = 1; continue }
                if (c == "\\" && quote != SINGLE && at < length(text)) {
                    word = word substr(text, ++at, 1); begun = 1
                    continue
                }
                if (c == "$" && replace && quote != SINGLE) {
                    reference(substr(text, at))
                    if (length_of_it) {
                        at += length_of_it - 1
                        after = substr(text, at + 1, 1)
                        if (!begun && quote == "" && (after == "" || after ~ /[ \t\r\n]/)) {
                            if (split_words(value_of_it, 0)) return 1
                            end_of_word()
                        } else { word = word value_of_it; begun = 1 }
                        continue
                    }
                }
                word = word c; begun = 1
            }
            if (quote != "") return 1
            if (replace) end_of_word()
            return 0
        }
        BEGIN {
            SINGLE = sprintf("%c", 39)
            if (split_words(ENVIRON["OPTIONS_TEXT"], 1)) {
                print "run.sh: error: a quote without an end in SPARK_OPTS, TOREE_OPTS," \
                    " LAUNCH_OPTS or KERNEL_EXTRA_SPARK_OPTS" > "/dev/stderr"
                exit 65
            }
        }'
}

user_name() { # prints KERNEL_USERNAME, which becomes an argument of sudo or spark-submit
    case ${KERNEL_USERNAME:-} in
        # sudo takes "#0" for a number, and both programs a dash for an option.
        '' | -* | *[!A-Za-z0-9._@-]*) fail 65 'KERNEL_USERNAME is not the name of a user' ;;
    esac
    printf '%s\n' "$KERNEL_USERNAME"
}

need_spark() {
    [ -x "${SPARK_HOME:-}/bin/spark-submit" ] ||
        fail 66 "no spark-submit in SPARK_HOME=${SPARK_HOME:-}; fix: correct it in kernel.json"
}
