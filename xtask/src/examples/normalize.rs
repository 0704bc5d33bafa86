//! What differs from run to run in the output of an example, under one name for all.

use std::sync::LazyLock;

use regex_lite::Regex;

/// In this order: a timestamp has parts that look like a duration, an address with a port is part of no
/// other.
static CHANGING: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (pattern(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"), "<id>"),
        (pattern(r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?"), "<time>"),
        (pattern(r"\b(127\.0\.0\.1|localhost|\[::1\]):\d+\b"), "$1:<port>"),
        // What was measured has a fraction or is below a second. `5s` or `2m` is what somebody configured.
        (pattern(r"\b(\d+\.\d+ ?(ns|µs|us|ms|s)|\d+ ?(ns|µs|us|ms))\b"), "<time>"),
    ]
});

#[expect(clippy::expect_used, reason = "the patterns are constants, and every test below compiles them")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

/// The text with ids, times and ports replaced, and with a line end at its end.
pub(super) fn output(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    for (changing, name) in CHANGING.iter() {
        text = changing.replace_all(&text, *name).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_replaced() {
        assert_eq!(output("id 0198f1c2-7a3b-7def-8123-456789abcdef."), "id <id>.");
        assert_eq!(output("at 2026-01-02T03:04:05.678Z: x"), "at <time>: x");
        assert_eq!(
            output("http://127.0.0.1:40213/v1, localhost:80"),
            "http://127.0.0.1:<port>/v1, localhost:<port>"
        );
        assert_eq!(output("took 1.25s, 15ms or 3 µs"), "took <time>, <time> or <time>");
    }

    #[test]
    fn what_somebody_wrote_stays() {
        for text in ["timed out after 5m", "Retry 1/3", "v0.1.0 in 3 files", "12 ms2", "10:30", "20s"] {
            assert_eq!(output(text), text);
        }
    }

    #[test]
    fn line_ends_are_those_of_the_golden_files() {
        assert_eq!(output("a\r\nb\r\n"), "a\nb\n");
    }
}
