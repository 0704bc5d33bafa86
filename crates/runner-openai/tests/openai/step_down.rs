//! Servers that do not know a parameter: the request is sent again without it, and never with it again.

use std::time::Duration;

use agentexec_agent_core::OutputFormat;
use agentexec_agent_core::model::{
    Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse, ModelSettings,
};
use agentexec_agent_core::transcript::Item;
use agentexec_runner_openai::{Feature, Timeouts};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{bodies, server, settings, tools};
use crate::wire::{WIRES, Wire, say};

/// Asks for everything that a server may not know.
async fn ask_for_all(model: &dyn Model, named: Option<&str>) -> Result<ModelResponse, ModelError> {
    let (items, tools) = ([Item::user("Hi")], tools());
    let mut settings = ModelSettings::default();
    settings.max_output_tokens = Some(100);
    settings.parallel_tool_calls = Some(false);
    settings.reasoning_effort = Some("low".into());
    let format = OutputFormat::from_unchecked_schema("answer", json!({"type": "object", "properties": {}}));
    let mut request = ModelRequest::new(&items);
    request.model = named;
    request.tools = &tools;
    request.settings = &settings;
    request.output = Some(&format);
    let mut events: Vec<ModelEvent> = model.respond(request).try_collect().await?;
    match events.pop() {
        Some(ModelEvent::Completed(response)) => Ok(*response),
        other => panic!("{other:?}"),
    }
}

/// A refusal as OpenAI writes it.
fn unknown(param: &str) -> ResponseTemplate {
    let message = format!("Unsupported parameter: '{param}' is not supported with this model.");
    let error = json!({"message": message, "type": "invalid_request_error", "param": param, "code": "unsupported_parameter"});
    ResponseTemplate::new(400).set_body_json(json!({ "error": error }))
}

fn strict(server: &MockServer) -> agentexec_runner_openai::OpenAi {
    settings(server).strict_tools(true)
}

/// Where each parameter stands that the protocols may not know, and under which name it is refused.
fn parameters(wire: Wire) -> Vec<(&'static str, &'static str)> {
    let both = [("/parallel_tool_calls", "parallel_tool_calls")];
    let own: &[(&str, &str)] = match wire {
        Wire::ChatStreamed => &[
            ("/stream_options", "stream_options"),
            ("/max_completion_tokens", "max_completion_tokens"),
            ("/tools/0/function/strict", "tools[0].function.strict"),
            ("/reasoning_effort", "reasoning_effort"),
        ],
        Wire::ChatWhole => &[
            ("/max_completion_tokens", "max_completion_tokens"),
            ("/tools/0/function/strict", "tools[0].function.strict"),
            ("/reasoning_effort", "reasoning_effort"),
        ],
        Wire::ResponsesStreamed | Wire::ResponsesWhole => &[
            ("/include", "include"),
            ("/store", "store"),
            ("/tools/0/strict", "tools[0].strict"),
            ("/reasoning", "reasoning.effort"),
        ],
    };
    own.iter().copied().chain(both).collect()
}

#[tokio::test]
async fn what_the_refusal_names_is_left_out_and_that_is_remembered_by_every_clone() {
    for wire in WIRES {
        for (place, param) in parameters(wire) {
            let done = || wire.answer(&say("{}"));
            let server = server(wire.path(), [unknown(param), done(), done()]).await;
            let model = model(wire, &server);
            let clone = model.again();
            ask_for_all(&*model.asked(), None).await.unwrap();
            ask_for_all(&*clone, None).await.unwrap();
            let bodies = bodies(&server).await;
            let has: Vec<bool> = bodies.iter().map(|body| body.pointer(place).is_some()).collect();
            assert_eq!(has, [true, false, false], "{wire:?} {param}");
            assert_eq!(without(&bodies[0], place, wire), bodies[1], "{wire:?} {param}: nothing else changed");
            assert_eq!(bodies[1], bodies[2], "{wire:?} {param}");
        }
    }
}

