//! Servers that do not know a part of the protocol are asked without it, and real errors are shown.

use agentexec_agent_core::model::{Model, ModelErrorKind, ModelRequest, ModelSettings, ToolSpec};
use agentexec_agent_core::transcript::Item;
use agentexec_agent_core::{Agent, OnMaxTurns, OutputFormat};
use agentexec_runner_claude::{Claude, Feature, Messages, Thinking};
use agentexec_tools::schema::Schema;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{Answer, Reply, Server, ask, both, claude, error, play};
use crate::tools::add;

fn tool() -> ToolSpec {
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    ToolSpec::new("read", "Reads.", Schema::from_value(schema).unwrap())
}

/// Asks for everything that a server may not know.
async fn ask_for_all(model: &Messages) -> Result<(), agentexec_agent_core::model::ModelError> {
    ask_for_all_of(model, None).await
}

async fn ask_for_all_of(
    model: &Messages,
    name: Option<&str>,
) -> Result<(), agentexec_agent_core::model::ModelError> {
    let (items, tools) = ([Item::user("Go")], [tool()]);
    let format = OutputFormat::from_unchecked_schema(
        "form",
        json!({"type": "object", "properties": {"a": {"type": "integer"}}}),
    );
    let mut settings = ModelSettings::default();
    settings.reasoning_effort = Some("low".into());
    let mut request = ModelRequest::new(&items);
    (request.model, request.tools, request.output, request.settings) =
        (name, &tools, Some(&format), &settings);
    ask(model, request).await.map(drop)
}

fn everything(claude: Claude) -> Messages {
    claude.thinking(Thinking::adaptive()).build().unwrap()
}

fn refusal(message: &str) -> ResponseTemplate {
    error(400, "invalid_request_error", message)
}

