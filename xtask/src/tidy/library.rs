//! Rule 8: a library does not print, reads the environment only in `from_env*` functions, and spawns only
//! where somebody owns the task.
//!
//! Test code is exempt, and so are the programs: the command line prints by trade.

use std::collections::BTreeSet;

use super::rust::{self, Spot};
use super::test_code::TestCode;
use crate::report::Finding;
use crate::tree::Tree;

/// Crates of `crates/` that are programs.
const PROGRAMS: [&str; 1] = ["crates/cli/"];

/// A file that may spawn, and who ends what it spawned. An entry that no longer spawns is a finding.
struct Spawner {
    path: &'static str,
    owner: &'static str,
}

const SPAWNERS: &[Spawner] = &[
    Spawner {
        path: "crates/runner-core/src/ending.rs",
        owner: "the write of a dropped run's final status, which `Activities::shutdown` waits for; and the \
                heartbeat of a handle, which ends with it",
    },
    Spawner {
        path: "crates/runner-core/src/lifecycle.rs",
        owner: "the heartbeat of a handle, taken over from a runtime that is gone; it ends with the handle",
    },
    Spawner {
        path: "crates/activity-core/src/lease.rs",
        owner: "nobody: it hands the heartbeat to a closure of its caller's, named `spawn`",
    },
    Spawner {
        path: "crates/activity-core/src/conformance/races.rs",
        owner: "a JoinSet, which the same function awaits",
    },
    Spawner {
        path: "crates/activity-core/src/conformance/readers.rs",
        owner: "a JoinSet, which the same function awaits",
    },
    Spawner {
        path: "crates/activity-redis/src/store.rs",
        owner: "the tail of a store, which is aborted when the store is dropped",
    },
    Spawner {
        path: "crates/activity-sqlite/src/threads.rs",
        owner: "the writer, the readers and the tail of a store, which waits for them when it is dropped",
    },
    Spawner { path: "crates/demo/src/server.rs", owner: "the server's thread, which ends with its handle" },
];

pub(super) fn check(tree: &Tree, tests: &TestCode) -> Vec<Finding> {
    check_with(tree, tests, SPAWNERS)
}

fn check_with(tree: &Tree, tests: &TestCode, spawners: &[Spawner]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut spawning = BTreeSet::new();
    for file in
        tree.with_extension(".rs").filter(|file| is_library(&file.path) && !tests.contains(&file.path))
    {
        let may_spawn = spawners.iter().any(|spawner| spawner.path == file.path);
        let lexed = rust::each_token(&file.text, &mut |spot| {
            if let Some(finding) = prints(spot, &file.path).or_else(|| reads_environment(spot, &file.path)) {
                findings.push(finding);
            }
            if spawns(spot) {
                spawning.insert(file.path.as_str());
                if !may_spawn {
                    findings.push(spawned(spot, &file.path));
                }
            }
        });
        if let Err(error) = lexed {
            let at = error.span().start().line;
            findings.push(Finding::new("library", &file.path, at, "this is no Rust", "make it compile"));
        }
    }
    for spawner in spawners.iter().filter(|spawner| !spawning.contains(spawner.path)) {
        let problem = format!("{} spawns nothing any more ({})", spawner.path, spawner.owner);
        findings.push(Finding::new(
            "spawn",
            "xtask/src/tidy/library.rs",
            0,
            problem,
            "remove its row in SPAWNERS",
        ));
    }
    findings
}

fn is_library(path: &str) -> bool {
    let in_crate = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'));
    in_crate.is_some_and(|(_, rest)| rest.starts_with("src/"))
        && !PROGRAMS.iter().any(|p| path.starts_with(p))
}

fn prints(spot: &Spot<'_>, path: &str) -> Option<Finding> {
    let macros = ["print", "println", "eprint", "eprintln", "dbg"];
    let name = macros.into_iter().find(|name| spot.is_macro(name)).map(|name| format!("{name}!"));
    let streams = ["stdout", "stderr"];
    let stream = streams.into_iter().find(|name| spot.is_path("io", name)).map(|name| format!("io::{name}"));
    let problem = format!("a library prints: `{}`", name.or(stream)?);
    Some(Finding::new(
        "print",
        path,
        spot.line(),
        problem,
        "return it, emit a run event, or trace it with `tracing`",
    ))
}

