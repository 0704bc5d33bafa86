use agentexec_agent_core::model::ModelSettings;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixtures::{call, conversation, neutral, output, reasoning, tools, transcripts, with_raw};
use crate::responses::ResponsesFold;

const ORIGIN: &str = "openai-responses@test";

const OPTIONS: Options<'static> = Options {
    model: "gpt-x",
    streaming: true,
    strict_tools: true,
    store: false,
    encrypted_reasoning: true,
    reasoning_summary: None,
    origin: ORIGIN,
};

fn body(request: &ModelRequest<'_>, options: Options<'_>) -> Value {
    serde_json::to_value(Body::new(request, options).unwrap()).unwrap()
}

fn input_of(items: &[Item], options: Options<'_>) -> Value {
    body(&ModelRequest::new(items), options)["input"].take()
}

#[test]
fn the_smallest_request_says_nothing_that_was_not_set() {
    let items = [Item::user("Hi")];
    let expected = json!({
        "model": "gpt-x",
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&ModelRequest::new(&items), OPTIONS), expected);
}

#[test]
fn a_stored_response_needs_no_encrypted_reasoning() {
    let items = [Item::user("Hi")];
    let stored = body(&ModelRequest::new(&items), Options { store: true, streaming: false, ..OPTIONS });
    assert_eq!((&stored["store"], stored.get("include"), stored.get("stream")), (&json!(true), None, None));
    let plain = body(&ModelRequest::new(&items), Options { encrypted_reasoning: false, ..OPTIONS });
    assert_eq!((&plain["store"], plain.get("include")), (&json!(false), None));
}

#[test]
fn everything_that_is_set_is_said() {
    let (items, tools) = ([Item::user("Hi")], tools());
    let mut settings = ModelSettings::default();
    settings.max_output_tokens = Some(100);
    settings.temperature = Some(0.5);
    settings.top_p = Some(0.9);
    settings.parallel_tool_calls = Some(false);
    settings.reasoning_effort = Some("low".into());
    let choice = ToolChoice::Tool("add".into());
    let mut request = ModelRequest::new(&items);
    request.model = Some("other");
    request.instructions = Some("Be brief.");
    request.tools = &tools;
    request.tool_choice = &choice;
    request.settings = &settings;
    let expected = json!({
        "model": "other",
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "parallel_tool_calls": false,
        "tool_choice": {"type": "function", "name": "add"},
        "tools": [
            {
                "type": "function",
                "name": "add",
                "description": "Adds.",
                "parameters": {
                    "type": "object",
                    "properties": {"x": {"type": "integer"}},
                    "required": ["x"],
                    "additionalProperties": false,
                },
                "strict": true,
            },
            // No strict form. Left out, `strict` would mean true.
            {
                "type": "function",
                "name": "mul",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
                "strict": false,
            },
        ],
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&request, Options { reasoning_summary: Some("auto"), ..OPTIONS }), expected);
}

#[test]
fn what_is_about_tools_is_said_only_with_tools() {
    let items = [Item::user("Hi")];
    let mut settings = ModelSettings::default();
    settings.parallel_tool_calls = Some(true);
    let mut request = ModelRequest::new(&items);
    request.tool_choice = &ToolChoice::Required;
    request.settings = &settings;
    let bare = body(&request, OPTIONS);
    for key in ["tools", "tool_choice", "parallel_tool_calls"] {
        assert_eq!(bare.get(key), None, "{key}");
    }
    let tools = tools();
    request.tools = &tools;
    assert_eq!(body(&request, OPTIONS)["tool_choice"], "required");
}

#[test]
fn a_transcript_of_another_protocol_is_sent_in_its_neutral_form() {
    let expected = json!([
        {"type": "message", "role": "user", "content": "What is 1 + 2, and 3 * 4?"},
        {"type": "message", "role": "assistant", "content": "I compute "},
        {"type": "message", "role": "assistant", "content": "both."},
        {"type": "function_call", "call_id": "a", "name": "add", "arguments": "{\"x\":1}"},
        {"type": "function_call", "call_id": "b", "name": "mul", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": "12"},
        {"type": "function_call_output", "call_id": "a", "output": ""},
        {"type": "message", "role": "assistant", "content": "3 and 12."},
        {"type": "message", "role": "user", "content": "Thanks."},
    ]);
    assert_eq!(input_of(conversation().items(), OPTIONS), expected);
}

#[test]
fn items_of_this_server_go_back_unchanged_and_in_order() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"});
    let said = json!({"type": "message", "id": "msg_1", "role": "assistant", "phase": "commentary",
        "content": [{"type": "output_text", "text": "I add.", "annotations": []}]});
    let called = json!({"type": "function_call", "id": "fc_1", "call_id": "a", "name": "add",
        "arguments": "{}", "namespace": "math", "status": "completed"});
    let unknown = json!({"type": "telepathy_call", "id": "tp_1"});
    let items = [
        with_raw(reasoning(""), ORIGIN, thought.clone()),
        with_raw(Item::assistant("I add."), ORIGIN, said.clone()),
        with_raw(call("a", "add", "{}"), ORIGIN, called.clone()),
        Item::Opaque(Raw::new(ORIGIN, unknown.clone())),
        output("a", "1"),
    ];
    let answer = json!({"type": "function_call_output", "call_id": "a", "output": "1"});
    assert_eq!(input_of(&items, OPTIONS), json!([thought, said, called, unknown, answer]));
}

#[test]
fn reasoning_goes_back_only_where_the_server_can_read_it() {
    let reference =
        json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]});
    let open =
        json!({"type": "reasoning", "id": "rs_2", "content": [{"type": "reasoning_text", "text": "Hm"}]});
    let items = [
        with_raw(reasoning("Hm"), ORIGIN, reference.clone()),
        with_raw(reasoning("Hm"), ORIGIN, open.clone()),
    ];
    assert_eq!(input_of(&items, OPTIONS), json!([open]));
    assert_eq!(input_of(&items, Options { store: true, ..OPTIONS }), json!([reference, open]));
}

#[test]
fn the_body_of_a_turn_begins_with_the_body_of_the_turn_before() {
    let (transcript, tools) = (conversation(), tools());
    let bytes = |items| {
        let mut request = ModelRequest::new(items);
        request.instructions = Some("Be brief.");
        request.tools = &tools;
        serde_json::to_string(&Body::new(&request, OPTIONS).unwrap()).unwrap()
    };
    let (before, now) = (bytes(&transcript.items()[..1]), bytes(transcript.items()));
    let prefix = before.strip_suffix("]}").unwrap();
    assert!(now.starts_with(prefix), "{now}\n{before}");
}

/// Reads input items as a server would: what the model produced through the fold.
fn decode(input: &[Value]) -> Vec<Item> {
    let read = |item: &Value| match (item["type"].as_str().unwrap(), item["role"].as_str()) {
        ("message", Some("user")) => vec![Item::user(item["content"].as_str().unwrap())],
        ("function_call_output", _) => {
            vec![output(item["call_id"].as_str().unwrap(), item["output"].as_str().unwrap())]
        }
        _ => {
            let mut fold = ResponsesFold::new(ORIGIN);
            let body = json!({"object": "response", "status": "completed", "output": [item]});
            fold.push(&body.to_string(), &mut Vec::new()).unwrap();
            fold.finish().unwrap().items
        }
    };
    neutral(input.iter().flat_map(read).collect())
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way_to_the_wire_and_back(items in transcripts()) {
        let input = input_of(&items, OPTIONS);
        prop_assert_eq!(decode(input.as_array().unwrap()), items);
    }
}
