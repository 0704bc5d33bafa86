//! Rust in the pages compiles, as doctests of the examples package: its `lib.rs` includes each page that has
//! any.
//!
//! The doctests themselves run with all others. What is checked here is that no page and no block is left
//! out.

use proc_macro2::{TokenStream, TokenTree};

use super::{folder, is_page, resolve};
use crate::markdown::Page;
use crate::report::Finding;
use crate::tree::Tree;

const RULE: &str = "code";
const INCLUDES: &str = "examples/src/lib.rs";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let included = included(tree.text(INCLUDES).unwrap_or_default());
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_page(&file.path)) {
        let page = Page::parse(&file.text);
        let blocks: Vec<_> = page.code.iter().filter(|block| is_rust(&block.info)).collect();
        if let Some(first) = blocks.first()
            && !included.contains(&file.path)
        {
            let fix =
                format!("add `#[cfg(doctest)] #[doc = include_str!(\"../../{}\")]` to {INCLUDES}", file.path);
            findings.push(Finding::new(
                RULE,
                &file.path,
                first.line,
                "no test compiles the code of this page",
                fix,
            ));
        }
        for block in blocks.iter().filter(|block| words(&block.info).any(|word| word == "ignore")) {
            let fix = "use `no_run` when it cannot run, `text` when it is no Rust";
            findings.push(Finding::new(RULE, &file.path, block.line, "this block is never compiled", fix));
        }
    }
    findings
}

fn is_rust(info: &str) -> bool {
    words(info).next() == Some("rust")
}

fn words(info: &str) -> impl Iterator<Item = &str> {
    info.split([',', ' ']).filter(|word| !word.is_empty())
}

/// The files that some source includes by `include_str!`, from the root of the repository.
fn included(source: &str) -> Vec<String> {
    let mut paths = Vec::new();
    if let Ok(tokens) = source.parse() {
        collect(tokens, &mut paths);
    }
    paths
}

fn collect(tokens: TokenStream, paths: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let is_include =
            at >= 2 && matches!(tokens.get(at - 2), Some(TokenTree::Ident(name)) if name == "include_str");
        if is_include {
            let literal = group.stream().to_string();
            paths.extend(resolve(folder(INCLUDES), literal.trim_matches('"')));
        } else {
            collect(group.stream(), paths);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines;

    const LIB: &str =
        "//! Docs.\n#[cfg(doctest)]\n#[doc = include_str!(\"../../README.md\")]\nstruct Readme;\n";

    fn found(path: &str, page: &str) -> Vec<usize> {
        lines(&check(&Tree::from([(INCLUDES, LIB), (path, page)])))
    }

    #[test]
    fn an_included_page_passes_and_so_does_one_without_rust() {
        assert_eq!(found("README.md", "```rust,no_run\nfn main() {}\n```\n"), [] as [usize; 0]);
        assert_eq!(found("docs/src/a.md", "```toml\na = 1\n```\n\n```text\nrust\n```\n"), [] as [usize; 0]);
    }

    #[test]
    fn a_page_that_nobody_includes_is_found_at_its_first_block() {
        assert_eq!(found("docs/src/a.md", "# A\n\n```rust\nlet a = 1;\n```\n\n```rust\n```\n"), [3]);
    }

    #[test]
    fn an_include_in_a_comment_is_none() {
        let lib = "// include_str!(\"../../docs/src/a.md\")";
        assert_eq!(check(&Tree::from([(INCLUDES, lib), ("docs/src/a.md", "```rust\n```\n")])).len(), 1);
    }

    #[test]
    fn code_that_is_ignored_is_found() {
        assert_eq!(found("README.md", "```rust\n```\n\n```rust,ignore\nx\n```\n"), [4]);
    }
}
