//! What a tool is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arguments;
use crate::context::ToolContext;
use crate::output::{IntoToolOutput, ToolError, ToolOutput};
use crate::schema::{Schema, schema_of};
use crate::spec::ToolSpec;

/// How long a call may take unless the tool says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);
/// The most bytes of an answer unless the tool says otherwise; the rest is cut.
pub const DEFAULT_OUTPUT_LIMIT: usize = 100_000;
/// The most bytes of the images and files of an answer, together, unless the tool says otherwise: 20 MiB.
pub const DEFAULT_MEDIA_LIMIT: usize = 20 << 20;

/// What carrying a call out twice would do. agentexec does not repeat calls that were answered; whoever resumes a
/// run after a crash decides by this what to do with a call that may or may not have been carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing: it only reads.
    Pure,
    /// The same as once: it sets something to a value.
    Idempotent,
    /// Harm: it must be carried out at most once. The default.
    #[default]
    Once,
}

/// The limits of a tool's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolSettings {
    /// How long a call may take; nothing means as long as the run. Default: [`DEFAULT_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// The most bytes of an answer. Default: [`DEFAULT_OUTPUT_LIMIT`].
    pub output_limit: usize,
    /// The most bytes of the images and files of an answer, together. Default: [`DEFAULT_MEDIA_LIMIT`].
    pub media_limit: usize,
    /// What carrying a call out twice would do. Default: [`Effect::Once`].
    pub effect: Effect,
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self {
            timeout: Some(DEFAULT_TIMEOUT),
            output_limit: DEFAULT_OUTPUT_LIMIT,
            media_limit: DEFAULT_MEDIA_LIMIT,
            effect: Effect::default(),
        }
    }
}

impl ToolSettings {
    /// Sets how long a call may take. Default: [`DEFAULT_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Lets a call take as long as the run.
    #[must_use]
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Sets the most bytes of an answer; the rest is cut, and the answer says so. Default:
    /// [`DEFAULT_OUTPUT_LIMIT`].
    #[must_use]
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Sets the most bytes of the images and files of an answer, together; an answer with more becomes an error that
    /// says so. Default: [`DEFAULT_MEDIA_LIMIT`].
    #[must_use]
    pub fn media_limit(mut self, bytes: usize) -> Self {
        self.media_limit = bytes;
        self
    }

    /// Sets what carrying a call out twice would do. Default: [`Effect::Once`].
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

/// A tool as a type of its own: for tools with state, or with settings that belong to them. A function is
/// shorter: [`tool`](crate::tool()).
///
/// ```
/// use agentexec_tools::{DynTool, Json, Tool, ToolContext};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// struct Weather { station: String }
///
/// /// Says how warm it is.
/// #[derive(Deserialize, JsonSchema)]
/// struct WeatherArgs {
///     /// The name of the city.
///     city: String,
/// }
///
/// #[derive(Serialize)]
/// struct Report { celsius: f32 }
///
/// impl Tool for Weather {
///     type Args = WeatherArgs;
///     type Output = anyhow::Result<Json<Report>>;
///
///     fn name(&self) -> String {
///         "get_weather".into()
///     }
///
///     async fn call(&self, args: WeatherArgs, cx: ToolContext) -> Self::Output {
///         cx.note(format!("Asking {} about {}", self.station, args.city)).await;
///         Ok(Json(Report { celsius: 21.0 }))
///     }
/// }
///
/// let tool = DynTool::from(Weather { station: "north".into() });
/// assert_eq!(tool.spec().description, "Says how warm it is.");
/// ```
pub trait Tool: Send + Sync + 'static {
    /// Its arguments. Doc comments on the type and its fields are what the model reads.
    type Args: DeserializeOwned + JsonSchema + Send + 'static;
    /// What it answers: text, [`Json`](crate::Json), or a `Result` of such; see [`IntoToolOutput`].
    type Output: IntoToolOutput;

    /// Its name, `[a-zA-Z0-9_-]{1,64}`.
    fn name(&self) -> String;

