//! `cargo xtask examples`: each example runs to its end, without a key, and prints what its golden file says.

mod normalize;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use similar::TextDiff;

use crate::cmd::Cmd;
use crate::counts::Counts;
use crate::workspace::Workspace;

const PACKAGE: &str = "agentexec-examples";
const EXPECTED: &str = "examples/expected";
/// How long an example may take; they take milliseconds, and one that waits for something waits for ever.
const DEADLINE: Duration = Duration::from_secs(60);
/// Variables that would change what an example does: it must run for somebody who has set none of them.
const SECRET_OR_SETTING: [&str; 3] = ["OPENAI_", "ANTHROPIC_", "AGENTEXEC_"];

/// What to do when the output differs from the golden file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Compare,
    Bless,
}

/// Runs the named examples, or all. They are counted as tests.
pub(crate) fn run(
    workspace: &Workspace,
    only: &[&str],
    expected: Expected,
    counts: &mut Counts,
) -> Result<()> {
    let package =
        workspace.member(PACKAGE).with_context(|| format!("the workspace has no package {PACKAGE}"))?;
    let all: Vec<&str> = package.targets("example").collect();
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        bail!("there is no example `{unknown}`; there are: {}", all.join(", "));
    }
    let golden = golden_names(&workspace.root)?;
    if let Some(name) = leftover(&all, &golden) {
        bail!("{EXPECTED}/{name}.txt belongs to no example: remove it");
    }

    // With the workspace's features the tests have built these already; `-p` alone would build everything
    // again.
    Cmd::cargo(["build", "--workspace", "--all-features", "--examples"]).run()?;
    let mut failed = Vec::new();
    for name in all.into_iter().filter(|name| only.is_empty() || only.contains(name)) {
        match run_one(workspace, name, expected) {
            Ok(verdict) => {
                println!("example {name}: {verdict}");
                counts.passed += 1;
            }
            Err(error) => {
                println!("example {name}: FAILED: {error:#}");
                counts.failed += 1;
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("examples failed: {}", failed.join(", ")) }
}

fn run_one(workspace: &Workspace, name: &str, expected: Expected) -> Result<&'static str> {
    let program =
        workspace.target.join("debug/examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    println!("$ {}", workspace.relative(&program));
    let printed = normalize::output(&printed(&program)?);
    let folder = workspace.root.join(EXPECTED);
    let golden = folder.join(format!("{name}.txt"));
    if expected == Expected::Bless {
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        std::fs::write(&golden, &printed).with_context(|| format!("writing {}", golden.display()))?;
        return Ok("blessed");
    }
    let Ok(golden) = std::fs::read_to_string(&golden) else {
        return Ok("ran; no expected output is kept");
    };
    if printed == golden {
        return Ok("ok");
    }
    let diff =
        TextDiff::from_lines(&golden, &printed).unified_diff().header("expected", "printed").to_string();
    bail!("the output differs; `cargo xtask examples --bless {name}` accepts it\n{diff}")
}

/// What a program writes to stdout until it ends with success.
fn printed(program: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.ends_with("_API_KEY") || SECRET_OR_SETTING.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    let mut child = command.env("NO_COLOR", "1").spawn().context("starting it")?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let Some(status) = wait(&mut child, DEADLINE)? else {
        child.kill().context("stopping it")?;
        child.wait()?;
        bail!("it did not end within {} seconds and was stopped", DEADLINE.as_secs());
    };
    let (stdout, stderr) = (joined(stdout)?, joined(stderr)?);
    if !status.success() {
        bail!("{status}\n{}{}", stdout, stderr.trim_end());
    }
    Ok(stdout)
}

/// Reads a pipe on a thread of its own, so that a program that fills the other one does not wait for us.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<std::io::Result<String>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })
}

fn joined(reader: thread::JoinHandle<std::io::Result<String>>) -> Result<String> {
    match reader.join() {
        Ok(text) => text.context("reading its output"),
        Err(_) => bail!("the thread that reads its output panicked"),
    }
}

/// Waits for the end of a program, or None at the deadline: the standard library has no such wait.
fn wait(child: &mut Child, deadline: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The names of the golden files.
fn golden_names(root: &Path) -> Result<Vec<String>> {
    let Ok(folder) = std::fs::read_dir(root.join(EXPECTED)) else { return Ok(Vec::new()) };
    let paths = folder.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    let names =
        paths.iter().filter_map(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    Ok(names.collect())
}

/// A golden file without its example: somebody renamed one of the two.
fn leftover<'a>(examples: &[&str], golden: &'a [String]) -> Option<&'a String> {
    golden.iter().find(|name| !examples.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_golden_file_belongs_to_an_example() {
        let golden = ["retry".to_owned(), "quickstart".to_owned()];
        assert_eq!(leftover(&["quickstart", "retry", "tools"], &golden), None);
        assert_eq!(leftover(&["quickstart"], &golden).map(String::as_str), Some("retry"));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_does_not_end_is_given_up() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(wait(&mut child, Duration::ZERO).unwrap().is_none());
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_fails_says_why() {
        let error = printed(Path::new("false")).unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error:#}");
    }
}
