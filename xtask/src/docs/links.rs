//! Every relative link of every page leads to a file that exists, and to a heading that exists in it.
//!
//! Links to other sites are not followed: whether those answer is not a property of a commit.

use std::collections::HashMap;

use super::{folder, resolve};
use crate::markdown::Page;
use crate::report::Finding;
use crate::tree::Tree;

const RULE: &str = "links";
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let pages: HashMap<&str, Page> =
        tree.with_extension(".md").map(|file| (file.path.as_str(), Page::parse(&file.text))).collect();
    let mut findings = Vec::new();
    for (path, page) in &pages {
        for link in &page.links {
            if let Err((problem, fix)) = follow(tree, &pages, path, &link.to) {
                findings.push(Finding::new(RULE, path, link.line, problem, fix));
            }
        }
    }
    findings
}

fn follow(
    tree: &Tree,
    pages: &HashMap<&str, Page>,
    from: &str,
    link: &str,
) -> Result<(), (String, &'static str)> {
    let (to, anchor) = link.split_once('#').map_or((link, None), |(to, anchor)| (to, Some(anchor)));
    let target = match to {
        to if to.contains(':') => return Ok(()),
        "" => Some(from.to_owned()),
        to => resolve(folder(from), to),
    };
    let Some(target) = target.filter(|path| tree.contains(path)) else {
        // An empty link is a draft in the book's table of contents, which has its own check.
        return if link.is_empty() {
            Ok(())
        } else {
            Err((format!("`{link}` leads nowhere"), "correct the path"))
        };
    };
    let in_book = |path: &str| path.starts_with("docs/src/") || path == "docs/src";
    if in_book(from) && !in_book(&target) {
        let fix = "the files around the book are not part of it: name the path in words";
        return Err((format!("`{link}` leads out of the book"), fix));
    }
    match (anchor, pages.get(target.as_str())) {
        (Some(anchor), Some(page)) if !page.anchors.iter().any(|there| there == anchor) => {
            Err((format!("`{link}`: {target} has no heading `#{anchor}`"), "correct the anchor"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines;

    fn found(from: &str, text: &str) -> Vec<usize> {
        let tree = Tree::from([
            (from, text),
            ("docs/src/tools.md", "# Tools\n\n## Errors\n"),
            ("docs/src/guide/testing.md", "# Testing\n"),
            ("examples/examples/retry.rs", ""),
        ]);
        lines(&check(&tree))
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "# Title\n[a](docs/src/tools.md#errors) [b](#title) [c](https://example.com/x#y)\n\
            [d](mailto:a@b.c) [e](examples/) ![f](examples/examples/retry.rs#L1)\n";
        assert_eq!(found("README.md", text), [] as [usize; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(found("README.md", "\n[a](docs/tools.md)"), [2]);
        assert_eq!(found("README.md", "[a](docs/src/tools.md#retries)"), [1]);
        assert_eq!(found("README.md", "[a](#nothing)"), [1]);
        assert_eq!(found("README.md", "[a](../outside.md)"), [1]);
    }

    #[test]
    fn a_chapter_links_within_the_book() {
        assert_eq!(found("docs/src/guide/a.md", "[a](../tools.md#errors) [b](testing.md)"), [] as [usize; 0]);
        assert_eq!(found("docs/src/guide/a.md", "[a](../../../examples/examples/retry.rs)"), [1]);
    }
}
