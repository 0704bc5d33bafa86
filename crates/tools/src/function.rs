//! A tool out of a function.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::context::ToolContext;
use crate::output::IntoToolOutput;
use crate::tool::{DynTool, ToolSettings};

/// A tool out of an async function.
///
/// ```
/// use std::time::Duration;
///
/// use agentexec_tools::{Effect, ToolContext, tool};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Search {
///     /// What to look for.
///     query: String,
/// }
/// let search = tool("search", "Search the web.", |args: Search, _cx: ToolContext| async move {
///     format!("nothing about {}", args.query)
/// })
/// .timeout(Duration::from_secs(10))
/// .effect(Effect::Pure);
/// # assert_eq!(search.spec().name, "search");
/// ```
pub fn tool<A, F, Fut, R>(name: impl Into<String>, description: impl Into<String>, run: F) -> DynTool
where
    A: DeserializeOwned + JsonSchema,
    F: Fn(A, ToolContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoToolOutput,
{
    DynTool::new(name.into(), description.into(), ToolSettings::default(), move |args, cx| {
        let answer = run(args, cx);
        async move { answer.await.into_tool_output() }
    })
}

/// A tool out of an async function over shared state: a client, a database handle. The state is given as it is
/// or as an `Arc`.
///
/// ```
/// use std::sync::Arc;
///
/// use agentexec_tools::{ToolContext, tool_with};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// struct Client { base: String }
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Fetch {
///     /// The path of the page.
///     path: String,
/// }
/// let client = Client { base: "https://example.com".into() };
/// let fetch = tool_with(
///     client,
///     "fetch",
///     "Fetch a page.",
///     |client: Arc<Client>, args: Fetch, _cx: ToolContext| async move { format!("{}{}", client.base, args.path) },
/// );
/// # assert_eq!(fetch.spec().name, "fetch");
/// ```
pub fn tool_with<S, A, F, Fut, R>(
    state: impl Into<Arc<S>>,
    name: impl Into<String>,
    description: impl Into<String>,
    run: F,
) -> DynTool
where
    S: Send + Sync + 'static,
    A: DeserializeOwned + JsonSchema,
    F: Fn(Arc<S>, A, ToolContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoToolOutput,
{
    let state = state.into();
    tool(name, description, move |args, cx| run(Arc::clone(&state), args, cx))
}
