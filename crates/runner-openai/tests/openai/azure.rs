//! OpenAI's models at Azure: by a deployment's path and by the newer one.

use agentexec_agent_core::transcript::Transcript;
use agentexec_runner_openai::OpenAi;

use crate::support::{KEY, ask, server};
use crate::wire::{WIRES, Wire, say};

#[tokio::test]
async fn a_deployment_is_asked_under_its_path_with_key_header_and_version() {
    for wire in [Wire::ChatStreamed, Wire::ChatWhole] {
        let server = server("/openai/deployments/d/chat/completions", [wire.answer(&say("Hi"))]).await;
        let settings = OpenAi::at(format!("{}/openai/deployments/d", server.uri()))
            .api_key(KEY)
            .key_header("api-key")
            .api_version("2024-10-21");
        ask(&*wire.model_of(&settings), &Transcript::from_user("Hi"), &[]).await.unwrap();
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.url.query(), Some("api-version=2024-10-21"));
        assert_eq!(request.headers["api-key"], KEY);
        assert_eq!(request.headers.get("authorization"), None);
    }
}

#[tokio::test]
async fn the_newer_path_takes_both_protocols_with_the_key_or_a_token() {
    for wire in WIRES {
        let path = format!("/openai{}", wire.path());
        let answer = || wire.answer(&say("Hi"));
        let server = server(&path, [answer(), answer(), answer()]).await;
        let v1 = OpenAi::at(format!("{}/openai/v1/", server.uri())).model("my-deployment");
        for settings in [
            v1.clone().api_key(KEY).key_header("api-key"),
            v1.clone().api_key(KEY),
            v1.api_key(KEY).api_version("preview"),
        ] {
            ask(&*wire.model_of(&settings), &Transcript::from_user("Hi"), &[]).await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        assert_eq!((&requests[0].headers["api-key"], requests[0].url.query()), (&KEY.parse().unwrap(), None));
        assert_eq!(requests[1].headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(requests[2].url.query(), Some("api-version=preview"));
        let body: serde_json::Value = requests[0].body_json().unwrap();
        assert_eq!(body["model"], "my-deployment");
    }
}
