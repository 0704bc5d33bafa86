//! Which files are test code: what is under `tests/` and `benches/`, and modules that are compiled for tests
//! only.

use super::rust;
use crate::tree::Tree;

/// The files of modules that stand under `#[cfg(test)]`, by path, or by path without `.rs`.
pub(super) struct TestCode {
    modules: Vec<String>,
}

impl TestCode {
    pub(super) fn of(tree: &Tree) -> Self {
        let modules = tree.with_extension(".rs").flat_map(|file| modules(&file.path, &file.text));
        Self { modules: modules.collect() }
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        let under = |module: &String| {
            path == module
                || path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        let beside_src = !path.contains("/src/") && (path.contains("/tests/") || path.contains("/benches/"));
        beside_src || self.modules.iter().any(under)
    }
}

fn modules(path: &str, text: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    // The modules of `a.rs` are in `a/`; those of a root, and those with a path of their own, beside it.
    let own = match name {
        "lib.rs" | "main.rs" | "mod.rs" => String::new(),
        name => format!("{}/", name.trim_end_matches(".rs")),
    };
    let place = |module: String| {
        if module.ends_with(".rs") { format!("{folder}/{module}") } else { format!("{folder}/{own}{module}") }
    };
    rust::test_modules(text).into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_are_found_where_rust_looks_for_them() {
        let tests = TestCode::of(&Tree::from([
            ("crates/x/src/lib.rs", "mod a;\n#[cfg(test)]\nmod tests;"),
            ("crates/x/src/a.rs", "#[cfg(test)]\nmod checks;"),
            ("crates/x/src/b/c.rs", "#[cfg(test)]\n#[path = \"c_tests.rs\"]\nmod tests;"),
        ]));
        for path in ["tests.rs", "tests/deep.rs", "a/checks.rs", "a/checks/mod.rs", "b/c_tests.rs"] {
            assert!(tests.contains(&format!("crates/x/src/{path}")), "{path}");
        }
        for path in ["lib.rs", "a.rs", "b/c.rs", "b/checks.rs", "checks.rs", "latests.rs"] {
            assert!(!tests.contains(&format!("crates/x/src/{path}")), "{path}");
        }
    }

    #[test]
    fn integration_tests_and_benches_are_test_code() {
        let tests = TestCode::of(&Tree::default());
        assert!(tests.contains("crates/x/tests/http/main.rs"));
        assert!(tests.contains("crates/x/benches/sse.rs"));
        assert!(!tests.contains("crates/x/src/tests/mod.rs"), "compiled for users unless it says otherwise");
    }
}
