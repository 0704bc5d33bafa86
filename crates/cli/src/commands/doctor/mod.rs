//! `agentexec doctor`.

mod check;
mod here;
mod store;

use clap::Args;
use console::Style;
use serde::Serialize;

use self::check::{Check, Standing};
use crate::exit::Exit;
use crate::store::Place;
use crate::terminal::{self, Line, Unwritten};

/// How wide the names of checks are.
const NAME: usize = 11;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  everything works, perhaps with warnings
  1  something does not
  2  the command line is wrong")]
pub(crate) struct Doctor {
    /// Print one JSON document: the checks in `checks`, and the worst standing of them (ok, warn or fail) in `standing`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Diagnosis<'a> {
    standing: Standing,
    checks: &'a [Check],
}

pub(crate) async fn doctor(args: &Doctor, place: &Place) -> anyhow::Result<Exit> {
    let mut checks = vec![Check::ok("version", concat!("agentexec ", env!("CARGO_PKG_VERSION")))];
    checks.extend(store::checks(place).await);
    checks.extend(here::keys());
    checks.push(here::terminal());
    let standing = checks.iter().map(|check| check.standing).max().unwrap_or(Standing::Ok);
    if args.json {
        terminal::json(&Diagnosis { standing, checks: &checks })?;
    } else {
        checks.iter().try_for_each(print)?;
    }
    Ok(if standing == Standing::Fail { Exit::Failed } else { Exit::Complete })
}

fn print(check: &Check) -> Result<(), Unwritten> {
    let (word, style) = match check.standing {
        Standing::Ok => ("  ok", Style::new().green()),
        Standing::Warn => ("warn", Style::new().yellow()),
        Standing::Fail => ("FAIL", Style::new().red()),
    };
    let mut line = Line::default();
    line.add_gap(word.len() - word.trim_start().len());
    line.add(word, &style);
    line.add_gap(2);
    line.add(check.name, &Style::new());
    line.add_gap(NAME.saturating_sub(check.name.len()) + 2);
    line.add(&check.message, &Style::new());
    if let Some(advice) = &check.advice {
        line.add(":", &Style::new());
        line.add_gap(1);
        line.add(advice, &Style::new());
    }
    line.print()
}
