//! What is known so far: the question, and the facts in the tool outputs that came back since.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::outputs::{self, Hit};
use super::{Conversation, Item, turns};

/// The names of the tools that the explorer knows.
pub(super) const LIST: &str = "list_files";
/// See [`LIST`].
pub(super) const SEARCH: &str = "search_text";
/// See [`LIST`].
pub(super) const READ: &str = "read_file";
/// See [`LIST`].
pub(super) const REPORT: &str = "report_activity";

/// A search that answered.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) query: String,
    pub(super) hits: Vec<Hit>,
    /// Whether there are more hits than these.
    pub(super) is_cut: bool,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) path: String,
    /// The first heading of a Markdown file, else the first line that is not blank.
    pub(super) opening: Option<String>,
    pub(super) is_heading: bool,
    /// Lines in the whole file where the tool said so, else lines that were read.
    pub(super) lines: u64,
    /// Whether only a part of the file was read.
    pub(super) is_part: bool,
}

/// A call that did not give what it was for.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) tool: String,
    /// The path or the query that it was called with.
    pub(super) subject: String,
    pub(super) error: String,
}

/// The question that is open, and what is known about it.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) question: String,
    /// Responses of the model since the question.
    pub(super) turns: usize,
    /// Every file that was listed, with its size in bytes where that is known.
    pub(super) files: BTreeMap<String, Option<u64>>,
    /// Every folder that was seen in a listing.
    pub(super) folders: BTreeSet<String>,
    /// The folders that were listed themselves; the root is the empty path.
    pub(super) listed: BTreeSet<String>,
    /// Whether a listing left entries out.
    pub(super) is_cut: bool,
    pub(super) searches: Vec<Search>,
    pub(super) readings: Vec<Reading>,
    pub(super) failures: Vec<Failure>,
    calls: BTreeMap<String, usize>,
}

impl Evidence {
    /// Reads a conversation.
    ///
    /// A message that the user sent after an answer opens a new question; one that comes in the middle of
    /// the work, like a request to wrap up, leaves the question as it is.
    pub(super) fn of(conversation: &Conversation) -> Self {
        let (question, work) = open_question(&conversation.items);
        let mut evidence = Self { question, turns: turns(work), ..Self::default() };
        let outputs: HashMap<&str, (&str, bool)> = work
            .iter()
            .filter_map(|item| match item {
                Item::ToolOutput { id, output, is_error } => {
                    Some((id.as_str(), (output.as_str(), *is_error)))
                }
                _ => None,
            })
            .collect();
        for item in work {
            if let Item::ToolCall { id, name, arguments } = item {
                let (output, is_error) = outputs.get(id.as_str()).copied().unwrap_or_default();
                evidence.learn(name, arguments, output, is_error);
            }
        }
        evidence
    }

    /// How often a tool was called for this question.
    pub(super) fn calls(&self, tool: &str) -> usize {
        self.calls.get(tool).copied().unwrap_or_default()
    }

    /// Whether a listing of the root answered.
    pub(super) fn has_listing(&self) -> bool {
        self.listed.contains("")
    }

    /// Whether the root was listed and there is nothing in it.
    pub(super) fn is_empty_folder(&self) -> bool {
        self.has_listing() && self.files.is_empty() && self.folders.is_empty() && !self.is_cut
    }

    /// Folders whose content is not known: neither listed nor part of a listing that goes into folders.
    pub(super) fn unlisted_folders(&self) -> impl Iterator<Item = &str> {
        let has_content = |folder: &str| {
            let inside = format!("{folder}/");
            let file = self.files.range(inside.clone()..).next().map(|(path, _)| path);
            let folder = self.folders.range(inside.clone()..).next();
            [file, folder].into_iter().flatten().any(|path| path.starts_with(&inside))
        };
        let unknown = move |folder: &&str| !self.listed.contains(*folder) && !has_content(folder);
        self.folders.iter().map(String::as_str).filter(unknown)
    }

    fn learn(&mut self, tool: &str, arguments: &Value, output: &str, is_error: bool) {
        *self.calls.entry(tool.to_owned()).or_default() += 1;
        let subject = if tool == SEARCH { "query" } else { "path" };
        let subject = arguments.get(subject).and_then(Value::as_str).unwrap_or_default();
        let learned = outputs::open(output, is_error).and_then(|text| match tool {
            LIST => {
                self.learn_listing(subject, &text);
                Ok(())
            }
            SEARCH => self.learn_hits(subject, &text),
            READ => {
                self.readings.push(reading(subject, &text));
                Ok(())
            }
            _ => Ok(()),
        });
        if let Err(error) = learned {
            self.failures.push(Failure { tool: tool.to_owned(), subject: subject.to_owned(), error });
        }
    }

    fn learn_listing(&mut self, folder: &str, text: &str) {
        let folder = folder.trim_start_matches("./").trim_matches('/');
        let folder = if folder == "." { "" } else { folder };
        let listing = outputs::listing(text);
        self.is_cut |= listing.is_cut;
        self.listed.insert(folder.to_owned());
        for entry in listing.entries {
            // Some tools name entries from the root, others from the folder that they list.
            let inside = entry.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            let path =
                if folder.is_empty() || inside { entry.path } else { format!("{folder}/{}", entry.path) };
            if entry.is_folder {
                self.folders.insert(path);
            } else {
                self.files.insert(path, entry.size);
            }
        }
    }

