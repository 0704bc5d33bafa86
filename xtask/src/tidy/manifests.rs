//! Each crate inherits the lints and says what it is, and the lock file is part of the repository.

use crate::report::Finding;
use crate::tree::Tree;
use crate::workspace::Workspace;

const RULE: &str = "manifest";

pub(super) fn check(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &workspace.members {
        let path = workspace.relative(&member.manifest_path);
        let mut find = |problem: &str, fix: &str| findings.push(Finding::new(RULE, &path, 0, problem, fix));
        if member.description.as_deref().is_none_or(|text| text.trim().is_empty()) {
            find(
                "the crate has no description",
                "add `description = \"…\"`: one line that says what it is for",
            );
        }
        if member.license.as_deref().is_none_or(str::is_empty) {
            find("the crate has no license", "add `license.workspace = true`");
        }
        if !inherits_lints(tree.text(&path).unwrap_or_default()) {
            find("the crate does not inherit the lints", "add `[lints]` with `workspace = true`");
        }
    }
    findings
}

/// `[lints]` followed by `workspace = true`, before the next table.
fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.replace(' ', "") == "workspace=true")
}

/// `listed` is what git answers when it is asked for the file.
pub(super) fn lock_is_tracked(listed: &str) -> Option<Finding> {
    let fix = "`git add Cargo.lock`: this workspace has a program, and CI builds what was tested";
    listed.trim().is_empty().then(|| Finding::new(RULE, "Cargo.lock", 0, "the lock file is not tracked", fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Member;

    fn problems(description: &str, license: &str, manifest: &str) -> usize {
        let member = Member {
            manifest_path: "/repo/crates/x/Cargo.toml".into(),
            description: Some(description.into()),
            license: Some(license.into()),
            ..Member::default()
        };
        let workspace = Workspace { root: "/repo".into(), members: vec![member], ..Workspace::default() };
        check(&workspace, &Tree::from([("crates/x/Cargo.toml", manifest)])).len()
    }

    #[test]
    fn a_complete_manifest_passes() {
        assert_eq!(problems("What it does", "MIT", "[package]\n\n[lints]\nworkspace = true\n"), 0);
    }

    #[test]
    fn each_missing_part_is_found() {
        assert_eq!(problems(" ", "MIT", "[lints]\nworkspace = true\n"), 1);
        assert_eq!(problems("What it does", "", "[lints]\nworkspace = true\n"), 1);
        assert_eq!(problems("What it does", "MIT", "[lints]\n[features]\nworkspace = true\n"), 1);
        assert_eq!(problems("What it does", "MIT", "[lints.rust]\nmissing_docs = \"allow\"\n"), 1);
    }

    #[test]
    fn the_lock_file_is_tracked_or_found() {
        assert!(lock_is_tracked("Cargo.lock\n").is_none());
        assert!(lock_is_tracked("").is_some());
    }
}