fn reads_environment(spot: &Spot<'_>, path: &str) -> Option<Finding> {
    let readers = ["var", "var_os", "vars", "vars_os"];
    if spot.function.starts_with("from_env") || !readers.into_iter().any(|name| spot.is_path("env", name)) {
        return None;
    }
    let fix =
        "read it in a function named `from_env…`, which a user calls or does not, and pass the value on";
    Some(Finding::new("environment", path, spot.line(), "a library reads the environment on its own", fix))
}

fn spawns(spot: &Spot<'_>) -> bool {
    ["spawn", "spawn_blocking", "spawn_local", "spawn_on"].into_iter().any(|name| spot.is_call(name))
}

fn spawned(spot: &Spot<'_>, path: &str) -> Finding {
    let fix = "drive it in the caller's future; or give this file a row in SPAWNERS \
               (xtask/src/tidy/library.rs) that says what ends the task";
    Finding::new("spawn", path, spot.line(), "a library spawns a task that could outlive its handle", fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "crates/tools/src/lib.rs";

    fn rules(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        let tree = Tree::from([(path, text)]);
        check_with(&tree, &TestCode::of(&tree), &[])
            .into_iter()
            .map(|finding| (finding.rule, finding.line))
            .collect()
    }

    #[test]
    fn a_library_that_prints_is_found() {
        assert_eq!(
            rules(LIB, "fn f() {\n    println!(\"x\");\n    dbg!(1);\n}"),
            [("print", 2), ("print", 3)]
        );
        assert_eq!(rules(LIB, "fn f() { std::io::stderr().write_all(b\"x\"); }"), [("print", 1)]);
        assert_eq!(rules(LIB, "macro_rules! m { () => { eprintln!() } }"), [("print", 1)]);
    }

    #[test]
    fn docs_tests_programs_and_this_program_print() {
        assert_eq!(rules(LIB, "/// `println!(\"x\")`\nfn f() { write!(w, \"println!\"); }"), []);
        assert_eq!(rules(LIB, "#[cfg(test)]\nmod tests {\n    fn t() { println!(); }\n}"), []);
        assert_eq!(rules("crates/cli/src/main.rs", "fn main() { println!(); }"), []);
        assert_eq!(rules("crates/tools/tests/a.rs", "fn main() { println!(); }"), []);
        assert_eq!(rules("xtask/src/main.rs", "fn main() { println!(); }"), []);
    }

    #[test]
    fn the_environment_is_read_in_from_env_alone() {
        assert_eq!(rules(LIB, "fn new() { std::env::var(\"X\").ok(); }"), [("environment", 1)]);
        assert_eq!(rules(LIB, "use std::env::var_os;"), [("environment", 1)]);
        assert_eq!(rules(LIB, "fn from_env() { std::env::var(\"X\").ok(); }"), []);
        assert_eq!(rules(LIB, "fn from_env_or(x: X) { [1].iter().map(|_| { env::var(\"X\") }); }"), []);
        assert_eq!(rules(LIB, "const DIR: &str = env!(\"CARGO_MANIFEST_DIR\");"), []);
    }

    #[test]
    fn a_spawn_needs_an_owner() {
        assert_eq!(rules(LIB, "fn f() {\n    tokio::spawn(async {});\n}"), [("spawn", 2)]);
        assert_eq!(rules(LIB, "fn f() { self.set.spawn(async {}); thread::spawn(|| ()); }").len(), 2);
        assert_eq!(rules(LIB, "fn spawn() {} fn f() { respawn(); }"), []);
    }

    #[test]
    fn a_named_spawner_may_spawn_and_must() {
        let spawners = [Spawner { path: LIB, owner: "the guard" }];
        let tree = Tree::from([(LIB, "fn f() { tokio::spawn(async {}); }")]);
        assert!(check_with(&tree, &TestCode::of(&tree), &spawners).is_empty());
        let silent = Tree::from([(LIB, "")]);
        assert_eq!(check_with(&silent, &TestCode::of(&silent), &spawners).len(), 1);
    }

    #[test]
    fn test_code_in_a_file_of_its_own_is_exempt() {
        let tests = "fn t() { println!(); }";
        let tree = Tree::from([(LIB, "#[cfg(test)]\nmod tests;"), ("crates/tools/src/tests.rs", tests)]);
        assert_eq!(check_with(&tree, &TestCode::of(&tree), &[]), []);
    }

    #[test]
    fn source_that_does_not_lex_is_said_so() {
        assert_eq!(rules(LIB, "fn f() {\n"), [("library", 1)]);
    }
}