    fn learn_hits(&mut self, query: &str, text: &str) -> Result<(), String> {
        let found = outputs::hits(text)?;
        self.searches.push(Search { query: query.to_owned(), hits: found.hits, is_cut: found.is_cut });
        Ok(())
    }
}

/// The text of the open question, and the items after it.
fn open_question(items: &[Item]) -> (String, &[Item]) {
    let asked = items.iter().enumerate().rev().find(|(at, item)| {
        let before = at.checked_sub(1).and_then(|before| items.get(before));
        matches!(item, Item::User(_)) && !matches!(before, Some(Item::ToolOutput { .. } | Item::User(_)))
    });
    let start = asked.map_or(0, |(at, _)| at);
    let rest = items.get(start..).unwrap_or_default();
    let said = rest.iter().take_while(|item| matches!(item, Item::User(_)));
    let question: Vec<&str> = said
        .filter_map(|item| match item {
            Item::User(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let work = rest.get(question.len()..).unwrap_or_default();
    (question.join("\n"), work)
}

fn reading(path: &str, text: &str) -> Reading {
    let contents = outputs::contents(text);
    let is_markdown = [".md", ".markdown"].iter().any(|ending| path.to_lowercase().ends_with(ending));
    let mut lines = contents.text.lines().map(str::trim).filter(|line| !line.is_empty());
    let heading = || {
        let heading = contents.text.lines().find(|line| line.starts_with('#'))?;
        Some(heading.trim_matches('#').trim().to_owned()).filter(|heading| !heading.is_empty())
    };
    let heading = is_markdown.then(heading).flatten();
    let read = contents.text.lines().count() as u64;
    let in_all = contents.lines_in_all.unwrap_or(read);
    Reading {
        path: path.to_owned(),
        is_heading: heading.is_some(),
        opening: heading.or_else(|| lines.next().map(str::to_owned)),
        lines: in_all,
        is_part: contents.first_line > 1 || in_all > read,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(id: &str, tool: &str, arguments: Value, output: &str) -> [Item; 2] {
        let call = Item::ToolCall { id: id.into(), name: tool.into(), arguments };
        [call, Item::ToolOutput { id: id.into(), output: output.into(), is_error: false }]
    }

    fn evidence(items: Vec<Item>) -> Evidence {
        Evidence::of(&Conversation { items, ..Conversation::default() })
    }

    #[test]
    fn a_question_after_an_answer_starts_afresh() {
        let mut items = vec![Item::User("first".into())];
        items.extend(exchange("1", LIST, json!({"path": "."}), "a.rs\t1"));
        items.extend([Item::Assistant("answer".into()), Item::User("second".into())]);
        let evidence = evidence(items);
        assert_eq!((evidence.question.as_str(), evidence.turns), ("second", 0));
        assert!(evidence.files.is_empty());
    }

    #[test]
    fn a_message_in_the_middle_of_the_work_leaves_the_question() {
        let mut items = vec![Item::User("first".into())];
        items.extend(exchange("1", LIST, json!({"path": "."}), "a.rs\t1"));
        items.push(Item::User("Please wrap up.".into()));
        let evidence = evidence(items);
        assert_eq!((evidence.question.as_str(), evidence.turns), ("first", 1));
        assert_eq!(evidence.files["a.rs"], Some(1));
    }

    #[test]
    fn entries_of_a_folder_get_its_path_once() {
        let mut items = vec![Item::User("q".into())];
        items.extend(exchange("1", LIST, json!({"path": "."}), "src/\ndocs/\nlib/"));
        items.extend(exchange("2", LIST, json!({"path": "src"}), "src/main.rs\t1\nsrc/bin/"));
        items.extend(exchange("3", LIST, json!({"path": "docs"}), "guide.md\t2"));
        let evidence = evidence(items);
        assert_eq!(evidence.files.keys().collect::<Vec<_>>(), ["docs/guide.md", "src/main.rs"]);
        assert_eq!(evidence.unlisted_folders().collect::<Vec<_>>(), ["lib", "src/bin"]);
    }

    #[test]
    fn a_file_opens_with_its_heading_or_its_first_line() {
        let markdown = reading("README.md", "\n<img>\n## Usage ##\n");
        assert_eq!(
            (markdown.opening.as_deref(), markdown.is_heading, markdown.lines),
            (Some("Usage"), true, 3)
        );
        let code = reading("a.rs", "[lines 1-2 of 9]\n\n//! Docs.\n");
        assert_eq!((code.opening.as_deref(), code.is_part, code.lines), (Some("//! Docs."), true, 9));
        assert_eq!(reading("a.rs", "").opening, None);
    }

    #[test]
    fn errors_are_kept_with_what_they_were_about() {
        let mut items = vec![Item::User("q".into())];
        items.extend(exchange("1", READ, json!({"path": "x"}), "Error: no such file"));
        items.extend(exchange("2", SEARCH, json!({"query": "y"}), "timed out"));
        let evidence = evidence(items);
        let failures: Vec<_> = evidence
            .failures
            .iter()
            .map(|f| (f.tool.as_str(), f.subject.as_str(), f.error.as_str()))
            .collect();
        assert_eq!(failures, [(READ, "x", "Error: no such file"), (SEARCH, "y", "timed out")]);
    }
}
