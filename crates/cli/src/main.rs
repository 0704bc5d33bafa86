//! The `agentexec` program: run an agent from the terminal and watch what it does.

mod address;
mod advice;
mod args;
mod calls;
mod exit;
mod files;
mod json;
mod live;
mod provider;
mod run;
mod signals;
mod tally;
mod terminal;
mod view;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Traces go beside the progress, and only those that somebody asked for.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(console::colors_enabled_stderr())
        .init();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::error(&format!("the program cannot start its threads: {error}"));
            return Exit::NotBegun.into();
        }
    };
    let exit = match cli.command {
        Command::Run(args) => runtime.block_on(run::run(&args)),
    };
    // A thread that waits for a disk must not keep the program from ending.
    runtime.shutdown_background();
    exit.into()
}
