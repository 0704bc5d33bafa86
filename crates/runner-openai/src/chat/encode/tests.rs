use agentexec_agent_core::model::ModelSettings;
use agentexec_agent_core::transcript::UserItem;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chat::ChatFold;
use crate::fixtures::{call, conversation, output, reasoning, tools, transcripts, with_raw};

const ORIGIN: &str = "openai-chat@test";

const OPTIONS: Options<'static> = Options {
    model: "gpt-x",
    streaming: true,
    strict_tools: true,
    max_tokens_field: MaxTokensField::MaxCompletionTokens,
    send_reasoning: true,
    origin: ORIGIN,
};

fn body(request: &ModelRequest<'_>, options: Options<'_>) -> Value {
    serde_json::to_value(Body::new(request, options).unwrap()).unwrap()
}

fn messages_of(items: &[Item]) -> Value {
    body(&ModelRequest::new(items), OPTIONS)["messages"].take()
}

#[test]
fn the_smallest_request_says_nothing_that_was_not_set() {
    let items = [Item::user("Hi")];
    let streamed = json!({
        "model": "gpt-x",
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&ModelRequest::new(&items), OPTIONS), streamed);

    let whole = json!({"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(body(&ModelRequest::new(&items), Options { streaming: false, ..OPTIONS }), whole);
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
        "stream_options": {"include_usage": true},
        "max_completion_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning_effort": "low",
        "parallel_tool_calls": false,
        "tool_choice": {"type": "function", "function": {"name": "add"}},
        "tools": [
            {"type": "function", "function": {
                "name": "add",
                "description": "Adds.",
                "parameters": {
                    "type": "object",
                    "properties": {"x": {"type": "integer"}},
                    "required": ["x"],
                    "additionalProperties": false,
                },
                "strict": true,
            }},
            // No strict form: sent as it is.
            {"type": "function", "function": {
                "name": "mul",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
            }},
        ],
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&request, OPTIONS), expected);
}

#[test]
fn older_servers_get_the_older_limit_and_never_both() {
    let items = [Item::user("Hi")];
    let mut settings = ModelSettings::default();
    settings.max_output_tokens = Some(100);
    let mut request = ModelRequest::new(&items);
    request.settings = &settings;
    let body = body(&request, Options { max_tokens_field: MaxTokensField::MaxTokens, ..OPTIONS });
    assert_eq!((&body["max_tokens"], body.get("max_completion_tokens")), (&json!(100), None));
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
    let full = body(&request, OPTIONS);
    assert_eq!((&full["tool_choice"], &full["parallel_tool_calls"]), (&json!("required"), &json!(true)));
    request.tool_choice = &ToolChoice::None;
    assert_eq!(body(&request, OPTIONS)["tool_choice"], "none");
}

#[test]
fn servers_without_strict_mode_get_the_plain_schema() {
    let (items, tools) = ([Item::user("Hi")], tools());
    let mut request = ModelRequest::new(&items);
    request.tools = &tools;
    let body = body(&request, Options { strict_tools: false, ..OPTIONS });
    let parameters = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]});
    let function = json!({"name": "add", "description": "Adds.", "parameters": parameters});
    assert_eq!(body["tools"][0]["function"], function);
}

