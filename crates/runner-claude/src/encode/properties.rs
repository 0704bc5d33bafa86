//! What holds for every transcript: nothing of it is lost on the way.

use agentexec_agent_core::transcript::{Item, ToolCall, ToolOutputItem};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::tests::messages;
use crate::fold::Fold;

/// What a transcript says, without the raw forms.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    User(String),
    Assistant(String),
    Call(String, String, Map<String, Value>),
    Output(String, String, bool),
}

fn turns() -> impl Strategy<Value = Vec<Said>> {
    let text = || "[a-zäö\"\\\\\n ]{0,12}[a-z]";
    let input = || proptest::collection::btree_map("[a-z]{1,3}", (0..9i64).prop_map(Value::from), 0..3);
    let calls = proptest::collection::vec(("[a-z.]{1,5}", input(), "[ -~]{0,9}", any::<bool>()), 0..4);
    let turn = (text(), proptest::option::of(text()), calls);
    proptest::collection::vec(turn, 1..4).prop_map(|turns| {
        let mut said = Vec::new();
        for (turn, (user, answer, calls)) in turns.into_iter().enumerate() {
            said.push(Said::User(user));
            said.extend(answer.map(Said::Assistant));
            let id = |call: usize| format!("call-{turn}-{call}");
            let made = calls.iter().enumerate().map(|(index, (name, input, ..))| {
                Said::Call(id(index), name.clone(), input.clone().into_iter().collect())
            });
            said.extend(made);
            let answered = calls.iter().enumerate().map(|(index, (_, _, output, failed))| {
                // A failure without words is given some, which is a case of its own.
                let output = if *failed { format!("no: {output}") } else { output.clone() };
                Said::Output(id(index), output, *failed)
            });
            said.extend(answered);
        }
        said
    })
}

fn to_items(said: &[Said]) -> Vec<Item> {
    let item = |said: &Said| match said.clone() {
        Said::User(text) => Item::user(text),
        Said::Assistant(text) => Item::assistant(text),
        Said::Call(id, name, input) => {
            Item::ToolCall(ToolCall { id, name, arguments: Value::Object(input).to_string(), raw: None })
        }
        Said::Output(call_id, output, is_error) => {
            Item::ToolOutput(ToolOutputItem { call_id, name: "t".into(), output, is_error })
        }
    };
    said.iter().map(item).collect()
}

/// Reads messages as a server would: an assistant's content through the fold, a user's block by block.
fn read_back(messages: &Value) -> Vec<Said> {
    let mut said = Vec::new();
    for message in messages.as_array().unwrap() {
        if message["role"] == "assistant" {
            let body = json!({"content": message["content"]});
            let (_, fold) = Fold::whole(body.to_string().as_bytes()).unwrap();
            said.extend(fold.finish().items.into_iter().map(|item| match item {
                Item::Assistant(item) => Said::Assistant(item.text),
                Item::ToolCall(call) => {
                    Said::Call(call.id, call.name, serde_json::from_str(&call.arguments).unwrap())
                }
                other => panic!("{other:?}"),
            }));
            continue;
        }
        for block in message["content"].as_array().unwrap() {
            let string = |field: &str| block[field].as_str().unwrap_or_default().to_owned();
            said.push(match block["type"].as_str().unwrap() {
                "text" => Said::User(string("text")),
                "tool_result" => {
                    Said::Output(string("tool_use_id"), string("content"), block["is_error"] == true)
                }
                other => panic!("{other}"),
            });
        }
    }
    said
}

proptest! {
    #[test]
    fn nothing_is_lost_between_a_transcript_and_the_wire(said in turns()) {
        let expected: Vec<Said> = said
            .iter()
            .cloned()
            .map(|said| match said {
                Said::Call(id, name, input) => Said::Call(id, name.replace('.', "_2e"), input),
                Said::Output(id, output, failed) if output.trim().is_empty() => Said::Output(id, String::new(), failed),
                said => said,
            })
            .collect();
        prop_assert_eq!(read_back(&messages(&to_items(&said))), expected);
    }

    #[test]
    fn what_the_model_sent_goes_back_as_it_came(said in turns()) {
        let sent = messages(&to_items(&said));
        for message in sent.as_array().unwrap().iter().filter(|message| message["role"] == "assistant") {
            let (_, fold) = Fold::whole(message.to_string().as_bytes()).unwrap();
            let mut items = vec![Item::user("Go")];
            items.extend(fold.finish().items);
            prop_assert_eq!(&messages(&items)[1], message);
        }
    }
}
