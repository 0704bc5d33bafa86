//! Images and files, shown by the user and answered by tools.

use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::transcript::{Item, Media, Part, ToolOutputItem, Transcript};
use agentexec_agent_core::{Agent, AgentRunner};
use agentexec_runner_core::{Run, RunContext};
use agentexec_tools::{Tool, ToolContext, ToolOutput, ToolSettings, tool};

use crate::support::Nothing;

fn chart() -> Media {
    Media::image("image/png", b"\x89PNG")
}

async fn answers(agent: Agent, name: &str) -> ToolOutputItem {
    let model = ScriptedModel::new([Turn::call(name, "{}"), Turn::text("Seen.")]);
    let run = AgentRunner::new(model.clone()).execute(&RunContext::untracked(), agent.input("Look")).await;
    let asked = model.requests().remove(1).transcript;
    assert_eq!(run.unwrap().transcript.items()[..3], asked.items()[..3]);
    match asked.items().last() {
        Some(Item::ToolOutput(output)) => output.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_user_shows_reaches_the_model_as_it_is() {
    let model = ScriptedModel::new([Turn::text("A chart.")]);
    let parts = [Part::text("What is this?"), chart().into()];
    let input = Agent::new("Critic").input(parts.clone());
    AgentRunner::new(model.clone()).execute(&RunContext::untracked(), input).await.unwrap();
    match model.requests()[0].transcript.items() {
        [Item::User(user)] => assert_eq!(user.content, parts),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tool_answers_with_an_image_beside_its_text() {
    let plot = tool("plot", "Plots.", |_: Nothing, _cx: ToolContext| async {
        ToolOutput::text("Up.").with(chart())
    });
    let output = answers(Agent::new("Plotter").tool(plot), "plot").await;
    assert_eq!((output.output.as_str(), output.is_error), ("Up.", false));
    assert_eq!(output.media, [chart()]);

    let draw = tool("draw", "Draws.", |_: Nothing, _cx: ToolContext| async { chart() });
    assert_eq!(answers(Agent::new("Plotter").tool(draw), "draw").await.media, [chart()]);
}

#[tokio::test]
async fn media_beyond_the_limit_of_a_tool_become_an_error_that_says_so() {
    struct Camera;
    impl Tool for Camera {
        type Args = Nothing;
        type Output = ToolOutput;

        fn name(&self) -> String {
            "camera".into()
        }

        fn settings(&self) -> ToolSettings {
            ToolSettings::default().media_limit(7)
        }

        async fn call(&self, _args: Nothing, _cx: ToolContext) -> ToolOutput {
            ToolOutput::text("Two pictures.").with(chart()).with(chart())
        }
    }
    let output = answers(Agent::new("Watcher").tool(Camera), "camera").await;
    assert!(output.is_error && output.media.is_empty());
    assert_eq!(
        output.output,
        "Tool 'camera' answered with 2 images or files of 8 bytes; at most 7 are passed on. It said: Two pictures."
    );
}

#[test]
fn a_transcript_with_media_is_stored_and_read_back() {
    let mut transcript = Transcript::from_user([Part::text("Look"), chart().into()]);
    transcript.push(Item::ToolOutput(ToolOutputItem::new("c", "plot", "").with(chart())));
    let stored = serde_json::to_string(&transcript).unwrap();
    assert_eq!(serde_json::from_str::<Transcript>(&stored).unwrap(), transcript);
    // What was stored before there were media reads as having none.
    let old = r#"{"type":"tool_output","call_id":"c","name":"plot","output":"Up."}"#;
    let old: Item = serde_json::from_str(old).unwrap();
    assert_eq!(old, Item::ToolOutput(ToolOutputItem::new("c", "plot", "Up.")));
}
