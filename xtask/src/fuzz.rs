//! `cargo xtask fuzz`: coverage-guided fuzzing of what reads the bytes of a server.
//!
//! The targets are those of `fuzz/`, for libFuzzer. They are built here with the compiler at hand, whose pass for
//! coverage is the one that `cargo fuzz` uses too; that program asks for a nightly compiler, this does not. The
//! fixtures of the protocols are the seeds. What a run learns stays under the target folder for the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cmd::Cmd;
use crate::counts::Counts;
use crate::workspace::{Workspace, text};

/// How long each target runs unless told otherwise.
pub(crate) const USUAL: Duration = Duration::from_secs(10);

const MANIFEST: &str = "fuzz/Cargo.toml";

/// Each target with the folders of its seeds.
const TARGETS: [(&str, &[&str]); 4] = [
    ("sse", &["crates/runner-openai/tests/fixtures/chat", "crates/runner-claude/tests/fixtures"]),
    ("chat", &["crates/runner-openai/tests/fixtures/chat"]),
    ("responses", &["crates/runner-openai/tests/fixtures/responses"]),
    ("messages", &["crates/runner-claude/tests/fixtures"]),
];

/// What makes the compiler count the edges that a run takes and tell what it compares.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// The longest input: some of the fixtures twice over.
const LONGEST: &str = "-max_len=65536";
/// What one input may take before it is a finding: an endless loop, and memory that grows without end.
const BOUNDS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

/// How much longer than told a target may run: it starts with the seeds and all that it has learned.
const LIMIT: Duration = Duration::from_mins(5);

/// What `cargo xtask fuzz SECONDS` names.
pub(crate) fn time(seconds: &str) -> Result<Duration> {
    let seconds: u64 = seconds.parse().ok().filter(|seconds| *seconds > 0).with_context(|| {
        format!("`cargo xtask fuzz` takes the seconds for each target, one or more, not `{seconds}`")
    })?;
    Ok(Duration::from_secs(seconds))
}

/// Runs each target for that long. One target counts as one test.
pub(crate) fn run(workspace: &Workspace, time: Duration, counts: &mut Counts) -> Result<()> {
    let host = host()?;
    let built = build(workspace, &host)?;
    let mut failed = Vec::new();
    for (target, seeds) in TARGETS {
        let program = built.join(target);
        match fuzz(workspace, target, &program, seeds, time) {
            Ok(()) => counts.passed += 1,
            Err(error) => {
                println!("error: {error:#}");
                counts.failed += 1;
                failed.push(target);
            }
        }
    }
    if !failed.is_empty() {
        let home = workspace.relative(&home(workspace));
        bail!(
            "{} failed; the inputs are in {home}/TARGET/findings, and TARGET FILE repeats one",
            failed.join(", ")
        );
    }
    Ok(())
}

/// The machine's own target: named, so that the flags do not reach build scripts and macros.
fn host() -> Result<String> {
    let said = Cmd::program("rustc", ["-vV"]).read()?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` does not name its host")
}

/// Builds all targets and says where they are.
fn build(workspace: &Workspace, host: &str) -> Result<PathBuf> {
    let folder = home(workspace).join("build");
    let target_dir = text(&folder)?;
    let line = ["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target", host];
    Cmd::cargo(line.into_iter().chain(["--target-dir", target_dir]))
        .env("RUSTFLAGS", &FLAGS.join(" "))
        .run()
        .context("the targets do not build; libFuzzer among them is C++ and needs a C++ compiler")?;
    Ok(folder.join(host).join("release"))
}

fn fuzz(workspace: &Workspace, target: &str, program: &Path, seeds: &[&str], time: Duration) -> Result<()> {
    let home = home(workspace).join(target);
    let (corpus, findings) = (home.join("corpus"), home.join("findings"));
    let sown = home.join("seeds");
    for folder in [&corpus, &findings, &sown] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    for folder in seeds {
        sow(&workspace.root.join(folder), &sown).with_context(|| format!("making seeds of {folder}"))?;
    }
    let seconds = format!("-max_total_time={}", time.as_secs());
    let prefix = format!("-artifact_prefix={}/", text(&findings)?);
    let options = [seconds.as_str(), prefix.as_str(), LONGEST, "-print_final_stats=1", "-verbosity=0"];
    // The first folder is the one that new inputs are written to.
    let folders = [text(&corpus)?, text(&sown)?];
    let line = options.into_iter().chain(BOUNDS).chain(folders);
    // It ends by listing hundreds of words that it found useful, and misses sanitizers that nobody asked for.
    let tells =
        |line: &str| !line.starts_with(['"', '#', '\t']) && !line.starts_with("WARNING: Failed to find");
    let limit = time + LIMIT;
    if !Cmd::program(text(program)?, line).within(limit).passing_on(tells).watch(|_| {})? {
        bail!("the target `{target}` has a finding");
    }
    Ok(())
}

/// Makes seeds of the fixtures in a folder: of one that lists the events of a stream that stream, of any other itself.
fn sow(fixtures: &Path, sown: &Path) -> Result<()> {
    for file in fs::read_dir(fixtures)? {
        let file = file?.path();
        let fixture = fs::read(&file)?;
        let name = file.file_name().context("a file has a name")?;
        fs::write(sown.join(name), stream_of(&fixture).unwrap_or(fixture))?;
    }
    Ok(())
}

/// The stream of a fixture that lists its events, with the byte at the end that says how it is cut.
fn stream_of(fixture: &[u8]) -> Option<Vec<u8>> {
    let fixture: Value = serde_json::from_slice(fixture).ok()?;
    let events = fixture.get("stream")?.as_array()?;
    let event = |event: &Value| match event {
        Value::String(text) => format!("data: {text}\n\n"),
        event => format!("data: {event}\n\n"),
    };
    let stream: String = events.iter().map(event).collect();
    Some((stream + "data: [DONE]\n\n\n").into_bytes())
}

fn home(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_are_a_whole_number_from_one() {
        assert_eq!(time("90").unwrap(), Duration::from_secs(90));
        for refused in ["0", "-1", "1.5", "long", ""] {
            let error = time(refused).unwrap_err().to_string();
            assert!(error.ends_with(&format!("not `{refused}`")), "{error}");
        }
    }

    #[test]
    fn a_seed_of_listed_events_is_their_stream() {
        let fixture = br#"{"about": "x", "stream": [{"a": 1}, "[half"]}"#;
        let seed = "data: {\"a\":1}\n\ndata: [half\n\ndata: [DONE]\n\n\n";
        assert_eq!(stream_of(fixture).as_deref(), Some(seed.as_bytes()));
        assert_eq!(stream_of(b"data: {}\n\n"), None);
    }

    #[test]
    fn each_target_of_the_manifest_is_run_and_has_seeds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = fs::read_to_string(root.join(MANIFEST)).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for (target, seeds) in TARGETS {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
            for folder in seeds {
                assert!(fs::read_dir(root.join(folder)).unwrap().next().is_some(), "{folder}");
            }
        }
    }
}
