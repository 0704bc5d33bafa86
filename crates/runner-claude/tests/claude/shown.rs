//! Images and documents: from the user, and from tools.

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_agent_core::transcript::{Media, Part};
use agentexec_agent_core::{Agent, AgentErrorKind};
use agentexec_tools::{ToolContext, ToolOutput, tool};
use serde_json::{Value, json};

use crate::support::{Answer, Seen, both, play, play_with};
use crate::tools::Nothing;

/// The blocks of a message, without breakpoints.
fn blocks(seen: &Seen, message: usize) -> Vec<Value> {
    let mut blocks = seen.bodies.last().unwrap()["messages"][message]["content"].as_array().unwrap().clone();
    for block in &mut blocks {
        block.as_object_mut().unwrap().remove("cache_control");
    }
    blocks
}

#[tokio::test]
async fn what_the_user_shows_is_sent_in_the_forms_that_the_api_takes() {
    both(async |streaming| {
        let input = Agent::new("Critic").input([
            Media::image("image/png", b"png").into(),
            Media::image_url("https://example.com/a.webp").into(),
            Media::file("a.pdf", "application/pdf", b"%PDF").into(),
            Media::file_url("https://example.com/b.pdf").named("b.pdf").into(),
            Media::file("c.csv", "text/csv", b"a,b").into(),
            Part::text("What do you see?"),
        ]);
        let seen = play_with(streaming, input, [Answer::text("Much.")], |claude| claude).await;
        assert_eq!(seen.run().output, "Much.");
        let base64 = |media_type: &str, data: &str| json!({"type": "base64", "media_type": media_type, "data": data});
        let url = |url: &str| json!({"type": "url", "url": url});
        assert_eq!(
            blocks(&seen, 0),
            [
                json!({"type": "image", "source": base64("image/png", "cG5n")}),
                json!({"type": "image", "source": url("https://example.com/a.webp")}),
                json!({"type": "document", "source": base64("application/pdf", "JVBERg=="), "title": "a.pdf"}),
                json!({"type": "document", "source": url("https://example.com/b.pdf"), "title": "b.pdf"}),
                json!({
                    "type": "document", "title": "c.csv",
                    "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
                }),
                json!({"type": "text", "text": "What do you see?"}),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn what_a_tool_shows_stands_in_its_result_beside_its_words() {
    both(async |streaming| {
        let chart = tool("chart", "", |_: Nothing, _cx: ToolContext| async {
            ToolOutput::text("Last year.").with(Media::image("image/jpeg", b"jpg"))
        });
        let scan = tool("scan", "", |_: Nothing, _cx: ToolContext| async {
            Media::file("a.pdf", "application/pdf", b"%PDF")
        });
        let agent = Agent::new("Analyst").tools([chart, scan]);
        let calls = Answer::calls([("a", "chart", "{}"), ("b", "scan", "{}")]);
        let seen = play(streaming, &agent, [calls, Answer::text("Up.")]).await;
        assert_eq!(seen.run().output, "Up.");
        let image = json!({"type": "base64", "media_type": "image/jpeg", "data": "anBn"});
        let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="});
        assert_eq!(
            blocks(&seen, 2),
            [
                json!({"type": "tool_result", "tool_use_id": "a", "content": [
                    {"type": "text", "text": "Last year."},
                    {"type": "image", "source": image},
                ]}),
                json!({"type": "tool_result", "tool_use_id": "b", "content": [
                    {"type": "document", "source": pdf, "title": "a.pdf"},
                ]}),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn media_of_a_kind_that_the_api_does_not_take_are_refused_before_anything_is_sent() {
    both(async |streaming| {
        let input = Agent::new("Critic").input(Media::file("a.mp4", "video/mp4", b"mp4"));
        let seen = play_with(streaming, input, [] as [Answer; 0], |claude| claude).await;
        let AgentErrorKind::Model(error) = seen.kind() else { panic!("{:?}", seen.kind()) };
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::Unsupported, None));
        assert!(error.message().contains("video/mp4") && error.message().contains("convert it"), "{error}");
        assert!(seen.bodies.is_empty());
    })
    .await;
}
