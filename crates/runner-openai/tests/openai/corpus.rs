//! Recorded answers, one for each way in which a server says something, written from the descriptions of the protocols
//! and of the servers that differ.
//!
//! A file has an answer as a `stream` (the data of each event), as a `whole` body, or as both, and then both must come
//! to the same: the items (`expected`), or an error. `back` is what the next request gives back of it. In `expected`
//! the id `*` stands for one that was made up.

use std::path::{Path, PathBuf};

use agentexec_agent_core::model::{ModelError, ModelEvent, ModelResponse};
use agentexec_agent_core::transcript::{Item, ToolCall, ToolOutputItem, Transcript};
use serde::Deserialize;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{ask, bodies, server, whole};
use crate::wire::{Wire, say};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Who says it so.
    #[serde(rename = "about")]
    _about: String,
    stream: Option<Vec<Value>>,
    whole: Option<Value>,
    expected: Option<Expected>,
    error: Option<ExpectedError>,
    back: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Expected {
    items: Vec<Value>,
    stop: Value,
    #[serde(default)]
    usage: Option<[u64; 5]>,
    #[serde(default)]
    model: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct ExpectedError {
    kind: String,
    code: Option<String>,
    retryable: bool,
}

impl Fixture {
    fn read(protocol: &str, name: &str) -> Self {
        let path = folder(protocol).join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The answer in one of its forms.
    fn answer(&self, streamed: bool) -> Option<ResponseTemplate> {
        if !streamed {
            return self.whole.as_ref().map(whole);
        }
        let data = |event: &Value| event.as_str().map_or_else(|| event.to_string(), str::to_owned);
        let events = self.stream.as_ref()?.iter().map(|event| format!("data: {}\n\n", data(event)));
        let body: String = events.collect();
        let answer = ResponseTemplate::new(200).insert_header("x-request-id", "req_1");
        Some(answer.set_body_raw(body, "text/event-stream"))
    }

    async fn check(&self, wire: Wire) {
        let Some(answer) = self.answer(wire.is_streamed()) else { return };
        // A body that is an error which may pass is asked for once more.
        let again = if self.error.is_some() { answer.clone() } else { wire.answer(&say("Thanks.")) };
        let server = server(wire.path(), [answer, again]).await;
        let model = wire.model(&server);
        let mut transcript = Transcript::from_user("Go.");
        let outcome = ask(&*model, &transcript, &[]).await;
        if let Some(expected) = &self.error {
            let error = outcome.unwrap_err();
            assert_eq!(&found_error(&error), expected, "{wire:?} {error}");
            assert_eq!(error.request_id(), Some("req_1"));
            return;
        }
        let (events, response) = outcome.unwrap();
        assert_told(&events, &response);
        assert_eq!(
            &found(&response, self.expected.as_ref().unwrap()),
            self.expected.as_ref().unwrap(),
            "{wire:?}"
        );
        transcript.extend(response.items);
        let open: Vec<ToolCall> = transcript.open_calls().into_iter().cloned().collect();
        transcript.extend(
            open.iter().map(|call| Item::ToolOutput(ToolOutputItem::new(&call.id, &call.name, "ok"))),
        );
        transcript.push(Item::user("And?"));
        ask(&*model, &transcript, &[]).await.unwrap();
        if let Some(back) = &self.back {
            let sent = bodies(&server).await.remove(1);
            let sent = wire.items(&sent);
            // Between the instructions and the question, and the next one.
            let from = if wire.is_chat() { 2 } else { 1 };
            assert_eq!(&json!(sent[from..sent.len() - 1]), back, "{wire:?}");
        }
    }
}

fn found_error(error: &ModelError) -> ExpectedError {
    let kind = format!("{:?}", error.kind());
    ExpectedError { kind, code: error.code().map(str::to_owned), retryable: error.is_retryable() }
}

/// The response in the words of a fixture; made-up ids are those that the fixture does not name.
fn found(response: &ModelResponse, expected: &Expected) -> Expected {
    let named: Vec<&Value> = expected.items.iter().filter_map(|item| item.pointer("/call/0")).collect();
    let item = |item: &Item| match item {
        Item::Assistant(said) => json!({"text": said.text}),
        Item::Reasoning(thought) => json!({"reasoning": thought.text}),
        Item::ToolCall(call) => {
            let id = json!(call.id);
            let id = if named.contains(&&id) { id } else { json!("*") };
            json!({"call": [id, call.name, call.arguments]})
        }
        Item::Opaque(raw) => json!({"opaque": raw.value["type"]}),
        other => panic!("{other:?}"),
    };
    let usage = response.usage;
    let counts = [
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ];
    Expected {
        items: response.items.iter().map(item).collect(),
        stop: serde_json::to_value(&response.stop).unwrap(),
        usage: expected.usage.map(|_| counts),
        model: expected.model.as_ref().and(response.model.clone()),
    }
}

/// What was told adds up to what came of it.
fn assert_told(events: &[ModelEvent], response: &ModelResponse) {
    let text = |events: &mut dyn Iterator<Item = Option<&str>>| events.flatten().collect::<String>();
    let told = text(&mut events.iter().map(|event| match event {
        ModelEvent::TextDelta(delta) => Some(delta.as_str()),
        _ => None,
    }));
    let said = text(&mut response.items.iter().map(|item| match item {
        Item::Assistant(said) => Some(said.text.as_str()),
        _ => None,
    }));
    assert_eq!(told, said);
    for item in &response.items {
        let Item::ToolCall(call) = item else { continue };
        let began = events.iter().filter(
            |event| matches!(event, ModelEvent::ToolCallStarted { call_id, name } if *call_id == call.id && *name == call.name),
        );
        assert_eq!(began.count(), 1, "{events:?}");
        let told = text(&mut events.iter().map(|event| match event {
            ModelEvent::ToolCallDelta { call_id, delta } if *call_id == call.id => Some(delta.as_str()),
            _ => None,
        }));
        assert_eq!(told, call.arguments);
    }
}

fn folder(protocol: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(protocol)
}

macro_rules! corpus {
    ($protocol:ident, $streamed:ident, $whole:ident: $($name:ident)*) => {
        mod $protocol {
            use super::Fixture;
            use crate::wire::Wire;

            const PROTOCOL: &str = stringify!($protocol);

            $(#[tokio::test]
            async fn $name() {
                let fixture = Fixture::read(PROTOCOL, stringify!($name));
                assert!(fixture.stream.is_some() || fixture.whole.is_some());
                fixture.check(Wire::$streamed).await;
                fixture.check(Wire::$whole).await;
            })*

            #[test]
            fn every_file_is_played() {
                let files = std::fs::read_dir(super::folder(PROTOCOL)).unwrap();
                let mut files: Vec<String> = files
                    .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                    .collect();
                files.sort();
                let mut played = vec![$(stringify!($name)),*];
                played.sort();
                assert_eq!(files, played);
            }
        }
    };
}

corpus! { chat, ChatStreamed, ChatWhole:
    a_call_of_a_custom_tool
    a_call_reported_twice
    a_choice_that_is_counted_up
    a_first_chunk_without_choices
    a_message_beside_the_deltas
    a_name_repeated_behind_the_whole
    a_refusal
    a_whole_call_in_one_piece
    aborted_by_the_server
    an_error_beside_a_choice
    an_error_in_a_list
    an_error_that_is_flat_with_a_code_that_is_a_number
    an_id_that_changes
    arguments_as_an_object
    as_openai_says_it
    calls_in_the_last_message_alone
    content_and_role_null
    cut_off_by_the_limit
    finish_reason_null_with_calls
    finish_reason_stop_with_calls
    id_repeated_in_each_piece
    index_zero_for_every_call
    legacy_function_call
    name_repeated_in_each_piece
    neither_end_nor_done
    no_id
    no_index
    reasoning
    reasoning_content
    reasoning_details
    stopped_by_the_filter
    thinking_blocks
    thought_signature
    unknown_fields
    usage_in_a_chunk_of_its_own
}

corpus! { responses, ResponsesStreamed, ResponsesWhole:
    a_bare_error_event
    a_call_id_and_a_place_that_change
    a_call_id_that_changes
    a_call_of_a_custom_tool
    a_message_with_its_phase
    a_refusal
    a_response_that_failed
    a_response_that_is_in_progress
    a_response_that_was_cancelled
    a_stream_without_its_end
    an_end_without_output
    an_item_id_that_changes
    as_openai_says_it
    incomplete_by_the_filter
    incomplete_by_the_limit
    items_of_server_tools_and_unknown_ones
    neither_output_index_nor_sequence_number
    reasoning_in_the_open
    several_calls_after_one_thought
}
