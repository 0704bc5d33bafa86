//! Who is shown a run: a person gets it live on standard error and the answer on standard output, a program gets
//! everything as JSON on standard output.

use std::io;
use std::time::Duration;

use agentexec::activity::{Activity, Messages};
use agentexec::runner::RunEvent;

use crate::exit::Exit;
use crate::json;
use crate::live::Live;
use crate::run::Ended;
use crate::signals::Signal;
use crate::tally::Tally;
use crate::terminal;

/// Who is shown a run.
pub(crate) enum View {
    Live(Live),
    Json,
}

impl View {
    /// The run is about to begin: who is asked, and its record.
    pub(crate) fn begin(&self, model: &str, activity: &Activity) {
        if let Self::Live(live) = self {
            live.begin(model, activity);
        }
    }

    /// Something has happened. An error says that nobody can be shown anything any more.
    pub(crate) fn event(&mut self, event: &RunEvent, messages: &Messages) -> io::Result<()> {
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
    pub(crate) fn end(&self, report: &Report<'_>) -> io::Result<()> {
        match (self, report.ended) {
            (Self::Json, _) => json::result(report),
            (Self::Live(live), Ok(run)) => {
                live.end(report);
                terminal::err("", "");
                terminal::out(&run.output)
            }
            (Self::Live(live), Err(_)) => {
                live.end(report);
                Ok(())
            }
        }
    }
}

/// Everything about a run that has ended.
pub(crate) struct Report<'a> {
    /// Its record.
    pub(crate) activity: &'a Activity,
    pub(crate) ended: &'a Ended,
    pub(crate) tally: Tally,
    pub(crate) exit: Exit,
    /// What to do next.
    pub(crate) advice: Option<String>,
}

impl Report<'_> {
    /// How long the run took.
    pub(crate) fn duration(&self) -> Duration {
        self.activity.elapsed(self.activity.updated).unwrap_or_default()
    }

    pub(crate) fn is_timed_out(&self) -> bool {
        self.exit == Exit::TimedOut
    }
}
