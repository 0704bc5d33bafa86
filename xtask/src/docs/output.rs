//! Output in the pages is what the examples print. A block under `<!-- output: examples/expected/NAME.txt
//! -->` has the text of that file, which `cargo xtask examples` compares with the program.

use anyhow::{Context, Result};

use super::is_page;
use crate::report::Finding;
use crate::tree::Tree;
use crate::workspace::Workspace;

const RULE: &str = "output";
const OPEN: &str = "<!-- output: ";
const CLOSE: &str = " -->";

/// A block of output in a page, in lines from 0.
struct Block<'a> {
    /// The line of the comment.
    at: usize,
    file: &'a str,
    /// The lines between the fences; None when no closed fenced block follows.
    lines: Option<std::ops::Range<usize>>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(file) = line.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)) else { continue };
        let fence = lines.get(at + 1).map_or("", |line| line.trim_end_matches(|c| c != '`'));
        let start = at + 2;
        let length = lines.get(start..).and_then(|rest| rest.iter().position(|line| *line == fence));
        let inside = length.filter(|_| fence.starts_with("```")).map(|length| start..start + length);
        blocks.push(Block { at, file, lines: inside });
    }
    blocks
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in tree.files.iter().filter(|file| is_page(&file.path)) {
        for block in blocks(&page.text) {
            let find =
                |problem: String, fix: &str| Finding::new(RULE, &page.path, block.at + 1, problem, fix);
            let Some(inside) = block.lines else {
                let fix = "put a fenced block on the next line";
                findings.push(find("no fenced block follows this line".to_owned(), fix));
                continue;
            };
            let shown = page.text.lines().skip(inside.start).take(inside.len());
            match tree.text(block.file) {
                None => {
                    findings.push(find(format!("{} does not exist", block.file), "see examples/expected"));
                }
                Some(expected) if !shown.eq(expected.lines()) => {
                    let problem = format!("the block is not what {} says", block.file);
                    findings.push(find(problem, "`cargo xtask docs --bless` puts it there"));
                }
                Some(_) => {}
            }
        }
    }
    findings
}

/// Rewrites the blocks that differ. What cannot be rewritten is left to the check.
pub(super) fn bless(workspace: &Workspace) -> Result<()> {
    let tree = Tree::load(&workspace.root)?;
    for page in tree.files.iter().filter(|file| is_page(&file.path)) {
        let text = blessed(&page.text, &tree);
        if text != page.text {
            println!("blessing {}", page.path);
            std::fs::write(workspace.root.join(&page.path), text)
                .with_context(|| format!("writing {}", page.path))?;
        }
    }
    Ok(())
}

fn blessed(text: &str, tree: &Tree) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    // From the last, so that the line numbers of those before stay true.
    for block in blocks(text).into_iter().rev() {
        if let (Some(inside), Some(expected)) = (block.lines, tree.text(block.file)) {
            lines.splice(inside, expected.lines());
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines;

    const EXPECTED: (&str, &str) = ("examples/expected/retry.txt", "Retry 1/3\ndone\n");

    fn page(block: &str) -> String {
        format!("# Retry\n\n<!-- output: examples/expected/retry.txt -->\n{block}\nafter\n")
    }

    fn found(block: &str) -> Vec<usize> {
        lines(&check(&Tree::from([("docs/src/a.md", page(block).as_str()), EXPECTED])))
    }

    #[test]
    fn a_block_that_shows_the_file_passes() {
        assert_eq!(found("```text\nRetry 1/3\ndone\n```"), [] as [usize; 0]);
        assert_eq!(found("````\nRetry 1/3\ndone\n````"), [] as [usize; 0]);
    }

    #[test]
    fn a_block_that_differs_is_missing_or_never_ends_is_found() {
        assert_eq!(found("```text\nRetry 2/3\ndone\n```"), [3]);
        assert_eq!(found("```text\nRetry 1/3\n```"), [3]);
        assert_eq!(found("no block"), [3]);
        assert_eq!(found("```text\nRetry 1/3\ndone"), [3]);
    }

    #[test]
    fn a_file_that_does_not_exist_is_found() {
        let page = page("```text\n```");
        assert_eq!(lines(&check(&Tree::from([("README.md", page.as_str())]))), [3]);
    }

    #[test]
    fn blessing_replaces_every_block_and_nothing_else() {
        let text = [page("```text\nold\n```"), page("```text\n```")].concat();
        let tree = Tree::from([("docs/src/a.md", text.as_str()), EXPECTED]);
        let new = page("```text\nRetry 1/3\ndone\n```");
        assert_eq!(blessed(&text, &tree), [new.as_str(), new.as_str()].concat());
    }
}
