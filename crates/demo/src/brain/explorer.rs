//! The default brain: rules that answer a question about a folder with the tools that are offered.

use serde_json::{Value, json};

use super::answer::{self, count, listed};
use super::arguments::fill;
use super::evidence::{Evidence, LIST, READ, REPORT, SEARCH};
use super::words::{tokens, widened, words};
use super::{Brain, Call, Conversation, Reply};

/// How many responses may call tools. The one after them answers, whatever happened.
const MAX_TOOL_TURNS: usize = 5;
/// How many files are read at once.
const MAX_READS: usize = 4;
/// How many folders are listed at once.
const MAX_FOLDERS: usize = 6;
/// The largest file that is read, in bytes.
const MAX_READ_BYTES: u64 = 1024 * 1024;

/// Folders that hold what was generated or fetched.
const DULL_FOLDERS: &[&str] = &["target", "node_modules", "vendor", "dist", "build", "venv", "__pycache__"];

/// Answers questions about the folder it runs on, by rules.
///
/// It knows four tools by name and uses those that are offered: `list_files`, `search_text`, `read_file` and
/// `report_activity`. It lists the folder, searches for the words of the question, reads the files that matter
/// most, several at once, and then writes a short Markdown text in which every statement is true of the
/// outputs it was given; failures of tools are told too. With no tools left, as when a run is wrapped up, it
/// answers from what it has. The answer comes with the sixth response at the latest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Explorer;

impl Brain for Explorer {
    fn next(&self, conversation: &Conversation) -> Reply {
        let case = Case { conversation, evidence: Evidence::of(conversation) };
        let steps = [Case::list, Case::search, Case::read, Case::look_again];
        let step = (case.evidence.turns < MAX_TOOL_TURNS)
            .then(|| steps.iter().map(|step| step(&case)).find(|step| !step.calls.is_empty()))
            .flatten();
        match step {
            Some(step) => case.take(step),
            None => Reply::text(answer::write(&case.evidence, |tool| case.offers(tool))),
        }
    }
}

/// A turn that calls tools. Without calls it is not worth taking.
#[derive(Default)]
struct Step {
    percentage: u8,
    /// What the user sees while the tools run.
    message: String,
    /// What the model says beside the calls.
    remark: String,
    calls: Vec<Call>,
}

struct Case<'a> {
    conversation: &'a Conversation,
    evidence: Evidence,
}

