//! What a conversation becomes on the wire, block by block.

use agentexec_agent_core::transcript::Media;
use agentexec_runner_http::thoughts_left_behind;
use serde_json::json;

use super::*;

pub(crate) const ORIGIN: &str = "anthropic@api.anthropic.com";

/// The messages for these items, as they stand on the wire.
pub(crate) fn messages(items: &[Item]) -> Value {
    wire(items, true)
}

fn wire(items: &[Item], with_thoughts: bool) -> Value {
    serde_json::to_value(conversation(items, ORIGIN, with_thoughts).unwrap().messages).unwrap()
}

fn own(value: &Value) -> Option<Raw> {
    Some(Raw::new(ORIGIN, value.clone()))
}

fn call(id: &str, arguments: &str) -> Item {
    let call = ToolCall { id: id.into(), name: "add".into(), arguments: arguments.into(), raw: None };
    Item::ToolCall(call)
}

fn output(call_id: &str, output: &str) -> Item {
    Item::ToolOutput(ToolOutputItem::new(call_id, "add", output))
}

fn failed(call_id: &str, said: &str) -> Item {
    Item::ToolOutput(ToolOutputItem::new(call_id, "add", said).failed())
}

fn said(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[test]
fn the_models_blocks_go_back_as_they_came_in_one_message() {
    let thinking = json!({"type": "thinking", "thinking": "", "signature": "s"});
    let said = json!({"type": "text", "text": "Hm", "citations": [{"cited_text": "c"}]});
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let asked =
        json!({"type": "tool_use", "id": "odd.id", "name": "add", "input": {}, "caller": {"type": "direct"}});
    let items = [
        Item::user("Go"),
        Item::Reasoning(ReasoningItem { text: String::new(), raw: own(&thinking) }),
        Item::Assistant(AssistantItem { text: "Hm".into(), raw: own(&said) }),
        Item::Opaque(Raw::new(ORIGIN, search.clone())),
        Item::ToolCall(ToolCall {
            id: "odd.id".into(),
            name: "add".into(),
            arguments: String::new(),
            raw: own(&asked),
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
    let items = [
        Item::user("Go"),
        call("a", ""),
        call("b", "[1]"),
        call("c", "{}"),
        output("a", ""),
        Item::user("Hurry."),
        failed("b", "no such file"),
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
    let items = [Item::user("Go"), call("a", ""), failed("a", "")];
    let result = &messages(&items)[2]["content"][0];
    assert!(result["content"].as_str().is_some_and(|said| !said.is_empty()), "{result}");
}

#[test]
fn a_call_id_that_comes_again_is_told_apart() {
    let raw = |place: u32| json!({"type": "tool_use", "id": "0", "name": "add", "input": {"place": place}});
    let asked = |place, is_own: bool| {
        let raw = raw(place);
        let arguments = raw["input"].to_string();
        Item::ToolCall(ToolCall {
            id: "0".into(),
            name: "add".into(),
            arguments,
            raw: if is_own { own(&raw) } else { None },
        })
    };
    for which_are_own in [[false; 3], [true; 3], [true, false, true], [false, true, false]] {
        let [one, two, three] = which_are_own;
        let items = [
            Item::user("Go"),
            asked(1, one),
            asked(2, two),
            output("0", "first"),
            output("0", "second"),
            asked(3, three),
            output("0", "third"),
        ];
        let messages = messages(&items);
        let calls = [(1, 0), (1, 1), (3, 0)]
            .map(|(message, block): (usize, usize)| &messages[message]["content"][block]);
        let results = [(2, 0), (2, 1), (4, 0)]
            .map(|(message, block): (usize, usize)| &messages[message]["content"][block]);
        for (place, (id, said)) in (1..).zip([("0", "first"), ("0-2", "second"), ("0-3", "third")]) {
            let mut expected = raw(place);
            expected["id"] = id.into();
            assert_eq!(calls[place as usize - 1], &expected);
            let result = json!({"type": "tool_result", "tool_use_id": id, "content": said});
            assert_eq!(results[place as usize - 1], &result);
        }
    }
}

fn thought(text: &str) -> (Value, Item) {
    let raw = json!({"type": "thinking", "thinking": text, "signature": "s"});
    (raw.clone(), Item::Reasoning(ReasoningItem { text: text.into(), raw: own(&raw) }))
}

/// A search that the server makes by itself.
fn search() -> (Value, Item) {
    let raw = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    (raw.clone(), Item::Opaque(Raw::new(ORIGIN, raw)))
}

#[test]
fn a_paused_turn_goes_back_without_a_word_of_the_users_whatever_it_holds() {
    let text = || (said("Looking."), Item::assistant("Looking."));
    for turn in [vec![search(), text()], vec![text()], vec![thought("")], vec![]] {
        let (content, items): (Vec<Value>, Vec<Item>) = turn.into_iter().unzip();
        let mut expected = vec![json!({"role": "user", "content": [said("Go")]})];
        if !content.is_empty() {
            expected.push(json!({"role": "assistant", "content": content}));
        }
        let items: Vec<Item> = [Item::user("Go")].into_iter().chain(items).chain([paused(ORIGIN)]).collect();
        assert_eq!(messages(&items), json!(expected));
    }
}

#[test]
fn a_pause_counts_where_the_transcript_ends_and_at_the_server_that_made_it() {
    let then = |items: &[Item]| {
        let begun = [Item::user("Go"), search().1, paused(ORIGIN)];
        messages(&begun.into_iter().chain(items.iter().cloned()).collect::<Vec<_>>())
    };
    let user = |text| json!({"role": "user", "content": [said(text)]});
    assert_eq!(then(&[Item::assistant("Found.")])[2], user("Continue."), "it went on and ended");
    assert_eq!(then(&[Item::assistant("Found."), paused(ORIGIN)]).as_array().unwrap().len(), 2);
    assert_eq!(then(&[Item::user("Hurry.")])[2], user("Hurry."));
    let elsewhere = [Item::user("Go"), Item::assistant("Looking."), paused("anthropic@localhost:8000")];
    assert_eq!(messages(&elsewhere)[2], user("Continue."));
}

#[test]
fn no_words_are_put_into_the_models_mouth() {
    for last in [Item::assistant("Half an answer"), thought("").1, search().1] {
        let messages = messages(&[Item::user("Go"), last]);
        assert_eq!(messages[2], json!({"role": "user", "content": [said("Continue.")]}), "{messages}");
        assert!(messages.get(3).is_none());
    }
}

#[test]
fn blank_texts_are_left_out_and_what_is_left_stands_together() {
    let empty = own(&said(""));
    let items = [
        Item::user("one"),
        Item::Assistant(AssistantItem { text: String::new(), raw: empty }),
        Item::user(" \n"),
        Item::user("two"),
    ];
    assert_eq!(messages(&items), json!([{"role": "user", "content": [said("one"), said("two")]}]));
}

#[test]
fn the_first_message_is_the_users() {
    let messages = messages(&[Item::assistant("Hello"), Item::user("Hi")]);
    assert_eq!(messages[0], json!({"role": "user", "content": [said("Continue.")]}));
    assert_eq!(messages[1]["role"], "assistant");
    for nothing in [&[][..], &[Item::user("")][..]] {
        let error = conversation(nothing, ORIGIN, true).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
    }
}

#[test]
fn thoughts_can_stay_behind() {
    let thinking = json!({"type": "thinking", "thinking": "x", "signature": "s"});
    let redacted = json!({"type": "redacted_thinking", "data": "x=="});
    let items = [
        Item::user("Go"),
        Item::Reasoning(ReasoningItem { text: "x".into(), raw: own(&thinking) }),
        Item::Reasoning(ReasoningItem { text: String::new(), raw: own(&redacted) }),
        call("a", ""),
        output("a", "3"),
    ];
    assert!(conversation(&items, ORIGIN, true).unwrap().thoughts);
    assert!(!conversation(&items, ORIGIN, false).unwrap().thoughts);
    let call = json!({"type": "tool_use", "id": "a", "name": "add", "input": {}});
    assert_eq!(messages(&items)[1]["content"], json!([thinking, redacted, call]));
    assert_eq!(wire(&items, false)[1]["content"], json!([call]));
}

#[test]
fn what_was_thought_after_thoughts_stayed_behind_goes_back() {
    let items = [
        Item::user("Go"),
        thought("before").1,
        Item::assistant("One."),
        Item::user("On."),
        thoughts_left_behind(ORIGIN),
        thought("after").1,
        Item::assistant("Two."),
        Item::user("On."),
    ];
    let messages = messages(&items);
    assert_eq!(messages[1]["content"], json!([said("One.")]));
    assert_eq!(messages[3]["content"][0]["thinking"], "after");
    assert_eq!(messages[3]["content"].as_array().unwrap().len(), 2);
}

#[test]
fn another_server_of_this_protocol_gets_the_neutral_form() {
    let at = |value: Value| Some(Raw::new("anthropic@localhost:8000", value));
    let thinking = at(json!({"type": "thinking", "thinking": "x", "signature": "theirs"}));
    let text = at(json!({"type": "text", "text": "Hm", "citations": [{"cited_text": "c"}]}));
    let items = [
        Item::user("Go"),
        Item::Reasoning(ReasoningItem { text: "x".into(), raw: thinking }),
        Item::Assistant(AssistantItem { text: "Hm".into(), raw: text }),
        Item::user("On."),
    ];
    assert_eq!(messages(&items)[1]["content"], json!([said("Hm")]));
    assert!(!conversation(&items, ORIGIN, true).unwrap().thoughts);
}

#[test]
fn what_the_user_shows_stands_where_the_user_put_it() {
    let chart = Media::image("image/png", b"png");
    let image = json!({
        "type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cG5n"},
    });
    let items = [Item::user([chart.into(), Part::text("What is this?"), Part::text(" ")])];
    assert_eq!(messages(&items), json!([{"role": "user", "content": [image, said("What is this?")]}]));
}

#[test]
fn what_a_tool_shows_stands_in_its_result() {
    let chart = || Media::image_url("https://example.com/a.png");
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}});
    let shown = |id: &str, said: &str| ToolOutputItem::new(id, "add", said).with(chart());
    let items = [
        Item::user("Go"),
        call("a", ""),
        call("b", ""),
        call("c", ""),
        Item::ToolOutput(shown("a", "Two charts.").with(chart())),
        Item::ToolOutput(shown("b", "It broke.").failed()),
        Item::ToolOutput(shown("c", "")),
    ];
    let result =
        |id: &str, content: Value| json!({"type": "tool_result", "tool_use_id": id, "content": content});
    let mut failed = result("b", json!("It broke."));
    failed["is_error"] = json!(true);
    assert_eq!(
        messages(&items)[2]["content"],
        json!([
            result("a", json!([said("Two charts."), image, image])),
            failed,
            result("c", json!([image])),
            // An error may hold nothing but text.
            image,
        ])
    );
}

#[test]
fn media_that_the_api_does_not_take_are_refused_before_anything_is_sent() {
    let film = Media::file("a.mp4", "video/mp4", b"x");
    let shown = ToolOutputItem::new("a", "add", "").with(film.clone());
    for items in [vec![Item::user(film)], vec![Item::user("Go"), call("a", ""), Item::ToolOutput(shown)]] {
        let error = conversation(&items, ORIGIN, true).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Unsupported);
        assert!(error.message().contains("video/mp4"), "{error}");
    }
}

#[test]
fn breakpoints_stand_on_the_newest_user_messages_and_never_on_an_empty_result() {
    let chart = || Media::image_url("https://example.com/a.png");
    let items = [
        Item::user("one"),
        call("a", ""),
        call("b", ""),
        output("a", "1"),
        output("b", ""),
        Item::assistant("done"),
        Item::user([Part::text("two"), chart().into()]),
    ];
    let mut messages = conversation(&items, ORIGIN, true).unwrap().messages;
    mark_newest(&mut messages);
    let marks: Vec<Vec<bool>> = messages
        .iter()
        .filter(|message| message.role == Role::User)
        .map(|message| serde_json::to_value(&message.content).unwrap())
        .map(|content| {
            content.as_array().unwrap().iter().map(|block| block.get("cache_control").is_some()).collect()
        })
        .collect();
    assert_eq!(marks, [vec![false], vec![true, false], vec![false, true]]);
}
