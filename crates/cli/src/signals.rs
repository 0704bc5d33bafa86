//! Ctrl-C and SIGTERM: the first one cancels the run, the second one ends the program.

use std::io;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::Exit;
use crate::stop::Stop;

/// What somebody sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C, or SIGINT.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has it"))]
    Terminate,
}

impl Signal {
    /// Why the run is canceled, as its record says it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupted",
            Self::Terminate => "terminated",
        }
    }
}

/// Listens for signals while a run goes on. Dropping it ends that; what comes then is no longer heard.
pub(crate) struct Signals {
    first: watch::Receiver<Option<Signal>>,
    task: JoinHandle<()>,
}

impl Signals {
    /// Asks the run to stop on the first signal and ends the program on the second.
    ///
    /// This goes on in a task of its own, so that it works as well while standard output is full and nobody reads it.
    pub(crate) fn listen(stop: Stop) -> io::Result<Self> {
        let mut source = Source::new()?;
        let (tell, first) = watch::channel(None);
        let task = tokio::spawn(async move {
            let signal = source.next().await;
            tell.send_replace(Some(signal));
            stop.ask(signal.reason());
            let signal = source.next().await;
            std::process::exit(Exit::by(signal).code().into());
        });
        Ok(Self { first, task })
    }

    /// The first signal, if there was one.
    pub(crate) fn seen(&self) -> Option<Signal> {
        *self.first.borrow()
    }

    /// Waits for the first signal; for ever once it has been waited for. Cancel-safe.
    pub(crate) async fn arrived(&mut self) -> Signal {
        loop {
            if self.first.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(signal) = *self.first.borrow_and_update() {
                return signal;
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(windows)]
struct Source(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Source {
    fn new() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) -> Signal {
        self.0.recv().await;
        Signal::Interrupt
    }
}
