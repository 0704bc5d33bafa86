//! What a tool may return, and what the model reads of it.

use std::borrow::Cow;
use std::collections::HashMap;

use agentexec_tools::{IntoToolOutput, Json, ToolContext, ToolError, ToolOutput, tool};
use serde::Serialize;
use serde_json::json;

use crate::support::{Nothing, call};

fn text(answer: impl IntoToolOutput) -> String {
    let output = answer.into_tool_output().unwrap();
    assert!(!output.is_error);
    output.text
}

#[test]
fn text_is_read_as_it_is() {
    assert_eq!(text("as it is"), "as it is");
    assert_eq!(text("as it is".to_owned()), "as it is");
    assert_eq!(text(Cow::Borrowed("as it is")), "as it is");
}

#[test]
fn plain_values_are_read_as_text() {
    assert_eq!(
        [text(true), text(3_u8), text(-3_i64), text(3_usize), text(0.5)],
        ["true", "3", "-3", "3", "0.5"]
    );
    assert_eq!([text(u64::MAX), text(i128::MIN)], [u64::MAX.to_string(), i128::MIN.to_string()]);
}

#[test]
fn nothing_is_an_empty_answer() {
    assert_eq!(text(()), "");
    assert_eq!(text(Ok::<(), String>(())), "");
}

#[derive(Serialize)]
struct Weather {
    celsius: f32,
    words: Vec<&'static str>,
}

#[test]
fn values_are_read_as_json() {
    let weather = Weather { celsius: 21.5, words: vec!["mild"] };
    assert_eq!(text(Json(weather)), r#"{"celsius":21.5,"words":["mild"]}"#);
    assert_eq!(text(json!({"a": null})), r#"{"a":null}"#);
    assert_eq!(text(Ok::<_, anyhow::Error>(Json([1, 2]))), "[1,2]");
}

#[tokio::test]
async fn a_value_that_is_no_json_is_an_error_for_the_model() {
    let tool = tool("map", "", |_: Nothing, _cx: ToolContext| async { Json(HashMap::from([((1, 2), 3)])) });
    let answer = call(tool, "{}").await;
    assert!(answer.is_error);
    assert_eq!(answer.text, "the answer could not be written as JSON: key must be a string");
}

#[tokio::test]
async fn an_answer_can_say_itself_that_it_is_an_error() {
    let tool = tool("find", "", |_: Nothing, _cx: ToolContext| async { ToolOutput::error("no such page") });
    let answer = call(tool, "{}").await;
    assert_eq!((answer.text.as_str(), answer.is_error), ("no such page", true));
}

/// Each of these is a function that somebody will write.
#[tokio::test]
async fn results_of_every_common_kind_can_be_returned() {
    fn parsed(text: &str) -> Result<i32, std::num::ParseIntError> {
        text.parse()
    }
    let foreign = tool("a", "", |_: Nothing, _cx: ToolContext| async { parsed("7") });
    let boxed = tool("a", "", |_: Nothing, _cx: ToolContext| async {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(parsed("7")?)
    });
    let any = tool("a", "", |_: Nothing, _cx: ToolContext| async { anyhow::Ok(Json(parsed("7")?)) });
    let own = tool("a", "", |_: Nothing, _cx: ToolContext| async {
        parsed("7").map(|seven| seven.to_string()).map_err(|error| ToolError::new(error.to_string()))
    });
    let nested = tool("a", "", |_: Nothing, _cx: ToolContext| async {
        parsed("7").map(|seven| ToolOutput::text(seven.to_string()))
    });
    for tool in [foreign, boxed, any, own, nested] {
        assert_eq!(call(tool, "{}").await.text, "7");
    }
}
