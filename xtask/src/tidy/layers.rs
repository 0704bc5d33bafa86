//! Rules 1 and 2: a crate depends only on crates above it, and on no crate that its layer has no business
//! with.
//!
//! A new dependency fails here first. That is the point: it goes into the table below and, with the reason,
//! into the dependency table of docs/src/architecture.md, in the change that brings it.

use crate::report::Finding;
use crate::tree::Tree;
use crate::workspace::{Dependency, Member, Workspace};

const RULE: &str = "layers";
const HERE: &str = "xtask/src/tidy/layers.rs";

/// What a crate may depend on, as words. Development dependencies are free, except that they do not reach
/// downwards either; [`TEST_SUPPORT`] is above them all.
pub(super) struct Layer {
    pub(super) package: &'static str,
    /// Of ours, each from above in the table.
    ours: &'static str,
    external: &'static str,
}

/// The crates in the order of docs/src/architecture.md: each depends only on crates above it.
pub(super) const LAYERS: &[Layer] = &[
    Layer {
        package: "agentexec-activity-core",
        ours: "",
        external: "async-trait futures-core futures-util gethostname jiff proptest serde serde_json \
                   thiserror tokio tracing uuid",
    },
    Layer {
        package: "agentexec-activity-sqlite",
        ours: "agentexec-activity-core",
        external: "async-trait rusqlite rustix serde_json thiserror tokio tracing",
    },
    Layer {
        package: "agentexec-activity-redis",
        ours: "agentexec-activity-core",
        external: "async-trait redis serde_json thiserror tokio tokio-rustls tracing",
    },
    Layer {
        package: "agentexec-runner-core",
        ours: "agentexec-activity-core",
        external: "async-trait fastrand futures-core futures-util humantime serde serde_json \
                   thiserror tokio tokio-util tracing",
    },
    Layer {
        package: "agentexec-tools",
        ours: "agentexec-runner-core",
        external: "anyhow base64 futures-util schemars serde serde_json serde_path_to_error thiserror \
                   tokio tracing uuid",
    },
    Layer {
        package: "agentexec-agent-core",
        ours: "agentexec-runner-core agentexec-tools",
        external: "futures-util jsonschema schemars serde serde_json serde_path_to_error thiserror tokio",
    },
    Layer {
        package: "agentexec-runner-http",
        ours: "agentexec-agent-core",
        external: "bytes futures-util httpdate memchr reqwest secrecy serde serde_json thiserror tokio \
                   tracing uuid",
    },
    Layer {
        package: "agentexec-runner-openai",
        ours: "agentexec-runner-core agentexec-tools agentexec-agent-core \
               agentexec-runner-http",
        external: "futures-util serde serde_json",
    },
    Layer {
        package: "agentexec-runner-claude",
        ours: "agentexec-runner-core agentexec-tools agentexec-agent-core \
               agentexec-runner-http",
        external: "base64 futures-util serde serde_json",
    },
    Layer { package: "agentexec-demo", ours: "", external: "axum futures-util serde_json thiserror tokio" },
    Layer {
        package: "agentexec",
        ours: "agentexec-activity-core agentexec-activity-redis agentexec-activity-sqlite \
               agentexec-runner-core agentexec-tools agentexec-agent-core agentexec-runner-openai agentexec-runner-claude",
        external: "",
    },
    Layer {
        package: "agentexec-cli",
        ours: "agentexec agentexec-demo",
        external: "anyhow cap-fs-ext cap-std clap console futures-util humantime ignore indicatif regex schemars \
                   serde serde_json tokio tracing-subscriber",
    },
];

/// Crates of this workspace for tests alone. They depend on no other of ours, and are nobody's but as
/// development dependencies.
const TEST_SUPPORT: [&str; 1] = ["agentexec-testbed"];

const ACTIVITY_CORE: &str = "agentexec-activity-core";
/// The features of tokio that activity-core has: channels, locks, timers and `select!` are tied to no runtime.
const TOKIO_OF_ACTIVITY_CORE: [&str; 3] = ["macros", "sync", "time"];

