use agentexec_agent_core::model::ModelSettings;
use agentexec_agent_core::transcript::{AssistantItem, Item, Raw, ReasoningItem, ToolCall, ToolOutputItem};
use agentexec_tools::schema::Schema;
use serde_json::json;

use super::*;
use crate::PROTOCOL;

fn settings() -> Settings {
    Settings {
        model: "claude-x".into(),
        max_tokens: 1000,
        streaming: true,
        prompt_caching: false,
        thinking: None,
    }
}

fn body(request: &ModelRequest<'_>, settings: &Settings) -> Value {
    serde_json::to_value(encode(request, settings, Thoughts::Kept).unwrap()).unwrap()
}

pub(super) fn messages(items: &[Item]) -> Value {
    body(&ModelRequest::new(items), &settings())["messages"].take()
}

fn tool(name: &str) -> ToolSpec {
    let schema = json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
    ToolSpec::new(name, format!("Does {name}."), Schema::from_value(schema).unwrap())
}

fn call(id: &str, arguments: &str) -> Item {
    let call = ToolCall { id: id.into(), name: "add".into(), arguments: arguments.into(), raw: None };
    Item::ToolCall(call)
}

fn output(call_id: &str, output: &str) -> Item {
    let (call_id, name, output) = (call_id.into(), "add".into(), output.into());
    Item::ToolOutput(ToolOutputItem { call_id, name, output, is_error: false })
}

