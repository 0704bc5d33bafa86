//! Who is shown a run: a person gets it live on standard error and the answer on standard output, a program gets
//! everything as JSON on standard output.

use std::time::Duration;

use agentexec::activity::{Activity, Messages};
use agentexec::runner::RunEvent;

use crate::ended::{Ended, output};
use crate::exit::Exit;
use crate::json;
use crate::live::Live;
use crate::signals::Signal;
use crate::tally::Tally;
use crate::terminal::{self, Unwritten};

/// Who is shown a run.
pub(crate) enum View {
    Live(Live),
    Json,
}

impl View {
    /// The run is about to begin: who is asked, its record, and whether others can see that.
    pub(crate) fn begin(&self, model: &str, activity: &Activity, is_shared: bool) {
        if let Self::Live(live) = self {
            live.begin(model, activity, is_shared);
        }
    }

    /// Something has happened. An error says that nobody can be shown anything any more.
    pub(crate) fn event(&mut self, event: &RunEvent, messages: &Messages) -> Result<(), Unwritten> {
        match self {
            Self::Live(live) => {
                live.show(event, messages);
                Ok(())
            }
            Self::Json => json::event(event),
        }
    }

    /// A signal has asked the run to stop.
    pub(crate) fn stopping(&self, signal: Signal) {
        if let Self::Live(live) = self {
            live.stopping(signal);
        }
    }

    /// The run is over: the answer or the error, and what it took.
    pub(crate) fn end(&self, report: &Report<'_>) -> Result<(), Unwritten> {
        let live = match self {
            Self::Json => return json::result(report),
            Self::Live(live) => live,
        };
        live.end(report);
        let Some(run) = output(report.ended) else { return Ok(()) };
        terminal::err("", "");
        terminal::out(&run.output)
    }
}

/// Everything about a run that has ended.
pub(crate) struct Report<'a> {
    /// Its record.
    pub(crate) activity: &'a Activity,
    pub(crate) ended: &'a Ended,
    pub(crate) tally: Tally,
    /// How long the run took.
    pub(crate) duration: Duration,
    pub(crate) exit: Exit,
    /// What to do next.
    pub(crate) advice: Option<String>,
}

impl Report<'_> {
    pub(crate) fn is_timed_out(&self) -> bool {
        self.exit == Exit::TimedOut
    }
}
