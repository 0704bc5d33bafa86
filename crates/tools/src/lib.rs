//! Tools for language models: functions with typed arguments.
//!
//! A tool is a function ([`tool`], [`tool_with`]) or a type ([`Tool`]). Its arguments are a Rust struct: the
//! struct's doc comments are what the model reads, and its types are what the model's JSON is held against. A
//! [`ToolSet`] finds a tool by name and runs it under its limits: whatever goes wrong (unknown name, bad
//! arguments, an error, a panic, a timeout) becomes text that the model can act on.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use agentexec_runner_core::RunContext;
//! use agentexec_tools::{CallRequest, ToolContext, ToolSet, tool};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Add {
//!     /// The first number.
//!     a: i64,
//!     /// The second number.
//!     b: i64,
//! }
//! let add = tool("add", "Adds two numbers.", |args: Add, _cx: ToolContext| async move {
//!     args.a.checked_add(args.b).ok_or("the sum is too large")
//! });
//!
//! let tools = ToolSet::new([add]).unwrap();
//! let cx = RunContext::untracked();
//! let sum = tools.dispatch(&cx, CallRequest::new("call_1", "add", r#"{"a": 1, "b": 2}"#)).await.unwrap();
//! assert_eq!(sum.text, "3");
//!
//! let wrong = tools.dispatch(&cx, CallRequest::new("call_2", "add", r#"{"a": "one", "b": 2}"#)).await.unwrap();
//! assert!(wrong.is_error);
//! assert!(wrong.text.contains("at `a`: invalid type: string \"one\", expected i64"));
//! # }
//! ```

mod arguments;
mod context;
mod function;
mod media;
mod output;
mod report;
pub mod schema;
mod set;
mod spec;
mod tool;

pub use context::ToolContext;
pub use function::{tool, tool_with};
pub use media::{Media, MediaData, MediaKind, MediaSource};
pub use output::{IntoToolOutput, Json, ToolError, ToolOutput};
pub use report::report_status;
pub use set::{CallRequest, FatalToolError, ToolSet, ToolSetError};
pub use spec::{NAME_LIMIT, ToolSpec};
pub use tool::{
    DEFAULT_MEDIA_LIMIT, DEFAULT_OUTPUT_LIMIT, DEFAULT_TIMEOUT, DynTool, Effect, Tool, ToolSettings,
};
