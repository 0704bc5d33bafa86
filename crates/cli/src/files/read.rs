//! `read_file`.

use std::fmt::Write;

use agentexec::tools::ToolError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::root::{Place, told};
use super::{Root, failed};

/// The largest file that is read.
const FILE_LIMIT: u64 = 8 * 1024 * 1024;
/// How many lines are read unless the model asks for another number.
const LINES: usize = 400;
/// The most bytes of an answer; lines that do not fit can be asked for in another call.
const ANSWER_LIMIT: usize = 64 * 1024;
/// The longest line that is shown whole, in characters.
const LINE_LIMIT: usize = 4000;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ReadFile {
    /// The file, relative to the root folder.
    path: String,
    /// The first line to read, from 1. Default: 1.
    #[serde(default = "first")]
    #[schemars(range(min = 1))]
    from_line: usize,
    /// How many lines to read. Default: 400.
    #[serde(default = "lines")]
    #[schemars(range(min = 1))]
    lines: usize,
}

fn first() -> usize {
    1
}

fn lines() -> usize {
    LINES
}

/// The lines of the file, behind a line `[lines A-B of N]` when they are not all of it.
pub(super) fn read(root: &Root, args: &ReadFile) -> Result<String, ToolError> {
    let path = &args.path;
    let file = match root.place(path)? {
        Place::File(file) => file,
        Place::Folder(_) => {
            return Err(failed(format_args!("'{path}' is a folder; list it with list_files")));
        }
    };
    let (bytes, goes_on) = root.beginning(&file, FILE_LIMIT).map_err(|error| told(path, &error))?;
    if goes_on {
        return Err(failed(format_args!("'{path}' is larger than {FILE_LIMIT} bytes; use search_text")));
    }
    if bytes.contains(&0) {
        return Err(failed(format_args!("'{path}' is not a text file ({} bytes)", bytes.len())));
    }
    part(&String::from_utf8_lossy(&bytes), args)
}

