//! The forms that a tool can have, and what it sees of its call.

use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Run, RunContext, Track, from_fn};
use agentexec_tools::schema::Schema;
use agentexec_tools::{
    CallRequest, DynTool, Effect, Tool, ToolContext, ToolSet, ToolSettings, ToolSpec, tool, tool_with,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Count, Nothing, call, call_in};

#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// Whom to greet.
    name: String,
    /// How often.
    #[serde(default = "once")]
    times: u8,
}

fn once() -> u8 {
    1
}

#[tokio::test]
async fn a_function_is_a_tool() {
    let greet = tool("greet", "Greets.", |args: Greet, _cx: ToolContext| async move {
        format!("Hello {}", args.name).repeat(args.times.into())
    });
    let answer = call(greet, r#"{"name": "Ada"}"#).await;
    assert_eq!((answer.text.as_str(), answer.is_error), ("Hello Ada", false));
}

#[test]
fn a_model_reads_the_description_and_the_doc_comments() {
    let greet = tool("greet", "Greets.", |args: Greet, _cx: ToolContext| async move { args.name });
    assert_eq!(greet.spec().name, "greet");
    assert_eq!(greet.spec().description, "Greets.");
    assert_eq!(
        greet.spec().parameters.as_value(),
        &json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "Whom to greet."},
                "times": {
                    "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255,
                    "description": "How often.", "default": 1,
                },
            },
            "required": ["name"],
        })
    );
}

#[tokio::test]
async fn state_is_given_as_a_value() {
    let tally =
        tool_with(
            Count::default(),
            "tally",
            "",
            |count: Arc<Count>, _: Nothing, _cx| async move { count.up() },
        );
    assert_eq!(call(tally.clone(), "{}").await.text, "1");
    assert_eq!(call(tally, "{}").await.text, "2");
}

#[tokio::test]
async fn state_is_given_as_an_arc_and_shared_with_its_owner() {
    let count = Arc::new(Count::default());
    let tally =
        tool_with(
            Arc::clone(&count),
            "tally",
            "",
            |count: Arc<Count>, _: Nothing, _cx| async move { count.up() },
        );
    call(tally, "{}").await;
    assert_eq!(count.get(), 1);
}

struct Clock {
    zone: String,
}

/// Tells the time.
#[derive(Deserialize, JsonSchema)]
struct ClockArgs {
    /// Whether to name the zone.
    #[serde(default)]
    with_zone: bool,
}

impl Tool for Clock {
    type Args = ClockArgs;
    type Output = String;

    fn name(&self) -> String {
        format!("clock_{}", self.zone)
    }

    fn settings(&self) -> ToolSettings {
        ToolSettings::default().timeout(Duration::from_secs(2)).effect(Effect::Pure)
    }

    async fn call(&self, args: ClockArgs, _cx: ToolContext) -> String {
        if args.with_zone { format!("noon {}", self.zone) } else { "noon".to_owned() }
    }
}

#[tokio::test]
async fn a_type_is_a_tool_with_a_name_and_settings_of_its_own() {
    let clock = DynTool::from(Clock { zone: "utc".into() });
    assert_eq!(clock.spec().name, "clock_utc");
    assert_eq!(clock.spec().description, "Tells the time.", "the doc comment of the arguments");
    assert_eq!(clock.settings().timeout, Some(Duration::from_secs(2)));
    assert_eq!(clock.settings().effect, Effect::Pure);
    assert_eq!(call(clock, r#"{"with_zone": true}"#).await.text, "noon utc");
}

#[test]
fn settings_are_changed_where_the_tool_is_used() {
    let clock = DynTool::from(Clock { zone: "utc".into() });
    let clock = clock.no_timeout().output_limit(10).effect(Effect::Idempotent);
    let settings = clock.settings();
    assert_eq!((settings.timeout, settings.output_limit, settings.effect), (None, 10, Effect::Idempotent));
}

fn described_elsewhere() -> ToolSpec {
    let parameters = json!({
        "type": "object",
        "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["path"],
    });
    ToolSpec::new("read", "Reads a file.", Schema::from_value(parameters).unwrap())
}

#[tokio::test]
async fn a_tool_that_was_described_elsewhere_gets_the_object_as_it_is() {
    let read = DynTool::untyped(described_elsewhere(), |args: Value, _cx| async move { args });
    let answer = call(read.clone(), r#"{"path": "a.md", "limit": "ten", "more": [1]}"#).await;
    assert_eq!(
        serde_json::from_str::<Value>(&answer.text).unwrap(),
        json!({"path": "a.md", "limit": "ten", "more": [1]})
    );
    assert!(call(read, "[]").await.is_error, "an object is all that it is promised");
}

/// In strict dialects every property is required, so a model says null for one that it leaves out.
#[tokio::test]
async fn a_tool_that_was_described_elsewhere_does_not_see_the_nulls_of_strict_mode() {
    let read = DynTool::untyped(described_elsewhere(), |args: Value, _cx| async move { args });
    assert_eq!(call(read, r#"{"path": "a.md", "limit": null}"#).await.text, r#"{"path":"a.md"}"#);
}

#[tokio::test]
async fn a_tool_sees_its_call_and_its_run() {
    let cx = RunContext::untracked();
    let whoami = tool("whoami", "", |_: Nothing, cx: ToolContext| async move {
        format!("{} of {}, attempt {}", cx.call_id(), cx.id(), cx.attempt())
    });
    let answer = call_in(&cx, whoami, "{}").await.unwrap();
    assert_eq!(answer.text, format!("call_1 of {}, attempt 1", cx.id()));
}

#[tokio::test]
async fn a_tool_runs_another_runner_within_its_run() {
    let inner = || {
        from_fn(|cx, topic: String| async move {
            cx.progress(format!("Looking into {topic}"), 60).await;
            Ok::<_, std::io::Error>(topic.to_uppercase())
        })
    };
    let delegate = tool("delegate", "", move |args: Greet, cx: ToolContext| {
        let inner = inner();
        async move { inner.execute(&cx, args.name).await.map_err(|error| error.to_string()) }
    });
    let tools = ToolSet::new([delegate]).unwrap();
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let id = activities.create("research").await.unwrap();
    let answer = activities
        .track(id, |cx| async move {
            tools.dispatch(&cx, CallRequest::new("call_1", "delegate", r#"{"name": "bees"}"#)).await
        })
        .await
        .unwrap();
    assert_eq!(answer.text, "BEES");
    assert_eq!(
        store.messages(id),
        ["Waiting to start.", "Task started.", "Looking into bees", "Task completed successfully."]
    );
    assert_eq!(store.percentages(id), [0, 0, 60, 100]);
}
