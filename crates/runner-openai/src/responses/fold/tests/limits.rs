//! What a server sends that means no good.

use super::*;

fn listing(output: &str) -> String {
    format!(r#"{{"type": "response.completed", "response": {{"output": [{output}]}}}}"#)
}

#[test]
fn a_list_of_too_many_items_is_refused_before_it_is_read() {
    for item in ["1", "{}", r#"{"type": "message", "content": "Hi"}"#] {
        let mut fold = ResponsesFold::new(ORIGIN);
        for _ in 0..MAX_OUTPUT_ITEMS {
            fold.push(&done(&json!({"type": "x"})).to_string(), &mut Vec::new()).unwrap();
        }
        let list = vec![item; 100_000].join(",");
        let body = format!(r#"{{"object": "response", "output": [{list}]}}"#);
        for end in [listing(&list), body] {
            let error = fold.push(&end, &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ModelErrorKind::LimitExceeded, "{item}");
        }
    }
}

#[test]
fn a_long_list_that_has_nothing_in_common_with_the_items_is_taken_for_them() {
    let mut fold = ResponsesFold::new(ORIGIN);
    let item = |number: usize, of: &str| json!({"type": "x", "id": format!("{of} {number}"), "content": of});
    for number in 0..MAX_OUTPUT_ITEMS / 2 {
        fold.push(&done(&item(number, "one")).to_string(), &mut Vec::new()).unwrap();
    }
    let list: Vec<String> = (0..MAX_OUTPUT_ITEMS).map(|number| item(number, "two").to_string()).collect();
    fold.push(&listing(&list.join(",")), &mut Vec::new()).unwrap();
    // Each of a kind with one that came before is that one.
    assert_eq!(fold.finish().unwrap().items.len(), MAX_OUTPUT_ITEMS);
}

#[test]
fn what_only_the_terminal_event_lists_is_held_within_the_budget() {
    let item = |number: usize| {
        let mut item = message(&"x".repeat(200));
        item["id"] = json!(format!("msg_{number}"));
        item
    };
    let items: Vec<Value> = (0..4).map(item).collect();
    let size = items[0].to_string().len();
    let list = listing(&items.iter().map(Value::to_string).collect::<Vec<_>>().join(","));
    let push = |bytes: usize, came: usize| {
        let mut fold = ResponsesFold { budget: ResponseBudget::of(bytes), ..ResponsesFold::new(ORIGIN) };
        for item in &items[..came] {
            fold.push(&done(item).to_string(), &mut Vec::new())?;
        }
        fold.push(&list, &mut Vec::new())
    };
    for came in [0, 1, 4] {
        // What came before is not held twice.
        push(4 * size, came).unwrap();
    }
    for came in [0, 1] {
        assert_eq!(push(4 * size - 1, came).unwrap_err().kind(), ModelErrorKind::LimitExceeded, "{came}");
    }
}

#[test]
fn calls_that_are_like_many_that_began_are_all_there() {
    let (begun, many, long) = (4000, 400, "x".repeat(4000));
    let arguments = |number: usize| format!(r#"{{"x": "{long}{number}"}}"#);
    let called = |number: usize| {
        let mut call =
            function_call(&format!("done {number}"), &format!(r#"{{"x":"{long}{}"}}"#, number + begun));
        call["id"] = json!(null);
        call
    };
    let open = || {
        let mut fold = ResponsesFold::new(ORIGIN);
        for number in 0..begun {
            let item = json!({"type": "function_call", "call_id": format!("{number}"), "name": "add"});
            let piece = json!({"type": "response.function_call_arguments.delta", "delta": arguments(number)});
            for event in [json!({"type": "response.output_item.added", "item": item}), piece] {
                fold.push(&event.to_string(), &mut Vec::new()).unwrap();
            }
        }
        fold
    };
    let list: Vec<String> = (0..many).map(|number| called(number).to_string()).collect();
    let done: Vec<String> = (0..many).map(|number| done(&called(number)).to_string()).collect();
    // Whole arguments that differ are of another call; a list of calls of one tool tells of those that began.
    for (events, calls) in [(done, begun + many), (vec![listing(&list.join(","))], begun)] {
        let mut fold = open();
        for event in events.into_iter().chain([listing("")]) {
            fold.push(&event, &mut Vec::new()).unwrap();
        }
        assert_eq!(fold.finish().unwrap().items.len(), calls);
    }
}
