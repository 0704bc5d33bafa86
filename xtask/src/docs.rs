//! `cargo xtask docs`: the API docs build without a warning, and the pages hold together: chapters, links,
//! anchors, code that compiles, output that the examples really print.

mod book;
mod code;
mod links;
mod output;

use anyhow::Result;

use crate::cmd::Cmd;
use crate::report;
use crate::tree::Tree;
use crate::workspace::Workspace;

/// What to do with a block whose text is not what the example prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Compare,
    Bless,
}

pub(crate) fn run(workspace: &Workspace, shown: Shown) -> Result<()> {
    if shown == Shown::Bless {
        output::bless(workspace)?;
    }
    let tree = Tree::load(&workspace.root)?;
    let mut findings = book::check(&tree);
    findings.extend(links::check(&tree));
    findings.extend(code::check(&tree));
    findings.extend(output::check(&tree));
    let pages = report::settle("docs", findings);

    // --lib: the program has the facade's name, and its page would replace the facade's.
    let doc = ["doc", "--workspace", "--lib", "--no-deps", "--all-features"];
    let api = Cmd::cargo(doc).env("RUSTDOCFLAGS", "-D warnings").run();
    pages.and(api)?;
    if Cmd::program("mdbook", ["--version"]).read().is_ok() {
        Cmd::program("mdbook", ["build", "docs"]).run()
    } else {
        println!("docs: mdbook is not installed, so the book was checked but not built");
        Ok(())
    }
}

/// The pages whose code and output are checked: the README and the book.
fn is_page(path: &str) -> bool {
    path == "README.md" || (path.starts_with("docs/") && path.ends_with(".md"))
}

/// Resolves a path that is written relative to a folder; both with `/`. None when it leaves the repository.
fn resolve(folder: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folder of a file; `""` at the root.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_as_a_browser_does_it() {
        assert_eq!(
            resolve("docs/src/guide", "../concepts/./activity.md").as_deref(),
            Some("docs/src/concepts/activity.md")
        );
        assert_eq!(resolve("", "docs/").as_deref(), Some("docs"));
        assert_eq!(resolve("docs", "../../x"), None);
    }
}