#[test]
fn one_message_per_turn_and_its_outputs_right_behind_in_the_order_of_the_calls() {
    // A transcript of another provider: its reasoning, raw forms and unknown items stay behind.
    let expected = json!([
        {"role": "user", "content": "What is 1 + 2, and 3 * 4?"},
        {"role": "assistant", "content": "I compute both.", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "mul", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": ""},
        {"role": "tool", "tool_call_id": "b", "content": "12"},
        {"role": "assistant", "content": "3 and 12."},
        {"role": "user", "content": "Thanks."},
    ]);
    assert_eq!(messages_of(conversation().items()), expected);
}

#[test]
fn calls_without_text_have_null_content() {
    let messages = messages_of(&[Item::user("Hi"), call("a", "add", "{}"), output("a", "1")]);
    let call = json!({"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}});
    assert_eq!(messages[1], json!({"role": "assistant", "content": null, "tool_calls": [call]}));
}

#[test]
fn an_output_follows_its_call_even_where_somebody_spoke_between_them() {
    let messages = messages_of(&[
        call("a", "add", "{}"),
        Item::user("Hurry."),
        output("a", "1"),
        output("a", "answered twice"),
        output("z", "answers nothing"),
    ]);
    let roles: Vec<&str> =
        messages.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "user"]);
}

#[test]
fn ids_that_come_again_in_a_later_turn_keep_their_own_outputs() {
    let items = [call("0", "add", "{}"), output("0", "first"), call("0", "add", "{}"), output("0", "second")];
    let messages = messages_of(&items);
    assert_eq!((&messages[1]["content"], &messages[3]["content"]), (&json!("first"), &json!("second")));
}

#[test]
fn an_open_call_is_refused_before_the_server_does_it() {
    let items = [call("a", "add", "{}"), call("b", "add", "{}"), output("a", "1")];
    let error = Body::new(&ModelRequest::new(&items), OPTIONS).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
    assert!(error.message().contains("call b has no output"), "{error}");
}

#[test]
fn what_the_server_sent_beside_goes_back_to_it_and_to_no_other() {
    let signature = json!({"extra_content": {"google": {"thought_signature": "sig"}}});
    let thoughts =
        json!({"reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking", "signature": "s"}]});
    let turn = |origin: &str| {
        [
            with_raw(reasoning("Hm"), origin, thoughts.clone()),
            with_raw(call("a", "add", "{}"), origin, signature.clone()),
            output("a", "1"),
        ]
    };
    let own = messages_of(&turn(ORIGIN));
    assert_eq!(own[0]["tool_calls"][0]["extra_content"], signature["extra_content"]);
    assert_eq!(
        (&own[0]["reasoning_content"], &own[0]["thinking_blocks"]),
        (&thoughts["reasoning_content"], &thoughts["thinking_blocks"])
    );

    let foreign = messages_of(&turn("openai-chat@elsewhere"));
    let call = json!({"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}});
    assert_eq!(foreign[0], json!({"role": "assistant", "content": null, "tool_calls": [call]}));

    let items = turn(ORIGIN);
    let mute = body(&ModelRequest::new(&items), Options { send_reasoning: false, ..OPTIONS });
    assert_eq!(mute["messages"][0].get("reasoning_content"), None);
}

#[test]
fn a_refusal_goes_back_as_one() {
    let items = [with_raw(Item::assistant(""), ORIGIN, json!({"refusal": "No."})), Item::user("Please.")];
    let content = json!([{"type": "refusal", "refusal": "No."}]);
    assert_eq!(messages_of(&items)[0], json!({"role": "assistant", "content": content}));
}

#[test]
fn nothing_said_is_no_message() {
    let items = [Item::user("Hi"), reasoning("only thoughts"), Item::assistant(""), Item::user("Hello?")];
    assert_eq!(messages_of(&items).as_array().unwrap().len(), 2);
}

#[test]
fn a_message_of_several_parts_keeps_them() {
    let items = [Item::User(UserItem { content: vec![Part::text("a"), Part::text("b")] })];
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(messages_of(&items), json!([{"role": "user", "content": parts}]));
}

#[test]
fn a_name_that_no_server_takes_does_not_spoil_the_conversation() {
    let messages = messages_of(&[call("a", "files.read", "{}"), output("a", "no such tool")]);
    assert_eq!(messages[0]["tool_calls"][0]["function"]["name"], "files_read");
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

/// Reads messages as a server would: what the model said through the fold.
fn decode(messages: &[Value]) -> Vec<Item> {
    let read = |message: &Value| match message["role"].as_str().unwrap() {
        "user" => vec![Item::user(message["content"].as_str().unwrap())],
        "tool" => {
            vec![output(message["tool_call_id"].as_str().unwrap(), message["content"].as_str().unwrap())]
        }
        "assistant" => {
            let mut fold = ChatFold::new(ORIGIN);
            let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
            fold.push(&body.to_string(), &mut Vec::new()).unwrap();
            fold.finish(&mut Vec::new()).unwrap().items
        }
        other => panic!("{other}"),
    };
    messages.iter().flat_map(read).collect()
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way_to_the_wire_and_back(items in transcripts()) {
        let messages = messages_of(&items);
        prop_assert_eq!(decode(messages.as_array().unwrap()), items);
    }
}
