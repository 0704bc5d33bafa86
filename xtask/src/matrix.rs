//! The axes of `cargo xtask test` besides the tests themselves: feature sets, and stores.

use crate::workspace::{Member, Workspace};

/// A store that passes the conformance suite of activity-core.
pub(crate) struct Store {
    pub(crate) name: &'static str,
    /// The package of the store.
    pub(crate) package: &'static str,
    /// Its integration test that runs the suite. No other target of the workspace has the name: libtest, in
    /// whose output the tests of a row are counted, prints the target without its package.
    pub(crate) target: &'static str,
}

const REDIS: &str = "agentexec-activity-redis";

/// Every store, and each way of running one in which the suite could turn out otherwise. A new one becomes a row
/// here, and its suite runs wherever the tests run.
pub(crate) const STORES: &[Store] = &[
    Store { name: "memory", package: "agentexec-activity-core", target: "memory" },
    Store { name: "sqlite", package: "agentexec-activity-sqlite", target: "sqlite" },
    Store { name: "redis", package: REDIS, target: "redis" },
    Store { name: "redis, minimal ACL user", package: REDIS, target: "redis_acl" },
    Store { name: "redis, three-node cluster", package: REDIS, target: "redis_cluster" },
];

/// The packages that have an integration test of this name.
pub(crate) fn packages_with_test<'a>(workspace: &'a Workspace, target: &str) -> Vec<&'a str> {
    let has = |member: &&Member| member.targets("test").any(|name| name == target);
    workspace.members.iter().filter(has).map(|member| member.name.as_str()).collect()
}

/// The crates that hold a store, by their names, and have no row in [`STORES`]: no suite of theirs is known
/// to run.
pub(crate) fn stores_without_row(workspace: &Workspace) -> impl Iterator<Item = &str> {
    let names = workspace.crates().map(|member| member.name.as_str());
    let is_store = |name: &&str| name.starts_with("agentexec-activity-");
    names.filter(is_store).filter(|name| STORES.iter().all(|store| store.package != *name))
}

/// One `cargo check` of a package with a choice of features.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FeatureSet {
    pub(crate) package: String,
    /// How the table names it.
    pub(crate) name: String,
    /// The arguments of `cargo check` after `-p PACKAGE`.
    pub(crate) args: Vec<String>,
}

/// Each crate alone with no features, with its default ones, and with each feature alone; then the examples,
/// whose programs users copy together with the dependencies that they name.
///
/// In a build of the whole workspace one crate's features are switched on for all, so a `cfg` or a dependency
/// that is missing in one of these sets is not seen there.
pub(crate) fn feature_sets(workspace: &Workspace) -> Vec<FeatureSet> {
    let mut sets: Vec<FeatureSet> = workspace.crates().flat_map(of_crate).collect();
    for member in workspace.members.iter().filter(|member| member.targets("example").next().is_some()) {
        sets.push(set(member, "its examples", &["--examples"]));
    }
    sets
}

fn of_crate(member: &Member) -> Vec<FeatureSet> {
    let mut sets = vec![set(member, "no features", &["--no-default-features"])];
    if member.features.get("default").is_some_and(|features| !features.is_empty()) {
        sets.push(set(member, "default features", &[]));
    }
    for feature in member.features.keys().filter(|feature| *feature != "default") {
        sets.push(set(member, feature, &["--no-default-features", "--features", feature]));
    }
    sets
}

fn set(member: &Member, name: &str, args: &[&str]) -> FeatureSet {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    FeatureSet { package: member.name.clone(), name: name.to_owned(), args }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::Target;

    fn member(folder: &str, features: &[(&str, &[&str])]) -> Member {
        let features = features.iter().map(|(name, on)| {
            let on = on.iter().map(|&feature| feature.to_owned()).collect();
            ((*name).to_owned(), on)
        });
        Member {
            name: folder.replace("crates/", "agentexec-"),
            manifest_path: PathBuf::from("/repo").join(folder).join("Cargo.toml"),
            features: features.collect::<BTreeMap<_, _>>(),
            ..Member::default()
        }
    }

    fn names(members: Vec<Member>) -> Vec<String> {
        let workspace = Workspace { root: PathBuf::from("/repo"), members, ..Workspace::default() };
        feature_sets(&workspace).iter().map(|set| format!("{}, {}", set.package, set.name)).collect()
    }

    #[test]
    fn a_crate_is_checked_bare_with_its_defaults_and_with_each_feature_alone() {
        let sets = names(vec![member("crates/x", &[("default", &["a"]), ("a", &[]), ("b", &["a"])])]);
        assert_eq!(
            sets,
            ["agentexec-x, no features", "agentexec-x, default features", "agentexec-x, a", "agentexec-x, b"]
        );
    }

    #[test]
    fn a_crate_without_features_is_checked_once() {
        assert_eq!(names(vec![member("crates/x", &[("default", &[])])]), ["agentexec-x, no features"]);
    }

    #[test]
    fn the_examples_are_a_row_and_this_program_is_none() {
        let mut examples = member("examples", &[]);
        examples.targets = vec![Target { name: "retry".into(), kind: vec!["example".into()] }];
        assert_eq!(names(vec![examples, member("xtask", &[])]), ["examples, its examples"]);
    }

    #[test]
    fn a_store_without_a_row_is_named() {
        let members = vec![member("crates/activity-core", &[]), member("crates/activity-disk", &[])];
        let workspace = Workspace { root: PathBuf::from("/repo"), members, ..Workspace::default() };
        assert_eq!(stores_without_row(&workspace).collect::<Vec<_>>(), ["agentexec-activity-disk"]);
    }

    #[test]
    fn every_package_with_a_test_of_the_name_is_found() {
        let with_test = |folder: &str, name: &str| Member {
            targets: vec![Target { name: name.into(), kind: vec!["test".into()] }],
            ..member(folder, &[])
        };
        let members =
            vec![with_test("crates/a", "redis"), with_test("crates/b", "redis_acl"), with_test("c", "redis")];
        let workspace = Workspace { root: PathBuf::from("/repo"), members, ..Workspace::default() };
        assert_eq!(packages_with_test(&workspace, "redis"), ["agentexec-a", "c"]);
    }

    #[test]
    fn the_suites_of_two_stores_can_be_told_apart() {
        let targets: BTreeSet<&str> = STORES.iter().map(|store| store.target).collect();
        assert_eq!(targets.len(), STORES.len());
    }
}