#[test]
fn a_whole_body() {
    let items = [Item::user("1 + 2?"), call("a", r#"{"a": 1}"#), output("a", "3"), Item::user("And 2 + 2?")];
    let (tools, choice) = ([tool("add"), tool("sub")], ToolChoice::Required);
    let mut asked = ModelSettings::default();
    asked.max_output_tokens = Some(4096);
    asked.temperature = Some(0.5);
    asked.parallel_tool_calls = Some(false);
    asked.reasoning_effort = Some("low".into());
    let mut request = ModelRequest::new(&items);
    request.instructions = Some("Add.");
    request.tools = &tools;
    request.tool_choice = &choice;
    request.settings = &asked;
    let settings = Settings { prompt_caching: true, thinking: Some(Thinking::budget(2048)), ..settings() };

    let body = encode(&request, &settings, Thoughts::Kept).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "model": "claude-x",
      "max_tokens": 4096,
      "stream": true,
      "thinking": {
        "type": "enabled",
        "budget_tokens": 2048
      },
      "output_config": {
        "effort": "low"
      },
      "temperature": 0.5,
      "tool_choice": {
        "type": "any",
        "disable_parallel_tool_use": true
      },
      "tools": [
        {
          "name": "add",
          "description": "Does add.",
          "input_schema": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": false
          }
        },
        {
          "name": "sub",
          "description": "Does sub.",
          "input_schema": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": false
          },
          "cache_control": {
            "type": "ephemeral"
          }
        }
      ],
      "system": [
        {
          "type": "text",
          "text": "Add.",
          "cache_control": {
            "type": "ephemeral"
          }
        }
      ],
      "messages": [
        {
          "role": "user",
          "content": [
            {
              "type": "text",
              "text": "1 + 2?",
              "cache_control": {
                "type": "ephemeral"
              }
            }
          ]
        },
        {
          "role": "assistant",
          "content": [
            {
              "type": "tool_use",
              "id": "a",
              "name": "add",
              "input": {
                "a": 1
              }
            }
          ]
        },
        {
          "role": "user",
          "content": [
            {
              "type": "tool_result",
              "tool_use_id": "a",
              "content": "3"
            },
            {
              "type": "text",
              "text": "And 2 + 2?",
              "cache_control": {
                "type": "ephemeral"
              }
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn what_is_not_set_is_not_sent() {
    let items = [Item::user("Hi")];
    let mut request = ModelRequest::new(&items);
    request.instructions = Some(" \n");
    request.tool_choice = &ToolChoice::Required;
    assert_eq!(
        body(&request, &settings()),
        json!({
            "model": "claude-x", "max_tokens": 1000, "stream": true,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        })
    );
}

#[test]
fn the_model_of_the_request_goes_before_the_one_of_the_settings() {
    let items = [Item::user("Hi")];
    let mut request = ModelRequest::new(&items);
    request.model = Some("claude-y");
    assert_eq!(body(&request, &settings())["model"], "claude-y");
}

#[test]
fn a_tool_that_cannot_be_described_is_named() {
    let schema = json!({"type": "object", "properties": {"not a legal key!": {"type": "string"}}});
    let (items, tools) =
        ([Item::user("Hi")], [ToolSpec::new("odd", "Odd.", Schema::from_value(schema).unwrap())]);
    let mut request = ModelRequest::new(&items);
    request.tools = &tools;
    let error = encode(&request, &settings(), Thoughts::Kept).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Unsupported);
    assert!(error.message().contains("'odd'"), "{error}");
    assert!(error.message().contains("not a legal key!"), "{error}");
}

#[test]
fn tool_choices() {
    let cases = [
        (ToolChoice::Auto, None, Value::Null),
        (ToolChoice::Auto, Some(true), Value::Null),
        (ToolChoice::Auto, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (ToolChoice::Required, None, json!({"type": "any"})),
        (ToolChoice::Required, Some(false), json!({"type": "any", "disable_parallel_tool_use": true})),
        (ToolChoice::Tool("add".into()), None, json!({"type": "tool", "name": "add"})),
        (ToolChoice::None, Some(false), json!({"type": "none"})),
    ];
    let (items, tools) = ([Item::user("Hi")], [tool("add")]);
    for (choice, parallel, expected) in cases {
        let mut asked = ModelSettings::default();
        asked.parallel_tool_calls = parallel;
        let mut request = ModelRequest::new(&items);
        request.tools = &tools;
        request.tool_choice = &choice;
        request.settings = &asked;
        assert_eq!(body(&request, &settings())["tool_choice"], expected, "{choice:?}, {parallel:?}");
    }
}

#[test]
fn the_models_blocks_go_back_as_they_came_in_one_message() {
    let thinking = json!({"type": "thinking", "thinking": "", "signature": "s"});
    let said = json!({"type": "text", "text": "Hm", "citations": [{"cited_text": "c"}]});
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let asked =
        json!({"type": "tool_use", "id": "odd.id", "name": "add", "input": {}, "caller": {"type": "direct"}});
    let raw = |value: &Value| Some(Raw::new(PROTOCOL, value.clone()));
    let items = [
        Item::user("Go"),
        Item::Reasoning(ReasoningItem { text: String::new(), raw: raw(&thinking) }),
        Item::Assistant(AssistantItem { text: "Hm".into(), raw: raw(&said) }),
        Item::Opaque(Raw::new(PROTOCOL, search.clone())),
        Item::ToolCall(ToolCall {
            id: "odd.id".into(),
            name: "add".into(),
            arguments: String::new(),
            raw: raw(&asked),
        }),
        output("odd.id", "3"),
    ];
    assert_eq!(
        messages(&items),
        json!([
            {"role": "user", "content": [{"type": "text", "text": "Go"}]},
            {"role": "assistant", "content": [thinking, said, search, asked]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "odd.id", "content": "3"}]},
        ])
    );
}

#[test]
fn another_providers_items_go_in_the_neutral_form_without_its_thoughts() {
    let raw = Some(Raw::new("openai", json!({"type": "message"})));
    let items = [
        Item::user("Go"),
        Item::Reasoning(ReasoningItem { text: "secret".into(), raw: raw.clone() }),
        Item::Assistant(AssistantItem { text: "Hm".into(), raw: raw.clone() }),
        Item::Opaque(Raw::new("openai", json!({"type": "web_search_call"}))),
        Item::ToolCall(ToolCall {
            id: "call.1".into(),
            name: "a.b".into(),
            arguments: r#"{"a": 1}"#.into(),
            raw,
        }),
        output("call.1", "3"),
    ];
    assert_eq!(
        messages(&items),
        json!([
            {"role": "user", "content": [{"type": "text", "text": "Go"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Hm"},
                {"type": "tool_use", "id": "call_2e1", "name": "a_2eb", "input": {"a": 1}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_2e1", "content": "3"}]},
        ])
    );
}

#[test]
fn all_results_of_a_turn_stand_first_in_one_user_message() {
    let failed = ToolOutputItem {
        call_id: "b".into(),
        name: "add".into(),
        output: "no such file".into(),
        is_error: true,
    };
    let items = [
        Item::user("Go"),
        call("a", ""),
        call("b", "[1]"),
        call("c", "{}"),
        output("a", ""),
        Item::user("Hurry."),
        Item::ToolOutput(failed),
        output("c", "3"),
        output("c", "twice"),
        output("unknown", "nobody asked"),
    ];
    assert_eq!(
        messages(&items),
        json!([
            {"role": "user", "content": [{"type": "text", "text": "Go"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "add", "input": {}},
                {"type": "tool_use", "id": "b", "name": "add", "input": {"INVALID_JSON": "[1]"}},
                {"type": "tool_use", "id": "c", "name": "add", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a"},
                {"type": "tool_result", "tool_use_id": "b", "content": "no such file", "is_error": true},
                {"type": "tool_result", "tool_use_id": "c", "content": "3"},
                {"type": "text", "text": "Hurry."},
            ]},
        ])
    );
}

#[test]
fn an_error_without_words_is_given_some() {
    let failed =
        ToolOutputItem { call_id: "a".into(), name: "add".into(), output: String::new(), is_error: true };
    let items = [Item::user("Go"), call("a", ""), Item::ToolOutput(failed)];
    let result = &messages(&items)[2]["content"][0];
    assert!(result["content"].as_str().is_some_and(|said| !said.is_empty()), "{result}");
}

#[test]
fn a_call_id_that_comes_again_is_told_apart() {
    let items = [
        Item::user("Go"),
        call("0", ""),
        call("0", ""),
        output("0", "first"),
        output("0", "second"),
        call("0", ""),
        output("0", "third"),
    ];
    let messages = messages(&items);
    let ids: Vec<&Value> = [(1, 0), (1, 1), (3, 0)]
        .map(|(message, block): (usize, usize)| &messages[message]["content"][block]["id"])
        .to_vec();
    assert_eq!(ids, ["0", "0-2", "0-3"]);
    let results: Vec<&Value> = [(2, 0), (2, 1), (4, 0)]
        .map(|(message, block): (usize, usize)| &messages[message]["content"][block])
        .to_vec();
    for (result, (id, content)) in results.iter().zip([("0", "first"), ("0-2", "second"), ("0-3", "third")]) {
        assert_eq!((&result["tool_use_id"], &result["content"]), (&json!(id), &json!(content)));
    }
}

#[test]
fn a_paused_turn_goes_back_as_it_is() {
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let items = [Item::user("Go"), Item::Opaque(Raw::new(PROTOCOL, search.clone()))];
    let body = body(&ModelRequest::new(&items), &Settings { prompt_caching: true, ..settings() });
    assert_eq!(body["messages"][1], json!({"role": "assistant", "content": [search]}));
    assert!(body["messages"].get(2).is_none());
}

#[test]
fn blank_texts_are_left_out_and_what_is_left_stands_together() {
    let raw = Some(Raw::new(PROTOCOL, json!({"type": "text", "text": ""})));
    let items = [
        Item::user("one"),
        Item::Assistant(AssistantItem { text: String::new(), raw }),
        Item::user(" \n"),
        Item::user("two"),
    ];
    assert_eq!(
        messages(&items),
        json!([{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}])
    );
}

#[test]
fn the_first_message_is_the_users() {
    assert_eq!(messages(&[Item::assistant("Hello")])[0]["role"], "user");
    let error = encode(&ModelRequest::new(&[Item::user("")]), &settings(), Thoughts::Kept).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
}

#[test]
fn thoughts_can_stay_behind() {
    let thinking = json!({"type": "thinking", "thinking": "x", "signature": "s"});
    let items = [
        Item::user("Go"),
        Item::Reasoning(ReasoningItem { text: "x".into(), raw: Some(Raw::new(PROTOCOL, thinking)) }),
        call("a", ""),
    ];
    let (request, settings) = (ModelRequest::new(&items), settings());
    let body = serde_json::to_value(encode(&request, &settings, Thoughts::Dropped).unwrap()).unwrap();
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"type": "tool_use", "id": "a", "name": "add", "input": {}}])
    );
}

#[test]
fn a_thinking_budget_is_held_against_the_limit_of_the_request() {
    let items = [Item::user("Hi")];
    let settings = Settings { max_tokens: 4000, thinking: Some(Thinking::budget(2000)), ..settings() };
    let mut asked = ModelSettings::default();
    let mut request = ModelRequest::new(&items);
    assert!(encode(&request, &settings, Thoughts::Kept).is_ok());
    asked.max_output_tokens = Some(2000);
    request.settings = &asked;
    assert!(encode(&request, &settings, Thoughts::Kept).is_err());
}

#[test]
fn a_turn_begins_with_the_bytes_of_the_turn_before() {
    let tools = [tool("add"), tool("sub")];
    let settings = settings();
    let bytes = |items: &[Item]| {
        let mut request = ModelRequest::new(items);
        request.instructions = Some("Add.");
        request.tools = &tools;
        serde_json::to_string(&encode(&request, &settings, Thoughts::Kept).unwrap()).unwrap()
    };
    let mut items = vec![Item::user("Go")];
    let mut before = bytes(&items);
    for turn in 0..3 {
        let id = format!("call_{turn}");
        items.extend([call(&id, r#"{"z": 1, "a": 2}"#), output(&id, "3")]);
        let now = bytes(&items);
        assert!(now.starts_with(before.trim_end_matches("]}")), "{before}\n{now}");
        before = now;
    }
}

#[test]
fn a_body_has_at_most_four_breakpoints() {
    let mut items = vec![Item::user("Go")];
    for turn in 0..5 {
        let id = format!("call_{turn}");
        items.extend([call(&id, ""), output(&id, "3")]);
    }
    let tools = [tool("add"), tool("sub")];
    let mut request = ModelRequest::new(&items);
    request.instructions = Some("Add.");
    request.tools = &tools;
    let cached = body(&request, &Settings { prompt_caching: true, ..settings() });
    assert_eq!(cached.to_string().matches("cache_control").count(), 4);
    assert_eq!(body(&request, &settings()).to_string().matches("cache_control").count(), 0);
}
