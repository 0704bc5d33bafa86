//! Dependencies are argued for: each direct one of a crate stands, with its reason, in the dependency table
//! of docs/src/architecture.md; and a line in the root manifest that nobody uses goes.

use std::collections::BTreeSet;

use crate::markdown::Page;
use crate::report::Finding;
use crate::tree::Tree;
use crate::workspace::Workspace;

const RULE: &str = "dependencies";
const DOC: &str = "docs/src/architecture.md";
const HEADING: &str = "Dependencies";

pub(super) fn check(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = unused(workspace, tree);
    match tree.text(DOC) {
        Some(text) => findings.extend(table(workspace, text)),
        None => findings.push(Finding::new(
            RULE,
            DOC,
            0,
            "the page that gives the reason for each dependency is missing",
            format!("write it, with a table under the heading `{HEADING}`: `crate` | why"),
        )),
    }
    findings
}

/// The table against the manifests, both ways.
fn table(workspace: &Workspace, text: &str) -> Vec<Finding> {
    let find = |line, problem: String, fix: &str| Finding::new(RULE, DOC, line, problem, fix);
    let page = Page::parse(text);
    let rows: Vec<_> = page.tables.iter().filter(|row| row.under == HEADING).collect();
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| row.names.iter().map(String::as_str)).collect();
    let used = external(workspace, |_| true);

    let mut findings = Vec::new();
    for name in external(workspace, |dependency| !dependency.is_dev()).difference(&named) {
        let fix = "add a row with the reason, or do without it";
        findings.push(find(0, format!("the table under `{HEADING}` does not name `{name}`"), fix));
    }
    for row in rows {
        if row.names.is_empty() {
            let fix = "put the crate's name in backticks into the first column";
            findings.push(find(row.line, "this row names no crate".to_owned(), fix));
        }
        if row.rest.trim().is_empty() {
            findings.push(find(row.line, "this row gives no reason".to_owned(), "say what the crate is for"));
        }
        for name in row.names.iter().filter(|name| !used.contains(name.as_str())) {
            findings.push(find(
                row.line,
                format!("no crate depends on `{name}` any more"),
                "remove it from the row",
            ));
        }
    }
    findings
}

fn external(
    workspace: &Workspace,
    of_interest: impl Fn(&crate::workspace::Dependency) -> bool,
) -> BTreeSet<&str> {
    let all = workspace.crates().flat_map(|member| &member.dependencies);
    all.filter(|d| !d.is_ours() && of_interest(d)).map(|d| d.name.as_str()).collect()
}

/// The entries of `[workspace.dependencies]` that no member has.
fn unused(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let used: BTreeSet<&str> =
        workspace.members.iter().flat_map(|member| &member.dependencies).map(|d| d.name.as_str()).collect();
    let manifest = tree.text("Cargo.toml").unwrap_or_default();
    let mut section = "";
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == "[workspace.dependencies]"
            && let Some((name, _)) = line.split_once('=')
            && !name.starts_with('#')
            && !used.contains(name.trim())
        {
            let problem = format!("no member uses the workspace dependency `{}`", name.trim());
            findings.push(Finding::new(RULE, "Cargo.toml", number, problem, "remove the line"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines;
    use crate::workspace::{Dependency, Member};

    fn workspace() -> Workspace {
        let dependency = |name: &str, kind: Option<&str>| Dependency {
            name: name.into(),
            kind: kind.map(str::to_owned),
            ..Dependency::default()
        };
        let member = Member {
            name: "agentexec-x".into(),
            manifest_path: "/repo/crates/x/Cargo.toml".into(),
            dependencies: vec![
                dependency("serde", None),
                dependency("uuid", None),
                dependency("wiremock", Some("dev")),
            ],
            ..Member::default()
        };
        Workspace { root: "/repo".into(), members: vec![member], ..Workspace::default() }
    }

    const HEAD: &str = "## Dependencies\n\n| crate | why |\n|---|---|\n";

    #[test]
    fn a_table_that_names_each_with_its_reason_passes_and_may_name_those_of_the_tests() {
        let rows = "| `serde`, `uuid` | wire forms and ids |\n| `wiremock` | loopback servers in tests |\n";
        assert_eq!(table(&workspace(), &format!("{HEAD}{rows}")), []);
    }

    #[test]
    fn a_missing_a_stale_and_an_unargued_row_are_found() {
        let found = table(&workspace(), &format!("{HEAD}| `serde` | |\n| `left-pad` | pads |\n"));
        assert_eq!(lines(&found), [0, 5, 6]);
        assert!(found[0].problem.contains("`uuid`"));
    }

    #[test]
    fn a_table_under_another_heading_does_not_count() {
        let text = format!("{HEAD}| `serde` | wire forms |\n").replace("Dependencies", "Layers");
        assert_eq!(table(&workspace(), &text).len(), 2);
    }

    #[test]
    fn the_page_must_exist() {
        assert_eq!(check(&workspace(), &Tree::default()).len(), 1);
    }

    #[test]
    fn a_workspace_dependency_without_a_user_is_found() {
        let manifest =
            "[workspace.dependencies]\nserde = \"1\"\nrand = \"0.9\"\n\n[workspace.lints.rust]\nx = \"a\"";
        let tree = Tree::from([("Cargo.toml", manifest)]);
        assert_eq!(lines(&unused(&workspace(), &tree)), [3]);
    }
}
