//! What a worker process is to do: one argument of JSON, so that a test says it in types and a person can repeat it
//! from a shell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a worker process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The name of the process: the owner of its leases, and a word in its messages.
    pub name: String,
    /// The URL of the store: `sqlite:PATH` or `redis://…`.
    pub store: String,
    /// The seed of its choices.
    pub seed: u64,
    /// How long its leases hold.
    pub lease: Duration,
    /// The work.
    pub work: Work,
}

/// The kinds of work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Creates activities and leads each through one of the lives that the rules allow, until SIGTERM.
    Write {
        /// How many at once.
        at_once: usize,
        /// The length of its messages at least, in bytes.
        message_bytes: usize,
        /// The pause after each call; none writes as fast as the store goes.
        pause: Duration,
    },
    /// Runs that report now and then, and give their output at SIGTERM.
    Hold {
        /// How many.
        runs: usize,
        /// The pause between two reports.
        pause: Duration,
    },
    /// Looks for lost runs until SIGTERM.
    Reap,
    /// Says what it sees until SIGTERM.
    Watch,
    /// One run of an agent with a tool that sleeps for an hour. Then the process ends.
    Agent {
        /// The base URL of its model.
        model: String,
    },
}