/// Which features a body has.
fn features(body: &Value) -> Vec<Feature> {
    let has = |holds: bool, feature: Feature| holds.then_some(feature);
    [
        has(body.to_string().contains("cache_control"), Feature::PromptCache),
        has(body["tools"][0]["strict"] == true, Feature::StrictTools),
        has(!body["output_config"]["format"].is_null(), Feature::JsonSchema),
        has(!body["output_config"]["effort"].is_null(), Feature::ReasoningEffort),
        has(!body["thinking"].is_null(), Feature::Thinking),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const ALL: [Feature; 5] = [
    Feature::PromptCache,
    Feature::StrictTools,
    Feature::JsonSchema,
    Feature::ReasoningEffort,
    Feature::Thinking,
];

const REFUSALS: [(&str, Feature); 5] = [
    ("tools.0.cache_control: Extra inputs are not permitted", Feature::PromptCache),
    ("tools.0.custom.strict: Extra inputs are not permitted", Feature::StrictTools),
    ("output_config.format: Extra inputs are not permitted", Feature::JsonSchema),
    ("output_config.effort: Extra inputs are not permitted", Feature::ReasoningEffort),
    ("thinking: Extra inputs are not permitted", Feature::Thinking),
];

#[tokio::test]
async fn what_a_server_does_not_know_is_left_out_and_remembered_by_all_clones() {
    both(async |streaming| {
        for (message, feature) in REFUSALS {
            let answer = || Answer::text("Hi.").template(streaming);
            let server = Server::answering([refusal(message), answer(), answer()]).await;
            let model = everything(claude(&server).streaming(streaming));
            let clone = model.clone();
            ask_for_all(&model).await.unwrap();
            ask_for_all(&clone).await.unwrap();
            let sent: Vec<_> = server.bodies().await.iter().map(features).collect();
            let left: Vec<Feature> = ALL.into_iter().filter(|kept| *kept != feature).collect();
            assert_eq!(sent, [ALL.to_vec(), left.clone(), left], "{feature:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_knows_none_of_it_is_asked_once_for_each() {
    both(async |streaming| {
        let answer = || Answer::text("Hi.").template(streaming);
        let refusals = REFUSALS.iter().map(|(message, _)| refusal(message));
        let server = Server::answering(refusals.chain([answer(), answer()])).await;
        let model = everything(claude(&server).streaming(streaming));
        ask_for_all(&model).await.unwrap();
        ask_for_all(&model).await.unwrap();
        let sent: Vec<_> = server.bodies().await.iter().map(features).collect();
        assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [5, 4, 3, 2, 1, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_the_server_refuses_is_told_in_words() {
    both(async |streaming| {
        let refused = refusal("output_config: Extra inputs are not permitted");
        let server = Server::answering([refused, Answer::text("{}").template(streaming)]).await;
        ask_for_all(&claude(&server).streaming(streaming).build().unwrap()).await.unwrap();
        let bodies = server.bodies().await;
        assert_eq!(bodies[0].get("system"), None);
        assert!(bodies[1]["system"][0]["text"].as_str().unwrap().contains("JSON Schema"));
    })
    .await;
}

#[tokio::test]
async fn tools_that_are_too_much_to_compile_are_sent_as_they_are() {
    both(async |streaming| {
        let refused = refusal("The compiled grammar is too large. Reduce the number of strict tools.");
        let server = Server::answering([refused, Answer::text("Hi.").template(streaming)]).await;
        ask_for_all(&claude(&server).streaming(streaming).build().unwrap()).await.unwrap();
        let bodies = server.bodies().await;
        assert_eq!(bodies[1]["tools"][0]["input_schema"].get("additionalProperties"), None);
        assert!(features(&bodies[1]).contains(&Feature::JsonSchema));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_wants_called_tools_declared_gets_them_when_an_agent_wraps_up() {
    both(async |streaming| {
        let wanted = "Requests which include `tool_use` or `tool_result` blocks must define tools.";
        let agent = Agent::new("Adder").tool(add()).max_turns(1).on_max_turns(OnMaxTurns::recover());
        let replies: [Reply; 3] = [
            Answer::calls([("a", "add", r#"{"a": 1, "b": 2}"#), ("b", "read_file", "{}")]).into(),
            refusal(wanted).into(),
            Answer::text("It is 3.").into(),
        ];
        let seen = play(streaming, &agent, replies).await;
        assert_eq!(seen.run().output, "It is 3.");
        assert_eq!(seen.bodies[1].get("tools"), None);
        let declared = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
        assert_eq!(seen.bodies[2]["tools"], json!([declared("add"), declared("read_file")]));
        assert_eq!(seen.bodies[2]["tool_choice"], json!({"type": "none"}));
    })
    .await;
}

#[tokio::test]
async fn another_model_of_the_same_client_is_asked_for_everything() {
    let answer = || Answer::text("Hi.").template(true);
    let server = Server::answering([refusal(REFUSALS[1].0), answer(), answer(), answer()]).await;
    let model = claude(&server).build().unwrap();
    for name in [Some("old"), Some("new"), Some("old")] {
        ask_for_all_of(&model, name).await.unwrap();
    }
    let strict: Vec<bool> =
        server.bodies().await.iter().map(|body| features(body).contains(&Feature::StrictTools)).collect();
    assert_eq!(strict, [true, false, true, false]);
}

#[tokio::test]
async fn a_real_error_is_shown_and_not_asked_around() {
    for message in [
        "tool_choice: type \"tool\" and \"any\" are not supported for this model.",
        "adaptive thinking is not supported on this model",
        "max_tokens: 30000 > 8192, which is the maximum allowed for this model",
    ] {
        let server = Server::answering([refusal(message)]).await;
        let error = ask_for_all(&everything(claude(&server))).await.unwrap_err();
        assert!(error.message().contains(message), "{error}");
        assert_eq!(server.requests().await.len(), 1);
    }
}

#[tokio::test]
async fn an_error_that_comes_back_is_the_error_and_nothing_is_remembered() {
    let complaint = || refusal("tools.0.custom.strict: Extra inputs are not permitted");
    let server = Server::answering([complaint(), complaint(), Answer::text("Hi.").template(true)]).await;
    let model = claude(&server).build().unwrap();
    let error = ask_for_all(&model).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::InvalidRequest, Some(400)));
    assert_eq!(error.request_id(), Some("req_test"));
    ask_for_all(&model).await.unwrap();
    let strict: Vec<bool> =
        server.bodies().await.iter().map(|body| features(body).contains(&Feature::StrictTools)).collect();
    assert_eq!(strict, [true, false, true]);
}

#[tokio::test]
async fn what_is_switched_off_is_never_sent_and_stepping_down_can_be_too() {
    let server = Server::answering([Answer::text("Hi.").template(true)]).await;
    let model = ALL.into_iter().fold(claude(&server), Claude::without).build().unwrap();
    ask_for_all(&model).await.unwrap();
    assert_eq!(features(&server.bodies().await[0]), []);

    let server = Server::answering([refusal(REFUSALS[0].0)]).await;
    let model = claude(&server).step_down(false).build().unwrap();
    assert!(ask_for_all(&model).await.is_err());
    assert_eq!(server.requests().await.len(), 1);
}

#[tokio::test]
async fn the_protocol_names_the_server_that_items_belong_to() {
    let server = Server::answering([]).await;
    let model = claude(&server).build().unwrap();
    let host = server.uri().trim_start_matches("http://").to_owned();
    assert_eq!(model.protocol(), format!("anthropic@{host}"));
    assert_eq!(Claude::new("key").build().unwrap().protocol(), "anthropic@api.anthropic.com");
}
