//! Rust source as tokens: comments and strings are gone, lines are known, and test code can be left out.

use proc_macro2::{Delimiter, Group, LexError, TokenStream, TokenTree};

/// A token where it stands.
pub(super) struct Spot<'a> {
    /// This token and what follows it in the same group.
    pub(super) tokens: &'a [TokenTree],
    /// Whether the token before is `fn` or `.` or another.
    pub(super) before: Option<&'a TokenTree>,
    /// The innermost function around it; empty at the level of items.
    pub(super) function: &'a str,
}

impl Spot<'_> {
    /// From 1.
    pub(super) fn line(&self) -> usize {
        self.tokens.first().map_or(0, line)
    }

    pub(super) fn is_ident(&self, name: &str) -> bool {
        self.tokens.first().is_some_and(|token| is_ident(token, name))
    }

    /// `name!`
    pub(super) fn is_macro(&self, name: &str) -> bool {
        self.is_ident(name) && self.tokens.get(1).is_some_and(|token| is_punct(token, '!'))
    }

    /// `first::second`
    pub(super) fn is_path(&self, first: &str, second: &str) -> bool {
        self.is_ident(first)
            && self.tokens.get(1..3).is_some_and(|colons| colons.iter().all(|token| is_punct(token, ':')))
            && self.tokens.get(3).is_some_and(|token| is_ident(token, second))
    }

    /// `name(` where it is called and not declared.
    pub(super) fn is_call(&self, name: &str) -> bool {
        let is_arguments = |group: &Group| group.delimiter() == Delimiter::Parenthesis;
        let called = matches!(self.tokens.get(1), Some(TokenTree::Group(group)) if is_arguments(group));
        self.is_ident(name) && called && !self.before.is_some_and(|token| is_ident(token, "fn"))
    }
}

/// Shows every token outside of test code: outside of items under `#[cfg(test)]`.
pub(super) fn each_token(text: &str, see: &mut dyn FnMut(&Spot<'_>)) -> Result<(), LexError> {
    walk(&lex(text)?, "", see);
    Ok(())
}

pub(super) fn lex(text: &str) -> Result<Vec<TokenTree>, LexError> {
    Ok(text.parse::<TokenStream>()?.into_iter().collect())
}

/// The modules that a file declares under `#[cfg(test)]` with their code in another file, by the path of that
/// file from the folder of this one: `mod tests;` says `tests` (where `.rs` or a folder follows) if no
/// attribute says another.
pub(super) fn test_modules(text: &str) -> Vec<String> {
    let tokens = lex(text).unwrap_or_default();
    let mut modules = Vec::new();
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        let (attributes, item) = split_attributes(rest);
        if attributes.iter().any(|attribute| is_cfg_test(attribute))
            && let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(end), ..] = item
            && word == "mod"
            && end.as_char() == ';'
        {
            modules.push(
                attributes
                    .iter()
                    .find_map(|attribute| path_of(attribute))
                    .unwrap_or_else(|| name.to_string()),
            );
        }
        rest = item.get(1..).unwrap_or_default();
    }
    modules
}

