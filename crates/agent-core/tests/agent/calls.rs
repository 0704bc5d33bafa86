//! The tool calls of a turn: carried out together, answered in order, each of them, whatever goes wrong.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::{Agent, AgentRunner};
use agentexec_tools::{DynTool, ToolContext, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Barrier;

use crate::support::{Count, Nothing, Scene, add, counted, play, play_with, tool_call};

#[derive(Deserialize, JsonSchema)]
struct Wait {
    milliseconds: u64,
}

/// Each call waits for the others, so that calls made one after the other would never end; then the first takes
/// the longest.
#[tokio::test(start_paused = true)]
async fn calls_of_one_turn_run_together_and_are_answered_in_their_order() {
    let together = || {
        let barrier = Arc::new(Barrier::new(3));
        tool("wait", "", move |wait: Wait, _cx: ToolContext| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                tokio::time::sleep(Duration::from_millis(wait.milliseconds)).await;
                wait.milliseconds
            }
        })
    };
    let turns = || {
        let calls = ["300", "200", "100"].map(|wait| format!(r#"{{"milliseconds": {wait}}}"#));
        [calls.iter().fold(Turn::default(), |turn, call| turn.and_call("wait", call)), Turn::text("Done.")]
    };
    let seen = play(|| Scene::new(Agent::new("Waiter").tool(together()), turns())).await;
    assert_eq!(seen.said()[4..7], ["output call_1: 300", "output call_2: 200", "output call_3: 100"]);
    let answers: Vec<_> = seen.told().into_iter().filter(|event| event.starts_with("answer")).collect();
    assert_eq!(answers, ["answer call_3: 100", "answer call_2: 200", "answer call_1: 300"], "as they came");
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_together_than_the_runner_allows() {
    for (allowed, most) in [(Some(2), 2), (Some(0), 1), (None, 8)] {
        let (running, highest) = (Count::default(), Count::default());
        let measured = {
            let highest = highest.clone();
            tool("work", "", move |_: Nothing, _cx: ToolContext| {
                let running = running.clone();
                highest.raise_to(running.up());
                async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    running.down();
                }
            })
        };
        let runner = |model| match allowed {
            Some(tools) => AgentRunner::new(model).parallel_tools(tools),
            None => AgentRunner::new(model),
        };
        let twenty = || (0..20).fold(Turn::default(), |turn, _| turn.and_call("work", "{}"));
        let agent = Agent::new("Worker").tool(measured);
        let seen = play_with(|| Scene::new(agent.clone(), [twenty(), Turn::text("Done.")]), runner).await;
        assert_eq!(seen.run().turns[0].tool_calls, 20);
        assert_eq!(highest.get(), most);
    }
}

/// What the model reads of a call: its one output in the second request.
async fn answer(tool: DynTool, arguments: &'static str) -> String {
    let name = tool.spec().name.clone();
    let turns = || [Turn::call(&name, arguments), Turn::text("I see.")];
    let seen = play(|| Scene::new(Agent::new("Caller").tool(tool.clone()), turns())).await;
    assert_eq!(seen.run().output, "I see.");
    seen.said()[2].clone()
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_in_a_tool_is_flagged_text() {
    let error = tool("read", "", |_: Nothing, _cx: ToolContext| async { Err::<String, _>("no such file") });
    assert_eq!(answer(error, "{}").await, "output call_1!: no such file");

    let panic = tool("read", "", |_: Nothing, cx: ToolContext| async move {
        assert_ne!(cx.call_id(), "call_1", "amid its work");
        "unreachable"
    });
    assert_eq!(answer(panic, "{}").await, "output call_1!: Tool 'read' failed: it panicked.");

    let slow = tool("read", "", |_: Nothing, _cx: ToolContext| std::future::pending::<String>());
    assert_eq!(
        answer(slow.timeout(Duration::from_millis(100)), "{}").await,
        "output call_1!: Tool 'read' timed out after 0.1 seconds."
    );
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_told_to_the_model() {
    let opening = "output call_1!: The arguments of 'add' do not fit: ";
    for (arguments, reason) in [
        (r#"{"a": 1, "b": "two"}"#, r#"at `b`: invalid type: string "two", expected i64"#),
        (r#"{"a": 1"#, "they are not valid JSON: EOF while parsing an object at line 1 column 7"),
        ("[1, 2]", "expected a JSON object, got an array"),
        ("", "missing field `a`"),
    ] {
        let said = answer(add(), arguments).await;
        assert!(said.starts_with(&format!("{opening}{reason}")), "{said}");
    }
}

#[tokio::test]
async fn no_arguments_are_the_empty_object() {
    for nothing in ["", "null", "{}"] {
        assert_eq!(answer(counted("look", &Count::default(), "seen"), nothing).await, "output call_1: seen");
    }
}

#[tokio::test]
async fn a_tool_without_anything_to_say_is_answered_all_the_same() {
    let silent = tool("wait", "", |_: Nothing, _cx: ToolContext| async {});
    assert_eq!(answer(silent, "{}").await, "output call_1: ");
}

#[tokio::test]
async fn an_unknown_tool_is_told_those_there_are_and_its_siblings_run() {
    let turns = || [Turn::call("divide", "{}").and_call("add", r#"{"a": 1, "b": 2}"#), Turn::text("3")];
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    assert_eq!(
        seen.said()[3..5],
        ["output call_1!: There is no tool named 'divide'. The tools are: add.", "output call_2: 3"]
    );
    assert_eq!(seen.run().output, "3");
}

/// Plays calls of a tool that pays; how many payments there were, and how many keys a bank would tell apart.
async fn payments(turns: impl Fn() -> Vec<Turn>) -> (usize, usize) {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let pay = {
        let keys = Arc::clone(&keys);
        tool("pay", "", move |_: Nothing, cx: ToolContext| {
            keys.lock().unwrap().push(cx.effect_key());
            async { "paid" }
        })
    };
    let seen = play(|| Scene::new(Agent::new("Payer").tool(pay.clone()), turns())).await;
    let outputs = seen.said().iter().filter(|item| *item == "output call_0: paid").count();
    let keys = keys.lock().unwrap();
    assert_eq!(keys.len(), 2 * outputs, "as often as it is answered, in each of the two plays");
    (outputs, keys.iter().collect::<HashSet<_>>().len() / 2)
}

/// Not every server gives each call an id of its own.
#[tokio::test]
async fn calls_of_one_id_in_one_response_are_each_carried_out() {
    let call = || tool_call("call_0", "pay", "{}");
    let turns = || vec![Turn::default().and_item(call()).and_item(call()), Turn::text("Done.")];
    assert_eq!(payments(turns).await, (2, 2));
}

/// Some servers number the calls of each response anew.
#[tokio::test]
async fn calls_whose_ids_come_again_in_later_turns_are_each_carried_out() {
    let pay = || Turn::default().and_item(tool_call("call_0", "pay", "{}"));
    assert_eq!(payments(|| vec![pay(), pay(), pay(), Turn::text("Done.")]).await, (3, 3));
}

#[tokio::test]
async fn a_thousand_calls_in_one_turn_are_answered_in_order() {
    let many = || {
        (0..1_000).fold(Turn::default(), |turn, n| turn.and_call("add", &format!(r#"{{"a": {n}, "b": 0}}"#)))
    };
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), [many(), Turn::text("Done.")])).await;
    let expected: Vec<_> = (0..1_000).map(|n| format!("output call_{}: {n}", n + 1)).collect();
    assert_eq!(seen.said()[1_001..2_001], expected);
}
