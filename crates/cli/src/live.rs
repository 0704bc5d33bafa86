//! What the run does, live on standard error: lines, and in a terminal a bar below them.

use std::env;
use std::time::Duration;

use agentexec::activity::{Activity, Messages, Percent, Status};
use agentexec::runner::{RunEvent, error_chain};
use console::{Style, Term, truncate_str};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::calls::Calls;
use crate::ended::{failure, unrecorded};
use crate::files::REPORT;
use crate::signals::Signal;
use crate::terminal::{self, NARROWEST, one_line};
use crate::view::Report;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(120);

/// Shows a run as it goes.
pub(crate) struct Live {
    bar: Option<ProgressBar>,
    calls: Calls,
    turn: u32,
    /// Whether the agent itself reports in this turn.
    reports: bool,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { bar: bar(), calls: Calls::default(), turn: 0, reports: false }
    }

    /// Who is asked, what the run is called where others can see it, and that it waits.
    pub(crate) fn begin(&self, model: &str, activity: &Activity, is_shared: bool) {
        self.line(&Style::new(), "model", model);
        if is_shared {
            self.whole_line(&Style::new(), "id", &activity.id.to_string());
        }
        self.line(&Style::new(), "queued", activity.message.as_str());
    }

    pub(crate) fn show(&mut self, event: &RunEvent, messages: &Messages) {
        match event {
            RunEvent::RunStarted { .. } => self.line(&Style::new(), "running", &messages.started),
            RunEvent::TurnStarted { turn } => {
                (self.turn, self.reports) = (*turn, false);
                self.bar_says("waiting for the model");
            }
            RunEvent::Heartbeat => self.bar_says("the model is at work"),
            RunEvent::ReasoningDelta { .. } => self.bar_says("the model thinks"),
            RunEvent::TextDelta { .. } => self.bar_says("the model writes"),
            RunEvent::ToolCallStarted { call_id, name } => {
                self.reports |= name == REPORT;
                self.calls.started(call_id, name);
            }
            RunEvent::ToolCallArguments { call_id, delta } => self.calls.arguments(call_id, delta),
            RunEvent::Progress { message, percentage } => self.progress(message, *percentage),
            RunEvent::ToolCallFinished { call_id, name, output, is_error } => {
                let line = self.calls.finished(call_id, name, output, *is_error);
                // The report is seen as the progress that it makes.
                if name != REPORT || *is_error {
                    let style = if *is_error { Style::new().red() } else { Style::new().dim() };
                    self.line(&style, "tool", &line);
                }
            }
            RunEvent::Recovering { turns } => {
                let text =
                    format!("the limit of turns is reached; {turns} more to answer with what is there");
                self.line(&Style::new().yellow(), "wrap up", &text);
            }
            // Only calls were shown, and theirs are over: nobody sees a difference.
            RunEvent::Retracted { .. } => self.calls = Calls::default(),
            _ => {}
        }
    }

    /// The progress of a turn that the agent reports on itself moves the bar and is not worth a line.
    fn progress(&self, message: &str, percentage: Option<Percent>) {
        if let (Some(bar), Some(percentage)) = (&self.bar, percentage) {
            bar.set_position(percentage.get().into());
        }
        self.bar_says(message);
        let is_automatic = message == format!("Turn {}: Processing tool calls", self.turn);
        if !(is_automatic && self.reports) {
            let label = percentage.map_or_else(|| "note".to_owned(), |percentage| percentage.to_string());
            self.line(&Style::new().cyan(), &label, message);
        }
    }

    /// A signal asked the run to stop.
    pub(crate) fn stopping(&self, signal: Signal) {
        self.bar_says("stopping");
        let text = format!("{}; once more to end the program at once", signal.reason());
        self.line(&Style::new().yellow(), "stopping", &text);
    }

    /// How the run ended and what it took, and what to do next.
    pub(crate) fn end(&self, report: &Report<'_>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let Report { activity, ended, tally, advice, .. } = report;
        let style = match activity.status {
            Status::Complete => Style::new().green(),
            Status::Error => Style::new().red(),
            _ => Style::new().yellow(),
        };
        let message = activity.message.as_str();
        self.whole_line(&style, activity.status.as_str(), message);
        if let Some(error) = failure(ended).map(|error| one_line(&error))
            && activity.status == Status::Error
            && !message.contains(&error)
            && !report.is_timed_out()
        {
            self.whole_line(&style, "because", &error);
        }
        if let Some(error) = unrecorded(ended) {
            let text = format!("this could not be recorded: {}", one_line(&error_chain(error)));
            self.whole_line(&Style::new().red(), "record", &text);
        }
        let usage = format!(
            "{} turn{}, {} tokens in, {} out, {:.1} s",
            tally.turns,
            if tally.turns == 1 { "" } else { "s" },
            HumanCount(tally.usage.input_tokens),
            HumanCount(tally.usage.output_tokens),
            report.duration.as_secs_f64(),
        );
        self.whole_line(&Style::new().dim(), "usage", &usage);
        if let Some(advice) = advice {
            self.whole_line(&Style::new().bold(), "next", advice);
        }
    }

    fn bar_says(&self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(one_line(message));
        }
    }

    /// A line above the bar, cut to the width of the terminal.
    fn line(&self, style: &Style, label: &str, text: &str) {
        let text = one_line(text);
        match usize::from(Term::stderr().size().1) {
            width if self.bar.is_some() && width >= NARROWEST => {
                self.whole_line(style, label, &truncate_str(&text, width - LABEL - GAP, "…"));
            }
            _ => self.whole_line(style, label, &text),
        }
    }

    /// The style is left out where the terminal or `NO_COLOR` asks for that.
    fn whole_line(&self, style: &Style, label: &str, text: &str) {
        let label = style.clone().for_stderr().apply_to(format!("{label:>LABEL$}"));
        let write = || terminal::err(format_args!("{label}{:GAP$}", ""), text);
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// How wide labels are: the longest status.
const LABEL: usize = 8;
/// How far the text is from its label.
const GAP: usize = 2;

/// A bar, where standard error is a terminal that can redraw a line.
fn bar() -> Option<ProgressBar> {
    if is_dumb() || !Term::stderr().is_term() {
        return None;
    }
    let bar = ProgressBar::new(100);
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} [{bar:24}] {percent:>3}%  {elapsed}  {wide_msg}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(TICK);
    Some(bar)
}

/// Whether the terminal says that it cannot redraw a line.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}