/// `path = "file.rs"`
fn path_of(attribute: &[TokenTree]) -> Option<String> {
    match attribute {
        [name, equals, TokenTree::Literal(path)] if is_ident(name, "path") && is_punct(equals, '=') => {
            Some(path.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

pub(super) fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

pub(super) fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

pub(super) fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

fn walk(tokens: &[TokenTree], function: &str, see: &mut dyn FnMut(&Spot<'_>)) {
    let mut rest = tokens;
    let mut before = None;
    let mut declared: Option<String> = None;
    while let Some((token, next)) = rest.split_first() {
        if let Some(item) = after_test_attribute(rest) {
            rest = after_item(item);
            continue;
        }
        see(&Spot { tokens: rest, before, function });
        match token {
            TokenTree::Ident(word) if word == "fn" => {
                declared =
                    next.first().filter(|name| matches!(name, TokenTree::Ident(_))).map(ToString::to_string);
            }
            // A declaration without a body, as in a trait.
            TokenTree::Punct(end) if end.as_char() == ';' => declared = None,
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let body = if group.delimiter() == Delimiter::Brace { declared.take() } else { None };
                walk(&inner, body.as_deref().unwrap_or(function), see);
            }
            _ => {}
        }
        before = Some(token);
        rest = next;
    }
}

/// The item after `#[cfg(test)]` or `#![cfg(test)]`, if one of the attributes that these tokens begin with is
/// that.
fn after_test_attribute(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    let (attributes, item) = split_attributes(tokens);
    attributes.iter().any(|attribute| is_cfg_test(attribute)).then_some(item)
}

fn split_attributes(tokens: &[TokenTree]) -> (Vec<Vec<TokenTree>>, &[TokenTree]) {
    let mut attributes = Vec::new();
    let mut rest = tokens;
    while let Some((attribute, next)) = split_attribute(rest) {
        attributes.push(attribute);
        rest = next;
    }
    (attributes, rest)
}

/// The tokens between the brackets of an attribute, and what follows it.
fn split_attribute(tokens: &[TokenTree]) -> Option<(Vec<TokenTree>, &[TokenTree])> {
    let (hash, rest) = tokens.split_first()?;
    let rest = match rest {
        [bang, inner @ ..] if is_punct(bang, '!') => inner,
        outer => outer,
    };
    match rest {
        [TokenTree::Group(group), rest @ ..]
            if is_punct(hash, '#') && group.delimiter() == Delimiter::Bracket =>
        {
            Some((group.stream().into_iter().collect(), rest))
        }
        _ => None,
    }
}

/// `cfg(test)` and `cfg(all(test, …))`, but not `cfg(any(test, …))`, whose code is also compiled for users.
fn is_cfg_test(attribute: &[TokenTree]) -> bool {
    let [TokenTree::Ident(cfg), TokenTree::Group(condition)] = attribute else { return false };
    if cfg != "cfg" {
        return false;
    }
    let condition: Vec<TokenTree> = condition.stream().into_iter().collect();
    match condition.as_slice() {
        [only] => is_ident(only, "test"),
        [all, TokenTree::Group(parts)] if is_ident(all, "all") => {
            parts.stream().into_iter().next().is_some_and(|first| is_ident(&first, "test"))
        }
        _ => false,
    }
}

/// What follows an item: it ends with its braces or with a semicolon. An empty rest after an inner attribute,
/// which speaks of everything around it.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(token, ';'),
    };
    tokens.iter().position(ends).and_then(|end| tokens.get(end + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str, name: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        each_token(text, &mut |spot| {
            if spot.is_call(name) {
                found.push((spot.line(), spot.function.to_owned()));
            }
        })
        .unwrap();
        found
    }

    #[test]
    fn comments_docs_and_strings_are_no_code() {
        let text = "//! go()\n/// go()\nfn a() {\n    // go()\n    let s = \"go()\";\n    go();\n}\n";
        assert_eq!(calls(text, "go"), [(6, "a".to_owned())]);
    }

    #[test]
    fn the_function_around_a_token_is_known_through_closures_and_ends_with_its_body() {
        let text = "fn a() -> X { b(|| { go() }) }\ntrait T { fn c(); const X: Y = { go() }; }";
        assert_eq!(calls(text, "go"), [(1, "a".to_owned()), (2, String::new())]);
    }

    #[test]
    fn test_code_is_left_out_and_what_follows_it_is_not() {
        let text = "#[cfg(test)]\n#[allow(x)]\nmod tests { fn t() { go() } }\nfn a() { go() }";
        assert_eq!(calls(text, "go"), [(4, "a".to_owned())]);
        assert_eq!(calls("#[cfg(all(test, unix))]\nfn t() { go() }", "go"), []);
    }

    #[test]
    fn code_that_users_can_switch_on_is_no_test_code() {
        assert_eq!(calls("#[cfg(any(test, feature = \"testing\"))]\nfn a() { go() }", "go").len(), 1);
        assert_eq!(calls("#[cfg(not(test))]\nfn a() { go() }", "go").len(), 1);
    }

    #[test]
    fn a_declaration_is_no_call() {
        assert_eq!(calls("fn go() {}", "go"), []);
    }

    #[test]
    fn test_modules_in_other_files_are_found() {
        assert_eq!(test_modules("mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod inline { }"), ["tests"]);
        assert_eq!(
            test_modules("#[path = \"x.rs\"]\n#[cfg(test)]\nmod tests;\n#[cfg(unix)]\nmod b;"),
            ["x.rs"]
        );
    }
}
