//! What a run says while it goes on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use agentexec_activity_core::{AgentId, Attempt, Percent, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::Usage;

/// What a run says while it goes on. Every runner can: built-in ones as described here, others with
/// [`RunEvent::Custom`] or any of these that fits.
///
/// As JSON it is an object with a `type`, as shown for each. New types will be added: a reader passes over those
/// that it does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEvent {
    /// The activity is running.
    ///
    /// `{"type":"run_started","id":"018f…","attempt":1}`
    RunStarted {
        /// The activity.
        id: AgentId,
        /// Its attempt.
        attempt: Attempt,
    },
    /// The work reported how it goes. Sent once that was recorded, or could not be.
    ///
    /// `{"type":"progress","message":"Reading","percentage":30}`
    Progress {
        /// What it said.
        message: String,
        /// How far it is, when it said so.
        percentage: Option<Percent>,
    },
    /// The model is asked for its next response.
    ///
    /// `{"type":"turn_started","turn":1}`
    TurnStarted {
        /// The number of the turn, from 1.
        turn: u32,
    },
    /// A piece of the answer's text.
    ///
    /// `{"type":"text_delta","text":"Hel"}`
    TextDelta {
        /// The piece.
        text: String,
    },
    /// A piece of the model's readable reasoning.
    ///
    /// `{"type":"reasoning_delta","text":"First"}`
    ReasoningDelta {
        /// The piece.
        text: String,
    },
    /// The model has begun to ask for a tool.
    ///
    /// `{"type":"tool_call_started","call_id":"c1","name":"search"}`
    ToolCallStarted {
        /// The id of the call.
        call_id: String,
        /// The name of the tool.
        name: String,
    },
    /// A piece of a call's arguments.
    ///
    /// `{"type":"tool_call_arguments","call_id":"c1","delta":"{\"q"}`
    ToolCallArguments {
        /// The id of the call.
        call_id: String,
        /// A piece of JSON text.
        delta: String,
    },
    /// A tool has answered.
    ///
    /// `{"type":"tool_call_finished","call_id":"c1","name":"search","output":"3 hits","is_error":false}`
    ToolCallFinished {
        /// The id of the call.
        call_id: String,
        /// The name of the tool.
        name: String,
        /// What the model will read.
        output: String,
        /// Whether that says that something went wrong.
        is_error: bool,
    },
    /// The model's response is whole, and its tools have answered.
    ///
    /// `{"type":"turn_finished","turn":1,"usage":{"input_tokens":100,…}}`
    TurnFinished {
        /// The number of the turn, from 1.
        turn: u32,
        /// What it cost.
        usage: Usage,
    },
    /// The model's server is alive, though it has said nothing of the answer for a second or more: it thinks, or
    /// queues. At most one a second; none comes from a server that is dead, or that sends no sign of life.
    ///
    /// `{"type":"heartbeat"}`
    Heartbeat,
    /// A try failed and another follows.
    ///
    /// `{"type":"retrying","retry":1,"retries":3,"delay_ms":250,"error":"busy"}`
    Retrying {
        /// The number of the retry, from 1.
        retry: u32,
        /// How many there may be.
        retries: u32,
        /// How long it waits before that, in milliseconds.
        delay_ms: u64,
        /// Why the try failed.
        error: String,
    },
    /// The first runner failed and the fallback takes over.
    ///
    /// `{"type":"fell_back","error":"busy"}`
    FellBack {
        /// Why the first runner failed.
        error: String,
    },
    /// The run goes on from a transcript of another provider, of which the model cannot be shown everything: reasoning
    /// and items that only their own provider can read stay behind.
    ///
    /// `{"type":"untranslated","items":2}`
    Untranslated {
        /// How many items.
        items: u32,
    },
    /// The limit of turns is reached and the agent is asked to wrap up.
    ///
    /// `{"type":"recovering","turns":2}`
    Recovering {
        /// How many turns it has for that.
        turns: u32,
    },
    /// What was streamed of this turn no longer counts: it failed and is asked for again.
    ///
    /// `{"type":"retracted","turn":1}`
    Retracted {
        /// The number of the turn, from 1.
        turn: u32,
    },
    /// The run is over and its status is written. The last event of a stream; not sent when the status could not
    /// be written.
    ///
    /// `{"type":"run_finished","status":"complete"}`
    RunFinished {
        /// The final status.
        status: Status,
    },
    /// An event of another framework.
    ///
    /// `{"type":"custom","kind":"agent_action","payload":{"tool":"search"}}`
    Custom {
        /// Its name there.
        kind: String,
        /// What it carries.
        payload: Value,
    },
}

impl RunEvent {
    /// An event of another framework.
    pub fn custom(kind: impl Into<String>, payload: impl Into<Value>) -> Self {
        Self::Custom { kind: kind.into(), payload: payload.into() }
    }
}

/// How many events wait for a slow reader before the run waits too.
pub const EVENT_BUFFER: usize = 64;

/// Where a run's events go: to a stream, or nowhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventSink {
    stream: Option<mpsc::Sender<RunEvent>>,
    /// Whether the run was asked to end with its turn, by its work or by whoever streams it.
    last_turn: Arc<AtomicBool>,
}

impl EventSink {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<RunEvent>) {
        let (stream, events) = mpsc::channel(EVENT_BUFFER);
        (Self { stream: Some(stream), ..Self::default() }, events)
    }

    pub(crate) fn last_turn(&self) -> &Arc<AtomicBool> {
        &self.last_turn
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    pub(crate) async fn send(&self, event: RunEvent) {
        if let Some(sink) = &self.stream {
            // A reader that has gone does not stop the run.
            let _ = sink.send(event).await;
        }
    }
}
