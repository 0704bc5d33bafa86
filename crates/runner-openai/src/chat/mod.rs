//! Chat Completions, the protocol that OpenAI and every compatible server speak.
//!
//! [`ChatCompletions`] is the model; [`ChatFold`] is what it makes of an answer, without IO, for recorded streams
//! and other transports.
//!
//! Compatible servers differ from OpenAI and from one another. What is tolerated in an answer:
//!
//! - tool calls without `index`, all with index 0, without `id`, with id and name in each piece, with another id in
//!   each piece, in one piece, with arguments that are an object, reported twice, as those of a `custom` tool, or as the
//!   deprecated `function_call`;
//! - a `message` beside the deltas that repeats them or says what they did not, and a choice whose `index` counts up;
//! - `finish_reason` `stop` or null beside tool calls: the calls themselves decide; and reasons of other providers;
//! - null or missing `role`, `content`, `choices` and `usage`, fields that nobody knows, and fields of an odd type where
//!   the answer can be read without them;
//! - reasoning in `reasoning_content`, `reasoning`, `reasoning_details` or `thinking_blocks`;
//! - thought signatures beside a tool call (`extra_content`), which go back with it;
//! - errors inside the stream, in an `error`, bare, or in a list, and an empty `error` where there was none;
//! - a whole body where a stream was asked for, and a stream where a body was.
//!
//! # Images and files
//! A user may show images, by address or with their bytes, and files with their bytes; this protocol has no files by
//! address. A tool's answer can only be text here, so the images and files that it brought follow the answers of its
//! turn in a message of the user, which names the call. OpenAI, Azure, vLLM, Ollama and Gemini take that; a server that
//! wants no user right behind a tool refuses it.

mod calls;
mod encode;
mod ends;
mod fold;
mod messages;
mod parts;
mod reasoning;
mod shapes;
mod wire;

use std::sync::Arc;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest};
use agentexec_runner_http::Asked;
use futures_util::stream::BoxStream;

pub use self::fold::ChatFold;
use crate::client::{Client, Protocol};
use crate::features::{Feature, Features};

/// The protocol's part of [`Raw::protocol`](agentexec_agent_core::transcript::Raw::protocol). The server's address
/// follows behind an `@`.
pub const PROTOCOL: &str = "openai-chat";

/// The most tool calls of one response. A model that asks for more is out of control.
pub const MAX_TOOL_CALLS: usize = 1024;

/// The longest id of a tool call that OpenAI takes in this protocol, in characters. Other servers get the ids as they
/// are: some of them put more into an id than a name.
pub const MAX_CALL_ID: usize = 40;

/// A model over Chat Completions. From [`OpenAi::chat`](crate::OpenAi::chat).
///
/// ```no_run
/// use agentexec_agent_core::model::{Model, ModelEvent, ModelRequest};
/// use agentexec_agent_core::transcript::Item;
/// use agentexec_runner_openai::OpenAi;
/// use futures_util::TryStreamExt;
///
/// # async fn ask() -> Result<(), agentexec_agent_core::model::ModelError> {
/// let model = OpenAi::at("http://localhost:11434").model("qwen3").chat()?;
/// let items = [Item::user("Why is the sky blue?")];
/// let mut events = model.respond(ModelRequest::new(&items));
/// while let Some(event) = events.try_next().await? {
///     if let ModelEvent::TextDelta(text) = event {
///         println!("{text}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ChatCompletions {
    client: Client,
    streaming: bool,
}

impl ChatCompletions {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, streaming: true }
    }

    /// Whether the answer is asked for as a stream. Default: true. An answer in one piece takes as long and shows
    /// nothing meanwhile.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.streaming = streaming;
        self
    }

    /// Leaves something out that the server or the model does not know. May be called more than once. Default: what a
    /// refusal names is found out and left out, see [`step_down`](Self::step_down).
    pub fn without(mut self, feature: Feature) -> Self {
        self.client.adaptation = self.client.adaptation.without(feature);
        self
    }

    /// Whether a request that the server refuses for a parameter that it does not know is sent again without it.
    /// Default: true.
    pub fn step_down(mut self, on: bool) -> Self {
        self.client.adaptation = self.client.adaptation.step_down(on);
        self
    }
}

impl Protocol for ChatCompletions {
    type Fold = ChatFold;

    fn ask(&self, request: &ModelRequest<'_>, without: Features) -> Result<Asked<Feature>, ModelError> {
        let options = encode::Options {
            model: &self.client.model,
            streaming: self.streaming,
            strict_tools: self.client.strict_tools,
            without,
            max_call_id: if self.client.is_openai() { MAX_CALL_ID } else { usize::MAX },
            origin: &self.client.origin,
        };
        let body = encode::Body::new(request, options)?;
        self.client.ask("chat/completions", &body, self.streaming, body.features())
    }

    fn fold(&self, _once: Features) -> ChatFold {
        ChatFold::new(Arc::clone(&self.client.origin))
    }
}

impl Model for ChatCompletions {
    fn id(&self) -> String {
        self.client.id()
    }

    fn protocol(&self) -> &str {
        &self.client.origin
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        self.client.respond(request, self)
    }
}