    /// What it does, in words for the model. Default: the doc comment of [`Args`](Self::Args).
    fn description(&self) -> String {
        description_of(&schema_of::<Self::Args>())
    }

    /// Its limits. Default: [`ToolSettings::default`].
    fn settings(&self) -> ToolSettings {
        ToolSettings::default()
    }

    /// Carries a call out. It is dropped when its timeout passes or the run is canceled: spawn what must not be
    /// interrupted.
    fn call(&self, args: Self::Args, cx: ToolContext) -> impl Future<Output = Self::Output> + Send;
}

fn description_of(schema: &Schema) -> String {
    schema.as_value().get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

type Called = BoxFuture<'static, Result<ToolOutput, ToolError>>;
type Call = dyn Fn(Value, ToolContext) -> Result<Called, String> + Send + Sync;

/// Any tool, erased: what [`tool`](crate::tool()) makes and what every [`Tool`] converts into. Cloning is cheap.
#[derive(Clone)]
pub struct DynTool {
    spec: Arc<ToolSpec>,
    settings: ToolSettings,
    call: Arc<Call>,
}

impl DynTool {
    pub(crate) fn new<A, F, Fut>(name: String, description: String, settings: ToolSettings, call: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(A, ToolContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ToolOutput, ToolError>> + Send + 'static,
    {
        let spec = ToolSpec::new(name, description, schema_of::<A>());
        let call = move |arguments, cx| Ok(call(arguments::read(arguments)?, cx).boxed());
        Self { spec: Arc::new(spec), settings, call: Arc::new(call) }
    }

    /// A tool whose schema is not known from a Rust type: one that was described elsewhere. Its arguments are a
    /// JSON object that was not held against the schema; only the nulls that strict dialects add to it are gone
    /// ([`Schema::drop_nulls`]).
    pub fn untyped<F, Fut, R>(spec: ToolSpec, call: F) -> Self
    where
        F: Fn(Value, ToolContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoToolOutput,
    {
        let call = move |arguments, cx| {
            let answer = call(arguments, cx);
            Ok(async move { answer.await.into_tool_output() }.boxed())
        };
        Self { spec: Arc::new(spec), settings: ToolSettings::default(), call: Arc::new(call) }
    }

    /// The tool as a model sees it.
    #[must_use]
    pub fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// Its limits.
    #[must_use]
    pub fn settings(&self) -> &ToolSettings {
        &self.settings
    }

    /// See [`ToolSettings::timeout`].
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { settings: self.settings.timeout(timeout), ..self }
    }

    /// See [`ToolSettings::no_timeout`].
    #[must_use]
    pub fn no_timeout(self) -> Self {
        Self { settings: self.settings.no_timeout(), ..self }
    }

    /// See [`ToolSettings::output_limit`].
    #[must_use]
    pub fn output_limit(self, bytes: usize) -> Self {
        Self { settings: self.settings.output_limit(bytes), ..self }
    }

    /// See [`ToolSettings::effect`].
    #[must_use]
    pub fn effect(self, effect: Effect) -> Self {
        Self { settings: self.settings.effect(effect), ..self }
    }

    /// The call, ready to be awaited; in words for the model when the arguments do not fit.
    pub(crate) fn prepare(&self, mut arguments: Value, cx: ToolContext) -> Result<Called, String> {
        self.spec.parameters.drop_nulls(&mut arguments);
        (self.call)(arguments, cx)
    }
}

impl<T: Tool> From<T> for DynTool {
    fn from(tool: T) -> Self {
        let (name, description, settings) = (tool.name(), tool.description(), tool.settings());
        let tool = Arc::new(tool);
        Self::new(name, description, settings, move |args, cx| {
            let tool = Arc::clone(&tool);
            async move { tool.call(args, cx).await.into_tool_output() }
        })
    }
}

impl fmt::Debug for DynTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynTool")
            .field("name", &self.spec.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
