//! The words of a question that are worth a search.

/// How many words one question is searched for at most.
const MAX_WORDS: usize = 4;
/// The longest quoted string that is searched for, in characters. Longer ones are prose, not names.
const MAX_QUOTED: usize = 80;
/// The shortest word that counts, in characters; names like `fn_x` or `v2.0` may be shorter.
const MIN_WORD: usize = 3;

/// Words that say what is wanted rather than what it is about.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "about", "all", "also", "and", "any", "anything", "are", "aren", "been", "being", "but", "can", "code",
    "codebase", "contain", "contains", "could", "describe", "did", "didn", "directories", "directory",
    "does", "doesn", "don", "done", "each", "every", "everything", "explain", "file", "files", "find",
    "folder", "folders", "for", "from", "get", "give", "had", "handle", "handled", "handles", "happen",
    "happens", "has", "have", "here", "how", "into", "isn", "its", "just", "know", "let", "like", "line",
    "lines", "list", "look", "make", "many", "may", "mean", "means", "mention", "mentioned", "might",
    "more", "most", "much", "must", "need", "not", "occur", "occurs", "one", "only", "our", "out", "over",
    "please", "project", "read", "repo", "repository", "say", "says", "search", "see", "should", "show",
    "some", "something", "summarise", "summarize", "summary", "tell", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "thing", "things", "this", "those", "through", "use", "used",
    "uses", "using", "want", "was", "were", "what", "when", "where", "which", "who", "whose", "why", "will",
    "with", "work", "works", "would", "you", "your",
];

/// What to search for: the quoted strings, else the names, then the other significant words, each once.
pub(super) fn words(prompt: &str) -> Vec<String> {
    let quoted = quoted(prompt);
    let found = if quoted.is_empty() { significant(prompt) } else { quoted };
    let mut words: Vec<String> = Vec::new();
    for word in found {
        if words.len() < MAX_WORDS && !words.iter().any(|known| known.eq_ignore_ascii_case(&word)) {
            words.push(word);
        }
    }
    words
}

/// A wider form of a word that was not found: the longest part of a compound, or the stem.
pub(super) fn widened(word: &str) -> Option<String> {
    let longest =
        word.split(|c: char| !c.is_alphanumeric()).max_by_key(|part| part.len()).unwrap_or_default();
    let stem = ["ations", "ation", "ings", "ing", "ies", "ers", "ed", "es", "er", "s"]
        .iter()
        .find_map(|ending| longest.strip_suffix(ending))
        .filter(|stem| stem.chars().count() > MIN_WORD)
        .unwrap_or(longest);
    (stem.chars().count() >= MIN_WORD && stem != word).then(|| stem.to_owned())
}

/// Every word-like piece of a text, names like `src/main.rs` or `Agent::new` in one piece.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !"_-./:".contains(c))
        .map(|token| token.trim_matches(['.', ':', '/', '-']))
        .filter(|token| !token.is_empty())
}

fn quoted(prompt: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = prompt;
    while let Some((open, mark)) = rest.char_indices().find(|(at, c)| opens(rest, *at, *c)) {
        let (_, inside) = rest.split_at(open + mark.len_utf8());
        let Some(length) = inside.find(closing(mark)) else {
            rest = inside;
            continue;
        };
        let (text, after) = inside.split_at(length);
        if !text.trim().is_empty() && text.chars().count() <= MAX_QUOTED && !text.contains('\n') {
            found.push(text.trim().to_owned());
        }
        rest = after.get(closing(mark).len_utf8()..).unwrap_or_default();
    }
    found
}

/// Whether a quotation begins here; an apostrophe within a word begins none.
fn opens(text: &str, at: usize, mark: char) -> bool {
    let after_word =
        text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(char::is_alphanumeric);
    matches!(mark, '"' | '`' | '“' | '«') || (mark == '\'' && !after_word)
}

fn closing(mark: char) -> char {
    match mark {
        '“' => '”',
        '«' => '»',
        other => other,
    }
}

fn significant(prompt: &str) -> Vec<String> {
    let is_significant = |word: &&str| {
        is_name(word)
            || (word.chars().count() >= MIN_WORD && !STOP_WORDS.contains(&word.to_lowercase().as_str()))
    };
    let (mut names, others): (Vec<_>, Vec<_>) =
        tokens(prompt).filter(is_significant).map(str::to_owned).partition(|word| is_name(word));
    names.extend(others);
    names
}

/// Whether a word is a name from the code rather than one of a language: `run_id`, `Agent::new`, `main.rs`.
fn is_name(word: &str) -> bool {
    let has_inner_capital =
        word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    has_inner_capital || word.contains(['_', '.', '/']) || word.contains("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_come_first_and_alone() {
        assert_eq!(words(r#"Where does it say "not found" or `fn main`?"#), ["not found", "fn main"]);
        assert_eq!(words("Wo steht “Fehler” und «Ende»?"), ["Fehler", "Ende"]);
        assert_eq!(words("What is 'retry' for?"), ["retry"]);
    }

    #[test]
    fn an_apostrophe_or_an_open_quote_quotes_nothing() {
        assert_eq!(words("Why doesn't the parser's cache expire?"), ["parser", "cache", "expire"]);
        assert_eq!(words(r#"the "parser"#), ["parser"]);
    }

    #[test]
    fn names_come_before_other_words() {
        assert_eq!(
            words("How does the retry policy of Agent::new and runTurn use max_turns, please?"),
            ["Agent::new", "runTurn", "max_turns", "retry"]
        );
    }

    #[test]
    fn a_question_without_content_has_no_words() {
        assert!(words("What is in this folder?").is_empty());
        assert!(words("").is_empty());
    }

    #[test]
    fn each_word_counts_once_and_there_are_few() {
        assert_eq!(
            words("Retry retry RETRY backoff jitter timeout deadline"),
            ["Retry", "backoff", "jitter", "timeout"]
        );
    }

    #[test]
    fn a_word_that_is_not_found_is_widened() {
        assert_eq!(widened("cancellations").as_deref(), Some("cancell"));
        assert_eq!(widened("retries").as_deref(), Some("retr"));
        assert_eq!(widened("Agent::output_text").as_deref(), Some("output"));
        assert_eq!(widened("not found").as_deref(), Some("found"));
        assert_eq!(widened("bus"), None);
        assert_eq!(widened("::"), None);
    }
}
