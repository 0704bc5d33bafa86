//! The book's table of contents names every chapter that there is, and no other.

use std::collections::BTreeSet;

use super::resolve;
use crate::markdown::Page;
use crate::report::Finding;
use crate::tree::Tree;

const RULE: &str = "chapters";
const SOURCES: &str = "docs/src";
const SUMMARY: &str = "docs/src/SUMMARY.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(summary) = tree.text(SUMMARY) else {
        return vec![Finding::new(RULE, SUMMARY, 0, "the book has no table of contents", "write it")];
    };
    let page = Page::parse(summary);
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    for link in &page.links {
        // A chapter without a file is what mdBook calls a draft; a reader gains nothing from it.
        let chapter = resolve(SOURCES, &link.to).filter(|path| tree.text(path).is_some());
        let problem = match chapter.map(|path| listed.insert(path)) {
            None => format!("the chapter `{}` does not exist", link.to),
            Some(false) => format!("the chapter `{}` is listed twice", link.to),
            Some(true) => continue,
        };
        let fix = "write the chapter, or remove the line";
        findings.push(Finding::new(RULE, SUMMARY, link.line, problem, fix));
    }
    let chapters = tree.with_extension(".md").map(|file| file.path.as_str());
    for chapter in chapters.filter(|path| path.starts_with("docs/src/") && *path != SUMMARY) {
        if !listed.contains(chapter) {
            let fix = format!("add it to {SUMMARY}");
            findings.push(Finding::new(RULE, chapter, 0, "no reader of the book finds this page", fix));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_whose_chapters_are_all_listed_passes() {
        let tree = Tree::from([
            (SUMMARY, "# Summary\n\n[Introduction](introduction.md)\n\n- [Tools](guide/tools.md)\n"),
            ("docs/src/introduction.md", "# Introduction"),
            ("docs/src/guide/tools.md", "# Tools"),
            ("docs/README.md", "not part of the book"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_chapter_that_is_missing_empty_twice_or_unlisted_is_found() {
        let tree = Tree::from([
            (SUMMARY, "- [A](a.md)\n- [B](b.md)\n- [C]()\n- [A again](./a.md)\n"),
            ("docs/src/a.md", ""),
            ("docs/src/lost.md", ""),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| (finding.path, finding.line)).collect();
        let summary = SUMMARY.to_owned();
        assert_eq!(
            found,
            [(summary.clone(), 2), (summary.clone(), 3), (summary, 4), ("docs/src/lost.md".to_owned(), 0)]
        );
    }

    #[test]
    fn a_book_without_contents_is_found() {
        assert_eq!(check(&Tree::default()).len(), 1);
    }
}
