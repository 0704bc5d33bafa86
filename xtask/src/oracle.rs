//! `cargo xtask oracle`: what our runners send beside what the official clients send, field by field.
//!
//! The official Python clients are installed under the target folder, at the versions below, and hold one conversation
//! with a server on loopback. A test holds the same with our runners and compares. It is not a step of `ci`: what the
//! clients send changes with their versions, and that is for a person to look at.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cmd::Cmd;
use crate::counts::Counts;
use crate::ignored;
use crate::workspace::{Workspace, text};

/// The target of the test.
const TEST: &str = "oracle";
const CLIENTS: [&str; 2] = ["openai==3.54.0", "anthropic==2.12.0"];
const SCRIPT: &str = "xtask/oracle/bodies.py";
/// What both sides are answered.
const ANSWERS: &str = "crates/agentexec/tests/oracle/answers.json";
/// What the test reads the path of the clients' bodies from.
const VARIABLE: &str = "AGENTEXEC_ORACLE";

pub(crate) fn run(workspace: &Workspace, counts: &mut Counts) -> Result<()> {
    let home = workspace.target.join("oracle");
    let python = clients(&home)?;
    let bodies = home.join("bodies.json");
    let bodies = text(&bodies)?;
    Cmd::program(&python, [SCRIPT, ANSWERS, bodies]).run()?;
    ignored::run(TEST, (VARIABLE, bodies), counts)
        .context("where a runner sends something else than the official client, mend it or say why")
}

/// Makes sure that the clients are installed in an environment of their own, and says how to start its Python.
fn clients(home: &Path) -> Result<String> {
    let environment = home.join("python");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // Written behind the last step, so that a broken installation is begun anew.
    let installed = environment.join("installed");
    if fs::read_to_string(&installed).unwrap_or_default() != CLIENTS.join(" ") {
        let system = if cfg!(windows) { "python" } else { "python3" };
        Cmd::program(system, ["-m", "venv", "--clear", text(&environment)?])
            .run()
            .context("this needs Python 3.9 or newer with its module venv")?;
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        Cmd::program(text(&python)?, quiet.into_iter().chain(CLIENTS)).run()?;
        fs::write(&installed, CLIENTS.join(" ")).context("noting what is installed")?;
    }
    text(&python).map(str::to_owned)
}