/// The body without what stands at this place, as the crate leaves it out.
fn without(body: &Value, place: &str, wire: Wire) -> Value {
    let mut body = body.clone();
    match place {
        "/tools/0/function/strict" | "/tools/0/strict" => {
            // The schemas are plain then, so only what is beside them is compared.
            let plain = crate::support::plain_schemas();
            for tool in body["tools"].as_array_mut().unwrap() {
                let tool = if wire.is_chat() { &mut tool["function"] } else { tool };
                tool["parameters"] = plain.clone();
                tool.as_object_mut().unwrap().remove("strict");
            }
            let format = if wire.is_chat() {
                &mut body["response_format"]["json_schema"]
            } else {
                &mut body["text"]["format"]
            };
            format["schema"] = json!({"type": "object", "properties": {}});
            format.as_object_mut().unwrap().remove("strict");
        }
        _ => {
            let removed = body.as_object_mut().unwrap().remove(place.trim_start_matches('/')).unwrap();
            if place == "/max_completion_tokens" {
                body["max_tokens"] = removed;
            }
        }
    }
    body
}

struct Clones(Box<dyn Fn() -> Box<dyn Model>>);

impl Clones {
    fn asked(&self) -> Box<dyn Model> {
        (self.0)()
    }

    fn again(&self) -> Box<dyn Model> {
        (self.0)()
    }
}

/// A model, and clones of it.
fn model(wire: Wire, server: &MockServer) -> Clones {
    if wire.is_chat() {
        let model = strict(server).chat().unwrap().streaming(wire.is_streamed());
        Clones(Box::new(move || Box::new(model.clone())))
    } else {
        let model = strict(server).responses().unwrap().streaming(wire.is_streamed());
        Clones(Box::new(move || Box::new(model.clone())))
    }
}