impl Case<'_> {
    fn take(&self, mut step: Step) -> Reply {
        if self.conversation.parallel_tool_calls {
            let report = [("message", json!(step.message)), ("percentage", json!(step.percentage))];
            step.calls.splice(0..0, self.call(REPORT, &report));
        } else {
            step.calls.truncate(1);
        }
        Reply { text: step.remark, calls: step.calls, ..Reply::default() }
    }

    /// Looks at the root of the folder.
    fn list(&self) -> Step {
        if self.evidence.turns > 0 {
            return Step::default();
        }
        Step {
            percentage: 10,
            message: "Looking at the files".into(),
            calls: self.list_folder(".").into_iter().collect(),
            ..Step::default()
        }
    }

    /// Searches for the words of the question, and looks into the folders that the first listing named.
    fn search(&self) -> Step {
        let known = &self.evidence;
        if known.calls(SEARCH) + known.calls(READ) > 0 || known.calls(LIST) > 1 || known.is_empty_folder() {
            return Step::default();
        }
        let words = words(&known.question);
        let mut calls: Vec<Call> = words.iter().filter_map(|word| self.search_for(word)).collect();
        let message = if calls.is_empty() {
            "Looking into the folders".to_owned()
        } else {
            format!("Searching for {}", quoted(&words))
        };
        calls.extend(
            known
                .unlisted_folders()
                .filter(|folder| !folder.starts_with('.') && !DULL_FOLDERS.contains(folder))
                .take(MAX_FOLDERS)
                .filter_map(|folder| self.list_folder(folder)),
        );
        let remark = match known.has_listing() {
            true => format!("The listing shows {}. Next I look closer.", count(known.files.len(), "file")),
            false => String::new(),
        };
        Step { percentage: 35, message, remark, calls }
    }

    /// Reads the files that matter most, several at once.
    fn read(&self) -> Step {
        if self.evidence.calls(READ) > 0 {
            return Step::default();
        }
        let files = self.files_to_read();
        let hits: usize = self.evidence.searches.iter().map(|search| search.hits.len()).sum();
        let remark = match self.evidence.searches.is_empty() {
            false => format!("The search gave {}. Now I read.", count(hits, "line")),
            true => String::new(),
        };
        Step {
            percentage: 60,
            message: format!("Reading {}", count(files.len(), "file")),
            remark,
            calls: files.iter().filter_map(|path| self.call(READ, &[("path", json!(path))])).collect(),
        }
    }

    /// Searches once more for words that were not found, in a wider form.
    fn look_again(&self) -> Step {
        let searched = |query: &str| self.evidence.searches.iter().any(|search| search.query == query);
        let missed = self.evidence.searches.iter().filter(|search| search.hits.is_empty());
        let asked = words(&self.evidence.question);
        let wider: Vec<String> = missed
            .filter(|search| asked.contains(&search.query))
            .filter_map(|search| widened(&search.query))
            .filter(|wider| !searched(wider))
            .collect();
        Step {
            percentage: 85,
            message: format!("Searching once more, for {}", quoted(&wider)),
            remark: String::new(),
            calls: wider.iter().filter_map(|word| self.search_for(word)).collect(),
        }
    }

    /// The files that the question names, then those with hits, best first; without any, those that tell
    /// about the folder as a whole.
    fn files_to_read(&self) -> Vec<String> {
        let known = &self.evidence;
        let named: Vec<&str> = tokens(&known.question).collect();
        let is_named = |path: &&String| {
            let name = path.rsplit('/').next().unwrap_or_default();
            named.iter().any(|token| token == path || (token.contains('.') && *token == name))
        };
        let mut files: Vec<String> = known.files.keys().filter(is_named).cloned().collect();
        files.extend(self.files_with_hits());
        if files.is_empty() {
            files = self.introductions();
        }
        let mut chosen: Vec<String> = Vec::new();
        for path in files {
            let size = known.files.get(&path).copied().flatten().unwrap_or_default();
            if chosen.len() < MAX_READS && size <= MAX_READ_BYTES && !chosen.contains(&path) {
                chosen.push(path);
            }
        }
        chosen
    }

    /// Files with hits: those in which more of the words occur first, then those with more lines.
    fn files_with_hits(&self) -> Vec<String> {
        let mut ranked = answer::hits_by_file(&self.evidence);
        ranked.retain(|file| !file.path.ends_with(".lock"));
        ranked.into_iter().map(|file| file.path.to_owned()).collect()
    }

    /// What introduces a folder: a README, a manifest, other documents. Guessed where nothing could be listed.
    fn introductions(&self) -> Vec<String> {
        if !self.evidence.has_listing() {
            return vec!["README.md".to_owned()];
        }
        let rank = |path: &str| {
            let (name, depth) = (path.rsplit('/').next().unwrap_or_default(), path.matches('/').count());
            let kind = match name.to_lowercase() {
                name if name.starts_with("readme") => 0,
                name if matches!(
                    name.as_str(),
                    "cargo.toml" | "package.json" | "pyproject.toml" | "go.mod"
                ) =>
                {
                    1
                }
                name if name.ends_with(".md") => 2,
                name if name.ends_with(".txt") => 3,
                _ => 4,
            };
            (kind, depth)
        };
        let is_dull = |path: &str| path.starts_with('.') || path.contains("/.") || path.ends_with(".lock");
        let mut files: Vec<String> =
            self.evidence.files.keys().filter(|path| !is_dull(path)).cloned().collect();
        files.sort_by_key(|path| rank(path));
        files
    }

    fn list_folder(&self, path: &str) -> Option<Call> {
        let call = self.call(LIST, &[("path", json!(path))])?;
        // A tool that takes no path lists the root, whatever it is asked for.
        (path == "." || call.arguments.get("path").is_some()).then_some(call)
    }

    fn search_for(&self, word: &str) -> Option<Call> {
        self.call(SEARCH, &[("query", json!(word)), ("path", json!("."))])
    }

    /// A call of a tool, if it is offered and its schema can be met.
    fn call(&self, tool: &str, known: &[(&str, Value)]) -> Option<Call> {
        let offered = self.conversation.tools.iter().find(|offered| offered.name == tool)?;
        Some(Call::new(tool, fill(&offered.parameters, known)?))
    }

    fn offers(&self, tool: &str) -> bool {
        self.conversation.tools.iter().any(|offered| offered.name == tool)
    }
}

fn quoted(words: &[String]) -> String {
    listed(words.iter().map(|word| format!("\"{word}\"")))
}
