//! Tools that stand together, and calls of those that do not.

use agentexec_runner_core::RunContext;
use agentexec_tools::{
    CallRequest, DynTool, NAME_LIMIT, ToolContext, ToolOutput, ToolSet, ToolSetError, tool,
};

use crate::support::Nothing;

fn named(name: &str) -> DynTool {
    let answer = name.to_owned();
    tool(name, "", move |_: Nothing, _cx: ToolContext| {
        let answer = answer.clone();
        async move { answer }
    })
}

async fn dispatch(tools: &ToolSet, name: &str) -> ToolOutput {
    tools.dispatch(&RunContext::untracked(), CallRequest::new("call_1", name, "{}")).await.unwrap()
}

#[test]
fn two_tools_of_one_name_are_refused() {
    let error = ToolSet::new([named("read"), named("write"), named("read")]).unwrap_err();
    assert_eq!(error, ToolSetError::Duplicate { name: "read".into() });
    assert_eq!(error.to_string(), "two tools are named \"read\"; give each a name of its own");
}

#[test]
fn a_name_that_no_provider_takes_is_refused() {
    for name in ["", "read file", "lesen_ä", "files.read", &"x".repeat(NAME_LIMIT + 1)] {
        let error = ToolSet::new([named(name)]).unwrap_err();
        assert_eq!(error, ToolSetError::BadName { name: name.into() });
    }
    ToolSet::new([named(&"x".repeat(NAME_LIMIT)), named("a"), named("Read_2-b")]).unwrap();
}

#[tokio::test]
async fn a_call_goes_to_the_tool_of_its_name() {
    let tools = ToolSet::new([named("read"), named("write")]).unwrap();
    assert_eq!(dispatch(&tools, "write").await.text, "write");
    assert_eq!(dispatch(&tools, "read").await.text, "read");
}

#[test]
fn tools_keep_the_order_in_which_they_were_given() {
    let tools = ToolSet::new([named("b"), named("c"), named("a")]).unwrap();
    let specs: Vec<_> = tools.specs().iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(specs, ["b", "c", "a"]);
    let names: Vec<_> = tools.iter().map(|tool| tool.spec().name.as_str()).collect();
    assert_eq!(names, ["b", "c", "a"]);
}

#[tokio::test]
async fn a_tool_that_is_unknown_is_answered_with_those_there_are() {
    let tools = ToolSet::new([named("read"), named("write")]).unwrap();
    let answer = dispatch(&tools, "erase").await;
    assert!(answer.is_error);
    assert_eq!(answer.text, "There is no tool named 'erase'. The tools are: read, write.");

    let odd = dispatch(&tools, &format!("er\u{1b}[0m\nase{}", "x".repeat(1_000))).await;
    assert!(odd.text.starts_with("There is no tool named 'er[0masexxx"), "{}", odd.text);
    assert!(odd.text.len() < 200, "{}", odd.text);
}

#[tokio::test]
async fn without_tools_a_model_is_told_so() {
    let answer = dispatch(&ToolSet::default(), "erase").await;
    assert!(answer.is_error);
    assert_eq!(answer.text, "There is no tool named 'erase'; there are no tools. Answer without one.");
}

#[tokio::test]
async fn a_part_of_the_tools_knows_no_others() {
    let tools = ToolSet::new([named("read"), named("write")]).unwrap();
    let part = tools.only(|spec| spec.name == "read");
    assert_eq!(part.specs().len(), 1);
    assert_eq!(dispatch(&part, "read").await.text, "read");
    assert_eq!(dispatch(&part, "write").await.text, "There is no tool named 'write'. The tools are: read.");
    assert!(tools.only(|_| false).is_empty());
}
