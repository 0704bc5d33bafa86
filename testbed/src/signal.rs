//! Signals to children of this process, and to nothing else: each takes the handle of a child that is not yet
//! waited for, so the pid cannot belong to another process.

use std::process::Child;

use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};

pub(crate) use rustix::process::Signal;

/// Sends a signal. A child that is gone already gets none.
pub(crate) fn send(child: &Child, signal: Signal) {
    // The one error left is that it is gone: its parent may signal it.
    let _ = kill_process(Pid::from_child(child), signal);
}

/// Stops a child with SIGSTOP and waits until it has really stopped (or is gone): the signal alone leaves it
/// time for one more answer.
pub(crate) fn stop(child: &Child) {
    send(child, Signal::STOP);
    let either = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), either).expect("waiting for a child to stop");
}
