//! What the runners send, field by field beside what the official Python clients send in the same conversation.
//!
//! `cargo xtask oracle` installs those, has them talk, and runs this; elsewhere it is ignored. Each way in which a body
//! differs must be one of those in `differences`, and each of those must still be there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod differences;

use agentexec::agent::{AgentInput, AgentRunner};
use agentexec::claude::{Claude, RetryPolicy};
use agentexec::openai::OpenAi;
use agentexec::prelude::*;
use agentexec::runner::Run;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::differences::{INTENDED, differences};

/// The names of the conversations, as the script gives them.
const CONVERSATIONS: [&str; 9] = [
    "chat",
    "chat streamed",
    "chat of a form",
    "responses",
    "responses streamed",
    "responses of a form",
    "messages",
    "messages streamed",
    "messages of a form",
];

#[derive(Deserialize, JsonSchema)]
struct Weather {
    /// The name of the city.
    city: String,
}

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only its schema is sent")]
struct Answer {
    text: String,
}

fn question(of_a_form: bool) -> AgentInput {
    let weather = |args: Weather, _: ToolContext| async move { format!("Sunny, 21C in {}", args.city) };
    let sum = |args: Sum, _: ToolContext| async move { (args.a + args.b).to_string() };
    let agent = Agent::new("Oracle")
        .instructions("Be brief.")
        .tool(tool("get_weather", "Says how the weather is.", weather))
        .tool(tool("add", "Adds two numbers.", sum));
    let agent = if of_a_form { agent.output::<Answer>() } else { agent };
    agent.input("How is the weather in Paris, and what is 2 + 3?")
}

/// The answers of a conversation, as the official clients got them.
fn answers(conversation: &str, protocol: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("answers.json")).unwrap();
    let answers = all[protocol].as_array().unwrap().clone();
    if conversation.ends_with(" of a form") {
        let last = answers.last().unwrap().to_string().replace("Sunny, and 5.", r#"{\"text\": \"Sunny\"}"#);
        return vec![serde_json::from_str(&last).unwrap()];
    }
    if conversation.ends_with(" streamed") { Vec::new() } else { answers }
}

/// Holds a conversation, and returns the bodies that were sent.
async fn converse(conversation: &str) -> Vec<Value> {
    let protocol = conversation.split(' ').next().unwrap();
    let server = MockServer::start().await;
    let answers = answers(conversation, protocol);
    for answer in &answers {
        let answer = ResponseTemplate::new(200).set_body_json(answer);
        Mock::given(any()).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    let streaming = answers.is_empty();
    let openai = || {
        OpenAi::at(server.uri())
            .api_key("key")
            .model("gpt-oracle")
            .strict_tools(true)
            .retry(RetryPolicy::none())
    };
    let runner = match protocol {
        "chat" => AgentRunner::new(openai().chat().unwrap().streaming(streaming)),
        "responses" => AgentRunner::new(openai().responses().unwrap().streaming(streaming)),
        _ => {
            let claude = Claude::new("key").base_url(server.uri()).model("claude-oracle").max_tokens(1000);
            AgentRunner::new(claude.streaming(streaming).retry(RetryPolicy::none()).build().unwrap())
        }
    };
    let outcome =
        runner.execute(&RunContext::untracked(), question(conversation.ends_with(" of a form"))).await;
    assert_eq!(outcome.is_err(), streaming, "{conversation}: {outcome:?}");
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[tokio::test]
#[ignore = "needs the official clients: `cargo xtask oracle`"]
async fn each_body_is_that_of_the_official_client_but_for_what_is_intended() {
    let file = std::env::var("AGENTEXEC_ORACLE").expect("`cargo xtask oracle` says where the bodies are");
    let theirs: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (mut unintended, mut gone) = (Vec::new(), INTENDED.to_vec());
    for conversation in CONVERSATIONS {
        let (ours, theirs) = (converse(conversation).await, theirs[conversation].as_array().unwrap());
        assert_eq!(ours.len(), theirs.len(), "{conversation}: the number of requests");
        for (turn, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            for difference in differences(ours, theirs) {
                gone.retain(|intended| !intended.covers(conversation, &difference));
                if !INTENDED.iter().any(|intended| intended.covers(conversation, &difference)) {
                    unintended.push(format!("{conversation}, request {}: {difference}", turn + 1));
                }
            }
        }
    }
    assert!(unintended.is_empty(), "not in the list of intended differences:\n{}", unintended.join("\n"));
    assert!(gone.is_empty(), "no longer there; take them out of the list: {gone:#?}");
}