fn part(text: &str, args: &ReadFile) -> Result<String, ToolError> {
    let all = text.lines().count();
    let first = args.from_line.max(1);
    if first > all.max(1) {
        let path = &args.path;
        return Err(failed(format_args!("'{path}' has {all} lines; there is no line {first}")));
    }
    let (mut shown, mut count) = (String::new(), 0);
    for line in text.lines().skip(first - 1).take(args.lines.max(1)) {
        let end = line.char_indices().nth(LINE_LIMIT).map_or(line.len(), |(end, _)| end);
        if count > 0 && shown.len() + end > ANSWER_LIMIT {
            break;
        }
        shown.push_str(line.get(..end).unwrap_or(line));
        if end < line.len() {
            // Writing into a string cannot fail.
            let _ = write!(shown, "[… {} more bytes in this line]", line.len() - end);
        }
        shown.push('\n');
        count += 1;
    }
    let last = first - 1 + count;
    Ok(if count == all { shown } else { format!("[lines {first}-{last} of {all}]\n{shown}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::Folder;

    fn read_as(folder: &Folder, args: serde_json::Value) -> Result<String, String> {
        let args = serde_json::from_value(args).unwrap();
        read(&folder.root(), &args).map_err(|error| error.message().to_owned())
    }

    fn read_path(folder: &Folder, path: &str) -> Result<String, String> {
        read_as(folder, serde_json::json!({"path": path}))
    }

    #[test]
    fn a_file_is_read_whole_and_its_line_breaks_are_plain() {
        let folder = Folder::with(&[("a.txt", "eins\r\nzwei\r\n\r\ndrei"), ("empty", "")]);
        assert_eq!(read_path(&folder, "a.txt").unwrap(), "eins\nzwei\n\ndrei\n");
        assert_eq!(
            read_path(&folder, "./x/../a.txt").unwrap_err(),
            "Error: './x/../a.txt' does not exist; see list_files"
        );
        assert_eq!(read_path(&folder, "empty").unwrap(), "");
    }

    #[test]
    fn a_part_says_which_lines_it_is() {
        let folder = Folder::with(&[("a.txt", "1\n2\n3\n4\n5\n")]);
        let read = |from, lines| {
            read_as(&folder, serde_json::json!({"path": "a.txt", "from_line": from, "lines": lines}))
        };
        assert_eq!(read(2, 2).unwrap(), "[lines 2-3 of 5]\n2\n3\n");
        assert_eq!(read(5, usize::MAX).unwrap(), "[lines 5-5 of 5]\n5\n");
        assert_eq!(read(0, 0).unwrap(), "[lines 1-1 of 5]\n1\n");
        assert_eq!(read(1, 5).unwrap(), "1\n2\n3\n4\n5\n");
        assert_eq!(read(6, 1).unwrap_err(), "Error: 'a.txt' has 5 lines; there is no line 6");
    }

    #[test]
    fn an_answer_ends_at_its_limit_with_a_whole_line() {
        let folder = Folder::with(&[("a.txt", &format!("{}\n", "x".repeat(999)).repeat(100))]);
        let text = read_path(&folder, "a.txt").unwrap();
        assert!(text.starts_with("[lines 1-65 of 100]\nx") && text.ends_with("x\n"), "{}", &text[..40]);
        assert!(text.len() <= ANSWER_LIMIT + 100);
    }

    #[test]
    fn a_line_of_megabytes_is_cut_and_says_so() {
        let folder = Folder::with(&[("a.js", &"ä".repeat(1_000_000))]);
        let text = read_path(&folder, "a.js").unwrap();
        let rest = 2 * (1_000_000 - LINE_LIMIT);
        assert_eq!(text, format!("{}[… {rest} more bytes in this line]\n", "ä".repeat(LINE_LIMIT)));
    }

    #[test]
    fn what_is_no_text_or_too_large_is_refused() {
        let folder = Folder::with(&[("image", "\u{89}PNG\0\0")]);
        assert_eq!(read_path(&folder, "image").unwrap_err(), "Error: 'image' is not a text file (7 bytes)");
        let huge = std::fs::File::create(folder.path("huge")).unwrap();
        huge.set_len(1 << 40).unwrap();
        let error = read_path(&folder, "huge").unwrap_err();
        assert_eq!(error, "Error: 'huge' is larger than 8388608 bytes; use search_text");
        assert_eq!(read_path(&folder, ".").unwrap_err(), "Error: '.' is a folder; list it with list_files");
    }

    #[test]
    fn text_in_another_encoding_is_read_as_far_as_it_goes() {
        let folder = Folder::with(&[]);
        folder.write("latin1.txt", b"gr\xfc\xdfe\n");
        assert_eq!(read_path(&folder, "latin1.txt").unwrap(), "gr\u{fffd}\u{fffd}e\n");
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let outer = Folder::with(&[("secret.txt", "secret"), ("in/a.txt", "x")]);
        let root = Root::open(&outer.path("in")).unwrap();
        let secret = outer.path("secret.txt");
        let absolute_inside = outer.path("in/a.txt");
        for path in [
            "../secret.txt",
            "a/../../secret.txt",
            "../in/a.txt",
            secret.to_str().unwrap(),
            absolute_inside.to_str().unwrap(),
        ] {
            let args = serde_json::from_value(serde_json::json!({"path": path})).unwrap();
            let error = read(&root, &args).unwrap_err();
            let message = error.message();
            assert!(message.starts_with("Error: '") && !message.contains("secret\n"), "{path}: {message}");
            assert!(
                message.contains("outside the folder") || message.contains("does not exist"),
                "{message}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_out_of_the_folder_and_none_goes_in_circles() {
        let outer = Folder::with(&[("secret.txt", "secret"), ("in/a.txt", "inside")]);
        outer.link("../secret.txt", "in/file");
        outer.link("..", "in/folder");
        outer.link("/etc/hosts", "in/absolute");
        outer.link("loop", "in/loop");
        outer.link("a.txt", "in/fine");
        let root = Root::open(&outer.path("in")).unwrap();
        let read = |path: &str| {
            let args = serde_json::from_value(serde_json::json!({ "path": path })).unwrap();
            read(&root, &args).map_err(|error| error.message().to_owned())
        };
        for path in ["file", "folder/secret.txt", "absolute"] {
            assert!(read(path).unwrap_err().contains("is outside the folder"), "{path}: {:?}", read(path));
        }
        assert!(read("loop").unwrap_err().starts_with("Error: 'loop' cannot be opened"));
        assert_eq!(read("fine").unwrap(), "inside\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_refused_without_waiting() {
        let folder = Folder::with(&[]);
        folder.pipe("pipe");
        assert!(read_path(&folder, "pipe").unwrap_err().contains("neither a file nor a folder"));
        // The same pipe in the place of a file that was there a moment ago.
        let error = folder.root().beginning("pipe".as_ref(), 10).unwrap_err();
        assert_eq!(error.to_string(), "it is not a regular file");
        let devices = Root::open("/dev".as_ref()).unwrap();
        let args = serde_json::from_value(serde_json::json!({"path": "zero"})).unwrap();
        assert!(read(&devices, &args).unwrap_err().message().contains("neither a file nor a folder"));
    }
}