/// Crates that must not be below a package, at any depth: what a layer does not know, it does not know
/// through somebody else either.
pub(super) struct Wall {
    pub(super) package: &'static str,
    never: &'static str,
    because: &'static str,
}

const OUTSIDE: &str = "reqwest hyper rustls redis rusqlite sqlx-core agentexec-runner-http";

pub(super) const WALLS: &[Wall] = &[
    Wall { package: ACTIVITY_CORE, never: OUTSIDE, because: "it does no IO and names no database" },
    Wall { package: "agentexec-runner-core", never: OUTSIDE, because: "it does no IO" },
    Wall {
        package: "agentexec-runner-core",
        never: "schemars agentexec-tools agentexec-agent-core",
        because: "it knows no language model and no JSON Schema",
    },
    Wall { package: "agentexec-tools", never: OUTSIDE, because: "it knows no HTTP and no provider" },
    Wall { package: "agentexec-agent-core", never: OUTSIDE, because: "it knows no HTTP and no provider" },
];

pub(super) fn check(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in workspace.crates() {
        let path = workspace.relative(&member.manifest_path);
        let manifest = Manifest { path: &path, text: tree.text(&path).unwrap_or_default() };
        match LAYERS.iter().position(|layer| layer.package == member.name) {
            Some(place) => {
                findings.extend(refused(member, place, &manifest));
                findings.extend(unused(member, place));
            }
            None => findings.push(manifest.find(
                "name",
                format!("{} has no place among the layers", member.name),
                "give it a row in LAYERS (xtask/src/tidy/layers.rs) and in docs/src/architecture.md",
            )),
        }
        if member.name == ACTIVITY_CORE {
            findings.extend(tokio_features(member, &manifest));
        }
    }
    for member in TEST_SUPPORT.iter().filter_map(|name| workspace.member(name)) {
        let path = workspace.relative(&member.manifest_path);
        let manifest = Manifest { path: &path, text: tree.text(&path).unwrap_or_default() };
        for dependency in member.dependencies.iter().filter(|dependency| dependency.is_ours()) {
            let problem = format!("{} depends on {}, whose tests may use it", member.name, dependency.name);
            findings.push(manifest.find(
                &dependency.name,
                problem,
                "do without, or move it to the tests that use it",
            ));
        }
    }
    for layer in LAYERS.iter().filter(|layer| workspace.member(layer.package).is_none()) {
        let problem = format!("{} is among the layers and not in the workspace", layer.package);
        findings.push(Finding::new(RULE, HERE, 0, problem, "remove its row"));
    }
    findings
}

/// A manifest, to point into.
struct Manifest<'a> {
    path: &'a str,
    text: &'a str,
}

impl Manifest<'_> {
    /// A finding about a key of the manifest, at the first line that sets it.
    fn find(&self, key: &str, problem: String, fix: &str) -> Finding {
        let sets = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
        let line = self.text.lines().position(sets).map_or(0, |line| line + 1);
        Finding::new(RULE, self.path, line, problem, fix)
    }
}

/// The dependencies that the layer of a crate does not allow.
fn refused(member: &Member, place: usize, manifest: &Manifest<'_>) -> Vec<Finding> {
    let (above, layer) = (LAYERS.get(..place).unwrap_or_default(), LAYERS.get(place));
    let find = |dependency: &Dependency| {
        let name = dependency.name.as_str();
        if dependency.is_dev() {
            let reaches_down = dependency.is_ours()
                && name != member.name
                && !TEST_SUPPORT.contains(&name)
                && !above.iter().any(|layer| layer.package == name);
            let problem = || format!("the tests of {} depend on {name}, which is below it", member.name);
            return reaches_down
                .then(|| manifest.find(name, problem(), "move the test into the crate below"));
        }
        let allowed = layer.is_some_and(|layer| {
            words(if dependency.is_ours() { layer.ours } else { layer.external }).any(|word| word == name)
        });
        let fix = "do without it; or argue for it: a word in LAYERS (xtask/src/tidy/layers.rs) and a row in \
                   the dependency table of docs/src/architecture.md";
        let problem = || format!("{} depends on {name}, which its layer does not allow", member.name);
        (!allowed).then(|| manifest.find(name, problem(), fix))
    };
    member.dependencies.iter().filter_map(find).collect()
}