#[tokio::test]
async fn the_form_of_the_answer_goes_down_from_schema_to_json_to_words() {
    for wire in WIRES {
        let field = if wire.is_chat() { "response_format" } else { "text.format" };
        let refused = |kind: &str| {
            let message =
                format!("Invalid parameter: '{field}' of type '{kind}' is not supported with this model.");
            let error =
                json!({"message": message, "type": "invalid_request_error", "param": field, "code": null});
            ResponseTemplate::new(400).set_body_json(json!({ "error": error }))
        };
        let answers = [refused("json_schema"), refused("json_object"), wire.answer(&say("{}"))];
        let server = server(wire.path(), answers).await;
        ask_for_all(&*model(wire, &server).asked(), None).await.unwrap();
        let bodies = bodies(&server).await;
        let kind = |body: &Value| match wire.is_chat() {
            true => body["response_format"]["type"].clone(),
            false => body["text"]["format"]["type"].clone(),
        };
        let kinds: Vec<Value> = bodies.iter().map(kind).collect();
        assert_eq!(kinds, [json!("json_schema"), json!("json_object"), Value::Null], "{wire:?}");
        let told = |body: &Value| match wire.is_chat() {
            true => body["messages"][0]["content"].to_string(),
            false => body["instructions"].to_string(),
        };
        assert!(!told(&bodies[0]).contains("JSON Schema"), "{wire:?}");
        assert!(
            told(&bodies[1]).contains("JSON Schema") && told(&bodies[2]).contains("JSON Schema"),
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn one_server_may_not_know_several_things() {
    let wire = Wire::ChatStreamed;
    let names = ["stream_options", "parallel_tool_calls", "max_completion_tokens", "reasoning_effort"];
    let answers = names.map(unknown).into_iter().chain([wire.answer(&say("{}"))]);
    let server = server(wire.path(), answers).await;
    ask_for_all(&*model(wire, &server).asked(), None).await.unwrap();
    let bodies = bodies(&server).await;
    assert_eq!(bodies.len(), 5);
    for name in names {
        assert_eq!(bodies[4].get(name), None, "{name}");
    }
    assert_eq!(bodies[4]["max_tokens"], 100);
}

#[tokio::test]
async fn there_is_an_end_to_it_when_a_server_refuses_whatever_it_is_sent() {
    for wire in WIRES {
        // It names the same parameter again and again, and then each in turn.
        let same = || unknown("parallel_tool_calls");
        let server = server(wire.path(), [same(), same(), same()]).await;
        let error = ask_for_all(&*model(wire, &server).asked(), None).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::InvalidRequest, Some(400)));
        assert_eq!(bodies(&server).await.len(), 2, "{wire:?}");
    }
}

#[tokio::test]
async fn a_limit_of_the_answer_goes_down_from_the_newer_name_to_the_older_to_none() {
    for wire in [Wire::ChatStreamed, Wire::ChatWhole] {
        let answers = [unknown("max_completion_tokens"), unknown("max_tokens"), wire.answer(&say("{}"))];
        let server = server(wire.path(), answers).await;
        ask_for_all(&*model(wire, &server).asked(), None).await.unwrap();
        let names = ["max_completion_tokens", "max_tokens"];
        let sent: Vec<_> =
            bodies(&server).await.iter().map(|body| names.map(|name| body.get(name).is_some())).collect();
        assert_eq!(sent, [[true, false], [false, true], [false, false]], "{wire:?}");
    }
}

#[tokio::test]
async fn what_one_model_does_not_know_is_not_kept_from_another() {
    for wire in WIRES {
        let done = || wire.answer(&say("{}"));
        let server = server(wire.path(), [unknown("parallel_tool_calls"), done(), done(), done()]).await;
        let model = model(wire, &server);
        for name in ["small", "large", "small"] {
            ask_for_all(&*model.asked(), Some(name)).await.unwrap();
        }
        let bodies = bodies(&server).await;
        let has: Vec<bool> = bodies.iter().map(|body| body.get("parallel_tool_calls").is_some()).collect();
        assert_eq!(has, [true, false, true, false], "{wire:?}");
    }
}

#[tokio::test]
async fn a_real_error_is_not_asked_about_again() {
    let error = json!({"message": "Invalid schema for response_format 'answer': 'oneOf' is not permitted.",
        "type": "invalid_request_error", "param": "response_format", "code": null});
    for wire in WIRES {
        let refused = ResponseTemplate::new(400).set_body_json(json!({ "error": error }));
        let server = server(wire.path(), [refused]).await;
        let error = ask_for_all(&*model(wire, &server).asked(), None).await.unwrap_err();
        assert!(error.message().contains("Invalid schema"), "{error}");
        assert_eq!(bodies(&server).await.len(), 1, "{wire:?}");
    }
}

#[tokio::test]
async fn what_did_not_help_is_not_remembered() {
    let wire = Wire::ChatStreamed;
    let denied = || ResponseTemplate::new(403).set_body_json(json!({"error": {"message": "No"}}));
    let server = server(wire.path(), [unknown("stream_options"), denied(), wire.answer(&say("{}"))]).await;
    let model = model(wire, &server);
    ask_for_all(&*model.asked(), None).await.unwrap_err();
    ask_for_all(&*model.asked(), None).await.unwrap();
    let has: Vec<bool> =
        bodies(&server).await.iter().map(|body| body.get("stream_options").is_some()).collect();
    assert_eq!(has, [true, false, true]);
}

#[tokio::test]
async fn it_can_be_said_beforehand_and_switched_off() {
    let server = server(
        "/v1/chat/completions",
        [Wire::ChatStreamed.answer(&say("{}")), unknown("parallel_tool_calls")],
    )
    .await;
    let told =
        strict(&server).chat().unwrap().without(Feature::StreamUsage).without(Feature::MaxCompletionTokens);
    ask_for_all(&told, None).await.unwrap();
    let steady = strict(&server).chat().unwrap().step_down(false);
    ask_for_all(&steady, None).await.unwrap_err();
    let bodies = bodies(&server).await;
    assert_eq!(
        (bodies.len(), bodies[0].get("stream_options"), &bodies[0]["max_tokens"]),
        (2, None, &json!(100))
    );
}

#[tokio::test]
async fn a_request_that_is_sent_again_with_less_has_no_more_time() {
    let slow = |answer: ResponseTemplate| answer.set_delay(Duration::from_millis(200));
    for wire in WIRES {
        let answers = [slow(unknown("parallel_tool_calls")), slow(wire.answer(&say("{}")))];
        let server = server(wire.path(), answers).await;
        let mut timeouts = Timeouts::default();
        timeouts.request = Some(Duration::from_millis(300));
        let model = wire.model_of(&settings(&server).timeouts(timeouts));
        let error = ask_for_all(&*model, None).await.unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Timeout, "{wire:?} {error}");
    }
}
