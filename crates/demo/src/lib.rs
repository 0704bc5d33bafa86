//! A model server for demos, examples and tests: the real wire protocols, and no language model.
//!
//! [`DemoServer`] listens on a port of the loopback interface and speaks three protocols as their owners'
//! services do, streamed and not, with their error bodies, headers and token counts:
//!
//! | protocol | route | base URL for a client |
//! |---|---|---|
//! | OpenAI Chat Completions | `POST /v1/chat/completions` | [`base_url`](DemoServer::base_url) + `/v1` |
//! | OpenAI Responses | `POST /v1/responses` | [`base_url`](DemoServer::base_url) + `/v1` |
//! | Anthropic Messages | `POST /v1/messages` | [`base_url`](DemoServer::base_url) alone |
//!
//! (The OpenAI clients append `/chat/completions` and `/responses`, Anthropic's appends `/v1/messages`; a base
//! URL with the wrong end gets the 404 that the real service gives.) Any key that is not empty is let in.
//!
//! Behind the protocols a [`Brain`] plays the model. The default one, [`Explorer`], follows rules: it calls
//! the file tools that it is offered and answers with facts out of what they returned. So whatever runs
//! against this server exercises everything but the intelligence. A test or an example brings a brain of its
//! own, for which a closure is enough:
//!
//! ```
//! use agentexec_demo::{Conversation, DemoServer, Reply};
//! use serde_json::{Value, json};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = DemoServer::builder()
//!     .brain(|conversation: &Conversation| Reply::text(format!("You said: {}", conversation.prompt())))
//!     .start()?;
//!
//! let answer: Value = reqwest::Client::new()
//!     .post(format!("{}/v1/chat/completions", server.base_url()))
//!     .bearer_auth("any-key")
//!     .json(&json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]}))
//!     .send()
//!     .await?
//!     .json()
//!     .await?;
//!
//! assert_eq!(answer["choices"][0]["message"]["content"], "You said: hello");
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is real, and what is not
//! A request is checked as the services check it: required fields and their types, tool names and schemas
//! (strict ones against the rules of strict mode), every tool call answered once and in its place, `[]` where
//! the service refuses it, tool choices without tools, sizes. What is checked and then has no effect is what
//! only a model would do with it: sampling, reasoning, output schemas, images. Nothing is stored, so a request
//! that names an earlier response is refused as one whose response has expired.

mod brain;
mod http;
mod protocol;
mod server;

pub use brain::{Brain, Call, Conversation, Explorer, Item, Reply, Tool};
pub use server::{DemoError, DemoServer, DemoServerBuilder};
