//! Rule 6: the facade re-exports, it defines nothing. What it says is `pub use`, and modules of these.

use proc_macro2::{Delimiter, TokenTree};

use super::rust;
use crate::report::Finding;
use crate::tree::Tree;

const RULE: &str = "facade";
const SOURCES: &str = "crates/agentexec/src/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.with_extension(".rs").filter(|file| file.path.starts_with(SOURCES));
    sources.flat_map(|file| check_file(&file.path, &file.text)).collect()
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let Ok(tokens) = rust::lex(text) else { return Vec::new() };
    let mut lines = Vec::new();
    items(&tokens, &mut lines);
    let find = |line| {
        let fix = "move it into the crate whose subject it is, and re-export it from there";
        Finding::new(RULE, path, line, "the facade may only contain `pub use` and `pub mod`", fix)
    };
    lines.into_iter().map(find).collect()
}

/// Collects the lines of the items that are neither.
fn items(tokens: &[TokenTree], refused: &mut Vec<usize>) {
    let mut rest = tokens;
    while let Some((first, next)) = rest.split_first() {
        rest = match rest {
            [hash, TokenTree::Group(_), next @ ..] if rust::is_punct(hash, '#') => next,
            [hash, bang, TokenTree::Group(_), next @ ..]
                if rust::is_punct(hash, '#') && rust::is_punct(bang, '!') =>
            {
                next
            }
            [public, word, next @ ..] if rust::is_ident(public, "pub") && rust::is_ident(word, "use") => {
                after_semicolon(next)
            }
            [public, word, _name, next @ ..]
                if rust::is_ident(public, "pub") && rust::is_ident(word, "mod") =>
            {
                match next.split_first() {
                    Some((TokenTree::Group(body), next)) => {
                        items(&body.stream().into_iter().collect::<Vec<_>>(), refused);
                        next
                    }
                    _ => after_semicolon(next),
                }
            }
            _ => {
                refused.push(rust::line(first));
                after_item(next)
            }
        };
    }
}

fn after_semicolon(tokens: &[TokenTree]) -> &[TokenTree] {
    after(tokens, |token| rust::is_punct(token, ';'))
}

fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => rust::is_punct(token, ';'),
    };
    after(tokens, ends)
}

fn after(tokens: &[TokenTree], ends: impl Fn(&TokenTree) -> bool) -> &[TokenTree] {
    tokens.iter().position(ends).and_then(|end| tokens.get(end + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines;

    #[test]
    fn re_exports_with_docs_and_features_pass() {
        let text = "//! Docs with `fn main() {}`.\n#![cfg_attr(docsrs, feature(doc_cfg))]\n\
            #[doc(inline)]\npub use agentexec_activity_core as activity;\n\
            /// The prelude.\npub mod prelude {\n    #[cfg(feature = \"tools\")]\n    pub use
            /// agentexec_tools::{Tool, tool};\n}\n\
            pub mod claude;\n";
        assert_eq!(check_file("x", text), []);
    }

    #[test]
    fn every_kind_of_definition_is_refused() {
        let definitions = [
            "fn f() {}",
            "pub fn f() -> u8 { 1 }",
            "pub struct S { a: u8 }",
            "pub struct S(u8);",
            "pub enum E {}",
            "trait T {}",
            "impl S { fn f() {} }",
            "macro_rules! m { () => {}; }",
            "pub const C: u8 = 1;",
            "pub type T = u8;",
            "use std::fmt;",
            "mod private { }",
        ];
        for definition in definitions {
            assert_eq!(
                lines(&check_file("x", &format!("pub use a::b;\n{definition}\n"))),
                [2],
                "{definition}"
            );
        }
    }

    #[test]
    fn modules_are_looked_into() {
        assert_eq!(
            lines(&check_file("x", "pub mod prelude {\n    pub use a::b;\n    fn f() {}\n}\npub use c::d;")),
            [3]
        );
    }

    #[test]
    fn other_crates_may_define() {
        let tree = Tree::from([
            ("crates/tools/src/lib.rs", "fn f() {}"),
            ("crates/agentexec/src/lib.rs", "fn f() {}"),
        ]);
        assert_eq!(check(&tree).len(), 1);
    }
}
