//! What the terminal event adds to what came before it.

use super::*;

fn end(kind: &str, response: Value) -> Value {
    json!({"type": kind, "response": response})
}

fn completed_with(output: &[Value]) -> Value {
    end("response.completed", json!({"status": "completed", "output": output}))
}

fn thought(id: &str) -> Value {
    json!({"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": "Hm"}]})
}

/// The kinds of the items, in their order.
fn kinds(response: &ModelResponse) -> Vec<&'static str> {
    let kind = |item: &Item| match item {
        Item::Reasoning(_) => "thought",
        Item::Assistant(_) => "text",
        Item::ToolCall(_) => "call",
        _ => "other",
    };
    response.items.iter().map(kind).collect()
}

#[test]
fn a_call_that_only_the_terminal_event_lists_is_asked_for() {
    let (said, called) = (message("I add."), function_call("a", "{}"));
    let list = [thought("rs_1"), called.clone(), said.clone()];
    let (events, response) = fold(&[done(&thought("rs_1")), done(&said), completed_with(&list)]).unwrap();
    assert_eq!(response.stop, StopReason::ToolCalls);
    assert_eq!(events[2..], [started("a"), delta("a", "{}")]);
    assert_eq!(kinds(&response), ["thought", "call", "text"], "each where the list has it");
}

#[test]
fn what_the_terminal_event_lists_under_other_ids_does_not_come_twice() {
    let renamed = |item: &Value, id: &str| {
        let mut item = item.clone();
        item["id"] = json!(id);
        if item["type"] == "function_call" {
            item["call_id"] = json!(id);
        }
        item
    };
    let streamed = [thought("rs_1"), message("I add."), function_call("a", "1"), function_call("b", "2")];
    let mut list: Vec<Value> =
        streamed.iter().zip(["v", "w", "x", "y"]).map(|(item, id)| renamed(item, id)).collect();
    // And one that says what it says in another way.
    list[1]["content"][0]["annotations"] = json!([{"type": "url_citation"}]);
    let mut chunks: Vec<Value> = streamed.iter().map(done).collect();
    chunks.push(completed_with(&list));
    let (_, response) = fold(&chunks).unwrap();
    assert_eq!(calls(&response).iter().map(|call| &*call.id).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(response.items.len(), 4);
}

#[test]
fn a_call_that_began_and_is_only_listed_is_one() {
    let item = json!({"type": "function_call", "id": "fc_a", "call_id": "a", "name": "add"});
    let begun = json!({"type": "response.output_item.added", "output_index": 0, "item": item});
    let (events, response) = fold(&[begun, completed_with(&[function_call("other", "{}")])]).unwrap();
    assert_eq!(events, [started("a"), delta("a", "{}")]);
    assert_eq!(calls(&response).len(), 1);
}

#[test]
fn where_event_and_status_contradict_each_other_the_worse_is_believed() {
    let call = done(&function_call("a", "{\"x"));
    let said = |kind: &str, status: &str| fold(&[call.clone(), end(kind, json!({ "status": status }))]);
    for (kind, status) in [("response.incomplete", "completed"), ("response.completed", "incomplete")] {
        assert_eq!(said(kind, status).unwrap().1.stop, StopReason::MaxTokens, "{kind} {status}");
    }
    for (kind, status) in [
        ("response.failed", "completed"),
        ("response.completed", "failed"),
        ("response.incomplete", "failed"),
    ] {
        assert_eq!(said(kind, status).unwrap_err().kind(), ModelErrorKind::Server, "{kind} {status}");
    }
    assert_eq!(said("response.cancelled", "completed").unwrap_err().code(), Some("cancelled"));
}

#[test]
fn a_body_that_does_not_say_what_it_is_is_a_response_by_its_output() {
    let body = json!({"id": "r", "status": "completed", "output": [message("Hi")]});
    assert_eq!(fold(&[body]).unwrap().1.items.len(), 1);
    let failed =
        json!({"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "No"}});
    assert_eq!(fold(&[failed]).unwrap_err().kind(), ModelErrorKind::RateLimited);
}

#[test]
fn errors_that_stand_in_the_stream_bare_are_errors() {
    let cases = [
        (json!({"object": "error", "message": "bad", "code": 400}), ModelErrorKind::InvalidRequest),
        (json!({"message": "quota", "code": "insufficient_quota"}), ModelErrorKind::QuotaExceeded),
        (json!({"detail": "boom"}), ModelErrorKind::Server),
    ];
    for (error, kind) in cases {
        let text = json!({"type": "response.output_text.delta", "delta": "x"});
        assert_eq!(fold(&[text, error.clone()]).unwrap_err().kind(), kind, "{error}");
    }
}