/// What the table allows and the crate does without: an allowance that nobody would argue for when it comes
/// back.
fn unused(member: &Member, place: usize) -> Vec<Finding> {
    let allowed =
        LAYERS.get(place).into_iter().flat_map(|layer| words(layer.ours).chain(words(layer.external)));
    let used = |name: &str| member.dependencies.iter().any(|d| !d.is_dev() && d.name == name);
    let find = |name: &str| {
        let problem = format!("{} is allowed {name} and does without", member.name);
        Finding::new(RULE, HERE, 0, problem, "remove the word from its row in LAYERS")
    };
    allowed.filter(|name| !used(name)).map(find).collect()
}

/// The features of tokio beyond the allowed ones: those always on, and those that the default features switch
/// on.
fn tokio_features(member: &Member, manifest: &Manifest<'_>) -> Vec<Finding> {
    let tokio =
        member.dependencies.iter().filter(|dependency| dependency.name == "tokio" && !dependency.is_dev());
    let always = tokio.flat_map(|dependency| dependency.features.iter().map(String::as_str));
    let mut on = vec!["default"];
    let mut by_default = Vec::new();
    let mut next = 0;
    while let Some(feature) = on.get(next).copied() {
        next += 1;
        for switched in member.features.get(feature).into_iter().flatten().map(String::as_str) {
            match switched.strip_prefix("tokio/").or_else(|| switched.strip_prefix("tokio?/")) {
                Some(feature) => by_default.push(feature),
                None if on.contains(&switched) => {}
                None => on.push(switched),
            }
        }
    }
    let fix = "activity-core runs on any runtime; what needs one belongs into the crate that chose it";
    let find = |feature: &str| {
        manifest.find("tokio", format!("{} switches on `{feature}` of tokio", member.name), fix)
    };
    always.chain(by_default).filter(|feature| !TOKIO_OF_ACTIVITY_CORE.contains(feature)).map(find).collect()
}

fn words(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_whitespace()
}

