//! Chat Completions, the protocol that OpenAI and every compatible server speak.
//!
//! [`ChatCompletions`] is the model; [`ChatFold`] is what it makes of an answer, without IO, for recorded streams
//! and other transports.
//!
//! Compatible servers differ from OpenAI and from one another. What is tolerated in an answer:
//!
//! - tool calls without `index`, all with index 0, without `id`, with id and name in each piece, in one piece, with
//!   arguments that are an object, or as the deprecated `function_call`;
//! - `finish_reason` `stop` or null beside tool calls: the calls themselves decide;
//! - null or missing `role`, `content`, `choices` and `usage`, and fields that nobody knows;
//! - reasoning in `reasoning_content`, `reasoning`, `reasoning_details` or `thinking_blocks`;
//! - thought signatures beside a tool call (`extra_content`), which go back with it;
//! - errors inside the stream, in an `error` or bare;
//! - a whole body where a stream was asked for, and a stream where a body was.

mod calls;
mod encode;
mod fold;
mod reasoning;
mod wire;

use std::sync::Arc;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest};
use agentexec_runner_http::{Request, Transport};
use futures_util::stream::BoxStream;

pub use self::fold::ChatFold;
use crate::origin::origin;
use crate::respond::respond;

/// The protocol's part of [`Raw::protocol`](agentexec_agent_core::transcript::Raw::protocol). The server's address
/// follows behind an `@`.
pub const PROTOCOL: &str = "openai-chat";

/// The most tool calls of one response. A model that asks for more is out of control.
pub const MAX_TOOL_CALLS: usize = 1024;

/// The field that limits the tokens of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MaxTokensField {
    /// `max_completion_tokens`, which OpenAI's reasoning models require. The default.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`, for servers that know nothing newer.
    MaxTokens,
}

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
    transport: Transport,
    origin: Arc<str>,
    model: String,
    streaming: bool,
    strict_tools: bool,
    max_tokens_field: MaxTokensField,
    send_reasoning: bool,
}

impl ChatCompletions {
    pub(crate) fn new(transport: Transport, model: String, strict_tools: bool) -> Self {
        Self {
            origin: origin(PROTOCOL, transport.base_url()),
            transport,
            model,
            streaming: true,
            strict_tools,
            max_tokens_field: MaxTokensField::default(),
            send_reasoning: true,
        }
    }

    /// Whether the answer is asked for as a stream. Default: true. An answer in one piece takes as long and shows
    /// nothing meanwhile.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.streaming = streaming;
        self
    }

    /// The field that limits the tokens of a response. Default: `max_completion_tokens`.
    pub fn max_tokens_field(mut self, field: MaxTokensField) -> Self {
        self.max_tokens_field = field;
        self
    }

    /// Whether the reasoning that a server sent goes back to it, in the field that it came in. Default: true, since
    /// DeepSeek, Gemini behind OpenRouter and Claude behind LiteLLM refuse a turn with tool calls without it.
    /// OpenAI sends none, so nothing goes back there.
    pub fn send_reasoning(mut self, send: bool) -> Self {
        self.send_reasoning = send;
        self
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<Request, ModelError> {
        let options = encode::Options {
            model: &self.model,
            streaming: self.streaming,
            strict_tools: self.strict_tools,
            max_tokens_field: self.max_tokens_field,
            send_reasoning: self.send_reasoning,
            origin: &self.origin,
        };
        let body = encode::Body::new(request, options)?;
        Ok(Request::json("chat/completions", &body)?.stream(self.streaming))
    }
}

impl Model for ChatCompletions {
    fn id(&self) -> String {
        format!("openai:{}", self.model)
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        respond(&self.transport, self.request(&request), ChatFold::new(Arc::clone(&self.origin)))
    }
}
