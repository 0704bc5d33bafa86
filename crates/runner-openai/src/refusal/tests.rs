//! Refusals as servers write them.

use agentexec_runner_http::error_from_text;
use serde_json::json;

use super::*;

fn all() -> Features {
    use Feature::*;
    [
        StreamUsage,
        MaxCompletionTokens,
        Strict,
        ParallelToolCalls,
        ReasoningEffort,
        ReasoningSummary,
        EchoedReasoning,
        JsonSchema,
        JsonObject,
        EncryptedReasoning,
        Store,
        PreviousResponse,
    ]
    .into_iter()
    .collect()
}

/// The error of an answer with this body, as the transport makes it.
fn error(status: u16, body: &Value) -> ModelError {
    let read = error_from_text(&body.to_string());
    let mut error = ModelError::new(ModelErrorKind::InvalidRequest, format!("Server: {}", read.message()))
        .with_status(status)
        .with_body(body.to_string());
    if let Some(code) = read.code() {
        error = error.with_code(code);
    }
    error
}

fn says(message: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}})
}

fn names(message: &str, param: &str, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})
}

/// Refusals, by whom and about what.
#[derive(serde::Deserialize)]
struct Refusals {
    unknown: Vec<Unknown>,
    other: Vec<Other>,
}

#[derive(serde::Deserialize)]
struct Unknown {
    by: String,
    feature: String,
    body: Value,
}

#[derive(serde::Deserialize)]
struct Other {
    about: String,
    body: Value,
}

fn refusals() -> Refusals {
    serde_json::from_str(include_str!("../../tests/fixtures/refusals.json")).unwrap()
}

#[test]
fn a_parameter_that_a_server_does_not_know_is_found_in_every_form() {
    for Unknown { by, feature, body } in refusals().unknown {
        // With status 200 when a proxy reports it.
        for status in [400, 422, 200] {
            let found = refused(&error(status, &body), all());
            assert_eq!(format!("{found:?}"), format!("Some({feature})"), "{by}: {body}");
        }
        // What was not sent cannot be left out.
        let others = all().iter().filter(|other| format!("{other:?}") != feature).collect();
        let found = refused(&error(400, &body), others);
        assert_ne!(format!("{found:?}"), format!("Some({feature})"), "{by}: {body}");
    }
}

#[test]
fn what_is_wrong_with_the_request_itself_is_not_taken_for_an_unknown_parameter() {
    for Other { about, body } in refusals().other {
        assert_eq!(refused(&error(400, &body), all()), None, "{about}: {body}");
    }
}

#[test]
fn only_a_refused_request_is_read() {
    let body = names("Unknown parameter: 'store'.", "store", Some("unknown_parameter"));
    for status in [401, 403, 404, 413, 429, 500] {
        assert_eq!(refused(&error(status, &body), all()), None, "{status}");
    }
    let full =
        ModelError::new(ModelErrorKind::ContextWindow, "stream_options is not supported").with_status(400);
    assert_eq!(refused(&full, all()), None);
}

#[test]
fn a_response_that_the_server_does_not_have_is_told_from_other_things_that_it_does_not_have() {
    let openai = names(
        "Previous response with id 'resp_1' not found.",
        "previous_response_id",
        Some("previous_response_not_found"),
    );
    let vllm = json!({"error": {"message": "Response with id 'resp_1' not found.", "type": "invalid_request_error"}});
    for (status, body) in [(400, &openai), (404, &vllm)] {
        assert!(has_lost_response(&error(status, body), all()), "{body}");
        assert!(!has_lost_response(&error(status, body), Features::NONE), "{body}");
    }
    for body in [says("The model 'gpt-x' was not found"), says("Item with id 'rs_1' not found.")] {
        assert!(!has_lost_response(&error(404, &body), all()), "{body}");
    }
}

#[test]
fn thoughts_that_a_model_can_make_nothing_of_are_told_from_what_it_does_not_know() {
    let simple = names(
        "Reasoning input items can only be provided to a reasoning or computer use model. Remove reasoning items from \
         your input and try again.",
        "input",
        None,
    );
    let mut foreign = says("The encrypted content gAAA...DQ== could not be verified.");
    foreign["error"]["code"] = "invalid_encrypted_content".into();
    for body in [&simple, &foreign] {
        assert!(has_foreign_thoughts(&error(400, body), all()), "{body}");
        assert!(!has_foreign_thoughts(&error(400, body), Features::NONE), "{body}");
        assert!(!has_foreign_thoughts(&error(500, body), all()), "{body}");
        assert_eq!(refused(&error(400, body), all()), None, "{body}");
    }
    let lost = says("Item 'rs_1' of type 'reasoning' was provided without its required following item.");
    assert!(!has_foreign_thoughts(&error(400, &lost), all()));
}
