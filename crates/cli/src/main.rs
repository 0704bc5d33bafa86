//! The `agentexec` program: run an agent from the terminal, watch what it does, and see what others did.

mod address;
mod advice;
mod args;
mod calls;
mod commands;
mod ended;
mod exit;
mod files;
mod json;
mod live;
mod provider;
mod run;
mod signals;
mod stop;
mod store;
mod table;
mod tally;
mod terminal;
mod view;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::store::Place;

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
    let exit = runtime.block_on(carry_out(&cli));
    // A thread that waits for a disk must not keep the program from ending.
    runtime.shutdown_background();
    exit.into()
}

async fn carry_out(cli: &Cli) -> Exit {
    let place = match Place::choose(cli.store.as_deref()) {
        Ok(place) => place,
        Err(error) => {
            terminal::error(&format!("{error:#}"));
            return Exit::NotBegun;
        }
    };
    let ended = match &cli.command {
        Command::Run(args) => run::run(args, &place).await,
        Command::List(args) => commands::list(args, &place).await,
        Command::Show(args) => commands::show(args, &place).await,
        Command::Watch(args) => commands::watch(args, &place).await,
        Command::Cancel(args) => commands::cancel(args, &place).await,
        Command::Purge(args) => commands::purge(args, &place).await,
        Command::Doctor(args) => commands::doctor(args, &place).await,
    };
    ended.unwrap_or_else(|error| commands::failed(&error, &place))
}
