//! Arguments that fit, and what a model is told of those that do not.

use agentexec_tools::{DynTool, ToolContext, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::support::{Count, call};

#[derive(Deserialize, Serialize, JsonSchema)]
struct Trip {
    /// Where it begins.
    start: String,
    #[serde(default)]
    stops: Vec<Stop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Vehicle>,
    #[serde(default = "one")]
    travelers: u8,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Stop {
    city: String,
    #[serde(default)]
    nights: u8,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Vehicle {
    Train,
    Bicycle,
}

fn one() -> u8 {
    1
}

/// A tool that answers with the arguments that it got, defaults filled in.
fn plan() -> DynTool {
    tool("plan", "Plans a trip.", |trip: Trip, _cx: ToolContext| async move {
        serde_json::to_string(&trip).map_err(|error| error.to_string())
    })
}

/// What the model reads when `arguments` do not fit.
async fn misfit(arguments: &str) -> String {
    let answer = call(plan(), arguments).await;
    assert!(answer.is_error, "{}", answer.text);
    let opening = "The arguments of 'plan' do not fit: ";
    let way_out = ". Call it again with an object that matches its schema.";
    let reason = answer.text.strip_prefix(opening).and_then(|text| text.strip_suffix(way_out));
    reason.unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

#[tokio::test]
async fn what_fits_is_read() {
    let answer = call(plan(), r#"{"start": "Turku", "stops": [{"city": "Vaasa"}], "by": "train"}"#).await;
    assert!(!answer.is_error, "{}", answer.text);
    assert_eq!(
        answer.text,
        r#"{"start":"Turku","stops":[{"city":"Vaasa","nights":0}],"by":"train","travelers":1}"#
    );
}

#[tokio::test]
async fn a_wrong_type_is_named_by_its_path() {
    assert_eq!(misfit(r#"{"start": 7}"#).await, "at `start`: invalid type: integer `7`, expected a string");
    assert_eq!(
        misfit(r#"{"start": "Turku", "stops": [{"city": "Vaasa"}, {"city": "Oulu", "nights": "two"}]}"#)
            .await,
        r#"at `stops[1].nights`: invalid type: string "two", expected u8"#
    );
    assert_eq!(
        misfit(r#"{"start": "Turku", "travelers": 300}"#).await,
        "at `travelers`: invalid value: integer `300`, expected u8"
    );
}

#[tokio::test]
async fn a_missing_field_is_named_with_the_place_where_it_is_missing() {
    assert_eq!(misfit("{}").await, "missing field `start`");
    assert_eq!(
        misfit(r#"{"start": "Turku", "stops": [{"nights": 2}]}"#).await,
        "at `stops[0]`: missing field `city`"
    );
}

#[tokio::test]
async fn an_unknown_variant_is_told_the_variants() {
    assert_eq!(
        misfit(r#"{"start": "Turku", "by": "plane"}"#).await,
        "at `by`: unknown variant `plane`, expected `train` or `bicycle`"
    );
}

#[tokio::test]
async fn anything_but_an_object_is_refused_in_words() {
    assert_eq!(misfit(r#"["Turku"]"#).await, "expected a JSON object, got an array");
    assert_eq!(misfit(r#""Turku""#).await, "expected a JSON object, got a string");
    assert_eq!(misfit("7").await, "expected a JSON object, got a number");
    assert_eq!(misfit("true").await, "expected a JSON object, got a boolean");
}

#[tokio::test]
async fn what_is_not_json_is_refused_with_the_place() {
    assert_eq!(
        misfit(r#"{"start": "Tur"#).await,
        "they are not valid JSON: EOF while parsing a string at line 1 column 14"
    );
    assert_eq!(misfit("Turku").await, "they are not valid JSON: expected value at line 1 column 1");
    let deep = "[".repeat(100_000);
    assert!(misfit(&deep).await.contains("recursion limit exceeded"));
}

#[derive(Deserialize, JsonSchema)]
struct Optional {
    #[serde(default)]
    limit: u8,
}

/// Some models say nothing, or null, in place of `{}`.
#[tokio::test]
async fn nothing_is_the_empty_object() {
    let count = tool("count", "", |args: Optional, _cx: ToolContext| async move { args.limit });
    for nothing in ["", "  \n", "{}", "null", " null "] {
        let answer = call(count.clone(), nothing).await;
        assert_eq!((answer.text.as_str(), answer.is_error), ("0", false), "{nothing:?}");
    }
    assert_eq!(misfit("").await, "missing field `start`");
}

/// In strict dialects every property is required, so a model says null for one that it leaves out.
#[tokio::test]
async fn a_null_for_an_optional_field_counts_as_left_out() {
    let answer = call(
        plan(),
        r#"{"start": "Turku", "stops": [{"city": "Vaasa", "nights": null}], "by": null, "travelers": null}"#,
    )
    .await;
    assert!(!answer.is_error, "{}", answer.text);
    assert_eq!(answer.text, r#"{"start":"Turku","stops":[{"city":"Vaasa","nights":0}],"travelers":1}"#);
    assert_eq!(misfit(r#"{"start": null}"#).await, "at `start`: invalid type: null, expected a string");
}

#[tokio::test]
async fn a_tool_is_not_called_with_arguments_that_do_not_fit() {
    let calls = Count::default();
    let counted = calls.clone();
    let plan = tool("plan", "", move |trip: Trip, _cx: ToolContext| {
        counted.up();
        async move { trip.start }
    });
    assert!(call(plan, r#"{"start": 7}"#).await.is_error);
    assert_eq!(calls.get(), 0);
}