/// Checks one wall against what `cargo tree` says is below the package: a crate a line, `name v1.2.3 …`.
pub(super) fn check_wall(wall: &Wall, below: &str) -> Vec<Finding> {
    let names = below.lines().filter_map(|line| line.split_whitespace().next());
    let mut through: Vec<&str> = names.filter(|name| words(wall.never).any(|never| never == *name)).collect();
    through.sort_unstable();
    through.dedup();
    let manifest = format!("crates/{}/Cargo.toml", wall.package.trim_start_matches("agentexec-"));
    let say = |name: &str| {
        let problem = format!("{} is built from {name}, but {}", wall.package, wall.because);
        let fix = format!(
            "`cargo tree -p {} --all-features -e normal -i {name}` shows the way to it",
            wall.package
        );
        Finding::new(RULE, &manifest, 0, problem, fix)
    };
    through.into_iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::report::lines;

    fn external(name: &str) -> Dependency {
        Dependency { name: name.into(), ..Dependency::default() }
    }

    fn ours(name: &str) -> Dependency {
        Dependency { path: Some(PathBuf::from("/repo")), ..external(name) }
    }

    fn dev(dependency: Dependency) -> Dependency {
        Dependency { kind: Some("dev".into()), ..dependency }
    }

    fn found(name: &str, dependencies: Vec<Dependency>) -> Vec<Finding> {
        let manifest_path = PathBuf::from("/repo/crates/x/Cargo.toml");
        let member = Member { name: name.into(), manifest_path, dependencies, ..Member::default() };
        let workspace = Workspace { root: "/repo".into(), members: vec![member], ..Workspace::default() };
        let manifest =
            "[package]\nname = \"x\"\n\n[dependencies]\nserde.workspace = true\nleft-pad = \"1\"\n";
        let findings = check(&workspace, &Tree::from([("crates/x/Cargo.toml", manifest)]));
        findings.into_iter().filter(|finding| finding.path == "crates/x/Cargo.toml").collect()
    }

    #[test]
    fn every_row_allows_only_crates_above_it() {
        for (place, layer) in LAYERS.iter().enumerate() {
            for ours in words(layer.ours) {
                let found = LAYERS.iter().position(|layer| layer.package == ours);
                assert!(found.is_some_and(|above| above < place), "{} allows {ours}", layer.package);
            }
        }
    }

    #[test]
    fn what_the_table_allows_passes() {
        let allowed = vec![ours("agentexec-activity-core"), external("serde"), external("tokio")];
        assert_eq!(found("agentexec-runner-core", allowed), []);
    }

    #[test]
    fn a_crate_below_or_a_new_external_one_is_refused_and_named() {
        let refused = found("agentexec-runner-core", vec![ours("agentexec-tools"), external("left-pad")]);
        let [below, new] = refused.as_slice() else { panic!("{refused:?}") };
        assert!(below.problem.contains("agentexec-tools"));
        assert!(new.problem.contains("left-pad"));
        assert_eq!(new.line, 6);
    }

    #[test]
    fn tests_may_use_any_external_crate_and_their_own_but_none_below() {
        let fine =
            vec![dev(external("wiremock")), dev(ours("agentexec-tools")), dev(ours("agentexec-runner-core"))];
        assert_eq!(found("agentexec-tools", fine), []);
        assert_eq!(found("agentexec-tools", vec![dev(ours("agentexec-agent-core"))]).len(), 1);
    }

    #[test]
    fn any_test_may_use_the_test_support_and_no_library_may() {
        assert_eq!(found("agentexec-tools", vec![dev(ours("agentexec-testbed"))]), []);
        assert_eq!(found("agentexec-tools", vec![ours("agentexec-testbed")]).len(), 1);
    }

    #[test]
    fn the_test_support_depends_on_none_of_ours() {
        let found = found("agentexec-testbed", vec![external("redis"), ours("agentexec-tools")]);
        let of_ours = found.iter().filter(|finding| finding.problem.contains("depends on agentexec-tools"));
        assert_eq!(of_ours.count(), 1);
        assert!(!found.iter().any(|finding| finding.problem.contains("redis")), "{found:?}");
    }

    #[test]
    fn an_allowance_that_is_not_used_is_found() {
        let row = LAYERS.iter().position(|layer| layer.package == "agentexec-runner-core").unwrap();
        let uses = |dependencies| unused(&Member { dependencies, ..Member::default() }, row).len();
        assert_eq!(uses(vec![]), uses(vec![external("serde")]) + 1);
        assert_eq!(uses(vec![]), uses(vec![dev(external("serde"))]));
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_refused() {
        assert_eq!(lines(&found("agentexec-new", vec![])), [2]);
    }

    fn activity_core(tokio: &[&str], features: &[(&str, &[&str])]) -> usize {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let tokio = Dependency { features: owned(tokio), ..external("tokio") };
        let features = features.iter().map(|(name, on)| ((*name).to_owned(), owned(on))).collect();
        let member = Member { dependencies: vec![tokio], features, ..Member::default() };
        tokio_features(&member, &Manifest { path: "crates/activity-core/Cargo.toml", text: "" }).len()
    }

    #[test]
    fn activity_core_has_the_channels_and_timers_of_tokio_and_an_optional_suite() {
        assert_eq!(activity_core(&["sync", "time"], &[("conformance", &["tokio/rt"])]), 0);
    }

    #[test]
    fn activity_core_brings_no_runtime_not_even_through_a_default_feature() {
        assert_eq!(activity_core(&["sync", "rt"], &[]), 1);
        assert_eq!(activity_core(&["sync"], &[("default", &["a"]), ("a", &["default", "tokio/net"])]), 1);
    }

    #[test]
    fn a_wall_holds_at_any_depth_and_only_for_its_crates() {
        let wall = Wall { package: "agentexec-tools", never: "reqwest hyper", because: "it knows no HTTP" };
        let below = "agentexec-tools v0.1.0 (/x)\nserde v1.0.0\nreqwest v0.13.5\nreqwest v0.13.5 (*)";
        let found = check_wall(&wall, below);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "crates/tools/Cargo.toml");
        assert!(
            check_wall(&wall, "agentexec-tools v0.1.0\nserde v1.0.0\nreqwest-eventsource v1.0.0").is_empty()
        );
    }
}
