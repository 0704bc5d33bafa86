use std::process::Stdio;

use agentexec_demo::{Call, Item, Reply};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{Model, Ran, agentexec, ask, ended, folder, ran};

/// Asserts that the program refuses to begin, prints nothing, and says this.
async fn refused(args: &[&str], said: &[&str]) {
    let ran = ran(agentexec(args)).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{args:?}: {}", ran.err);
    assert!(ran.err.starts_with("error: "), "{args:?}: {}", ran.err);
    for said in said {
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
}

#[tokio::test]
async fn a_command_line_that_cannot_be_understood_is_refused_with_the_way_out() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["run"], &["<PROMPT>"]),
        (&["run", ""], &["it is empty; say what the agent should do"]),
        (&["run", " \n"], &["it is empty"]),
        (&["run", "-5 degrees?"], &["unexpected argument '-5'", "use '-- -5'"]),
        (&["run", "x", "--tool", "rm"], &["list_files, read_file, search_text, report_activity"]),
        (&["run", "x", "--max-turns", "0"], &["it must be a whole number from 1"]),
        (&["run", "x", "--max-turns", "many"], &["it must be a whole number from 1"]),
        (&["run", "x", "--timeout", "0"], &["it must be more than nothing", "90s or 5m"]),
        (&["run", "x", "--timeout", "soon"], &["90s or 5m"]),
        (&["run", "x", "--demo=gemini"], &["claude, openai, openai-chat"]),
        (&["run", "x", "--demo", "--model", "claude"], &["cannot be used with"]),
        (&["run", "x", "--demo", "--base-url", "http://localhost"], &["cannot be used with"]),
        (&["run", "x", "--model", "gpt-x"], &["\"gpt-x\" is not a provider", "openai-chat:NAME"]),
        (&["run", "x", "--model", "openai-chat:"], &["the name is missing behind the colon"]),
        (&["run", "x", "--base-url", "http://localhost"], &["--model <PROVIDER:NAME>"]),
        (
            &["run", "x", "--base-url", "http://localhost", "--model", "openai-chat"],
            &["--model openai-chat:NAME"],
        ),
        (
            &["run", "x", "--base-url", "localhost:11434", "--model", "openai-chat:m"],
            &["--base-url", "must begin with https:// or http://"],
        ),
        (
            &["run", "x", "--demo", "--root", "no/such/folder"],
            &["--root no/such/folder: there is no such folder"],
        ),
        (&["run", "x", "--demo", "--root", "Cargo.toml"], &["--root Cargo.toml: this is a file"]),
    ];
    for (args, said) in cases {
        refused(args, said).await;
    }
}

#[tokio::test]
async fn help_documents_every_exit_code() {
    let ran = ran(agentexec(&["run", "--help"])).await;
    assert_eq!(ran.code, Some(0));
    for code in ["0 ", "1 ", "2 ", "4 ", "5 ", "124 ", "130 "] {
        assert!(ran.out.contains(&format!("\n  {code}")), "{code}: {}", ran.out);
    }
}

async fn with_input(input: &[u8]) -> Ran {
    let model = Model::new(|conversation| Reply::text(format!("You said: {}", conversation.prompt())));
    let mut command = agentexec(&["run", "-", "--model", "openai-chat:m", "--base-url", &model.url()]);
    let mut child = command.env("OPENAI_API_KEY", "key").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that has read enough closes its end.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    ended(child).await
}

#[tokio::test]
async fn the_prompt_comes_from_standard_input_where_it_is_a_dash() {
    let ran = with_input("Wo ist die Schleuse?\nUnd wer?\n".as_bytes()).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "You said: Wo ist die Schleuse?\nUnd wer?\n\n"));
}

#[tokio::test]
async fn a_prompt_that_is_no_text_is_refused() {
    for (input, said) in [
        (&b" \n"[..], "the prompt on standard input is empty"),
        (b"\xff", "the prompt on standard input is not UTF-8"),
        (&[b'x'; 1024 * 1024 + 1], "the prompt on standard input is larger than 1048576 bytes"),
    ] {
        let ran = with_input(input).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
        assert!(ran.err.starts_with(&format!("error: {said}")), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_prompt_that_begins_with_a_dash_stands_behind_two() {
    let model = Model::new(|conversation| Reply::text(conversation.prompt()));
    let mut command = agentexec(&["run", "--model", "openai-chat:llama3.2:3b", "--base-url", &model.url()]);
    let ran = ran({
        command.args(["--", "-5 degrees?"]).env("OPENAI_API_KEY", "key");
        command
    })
    .await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "-5 degrees?\n"));
    assert!(ran.err.contains("   model  openai-chat:llama3.2:3b\n"), "{}", ran.err);
}

#[tokio::test]
async fn the_agent_has_the_tools_and_the_instructions_that_it_is_given() {
    let model = Model::new(|conversation| {
        let tools: Vec<&str> = conversation.tools.iter().map(|tool| tool.name.as_str()).collect();
        Reply::text(format!("{}; {}", tools.join(" "), conversation.instructions))
    });
    let all = ran(ask(&model.url(), &[])).await;
    let expected = "list_files read_file search_text report_activity; You answer questions about the files";
    assert!(all.out.starts_with(expected), "{}", all.out);
    assert!(all.out.contains("`report_activity`"), "{}", all.out);

    let some = ran(ask(
        &model.url(),
        &["--tool", "search_text", "--tool", "list_files", "--instructions", "Be brief."],
    ));
    assert_eq!(some.await.out, "list_files search_text; Be brief.\n");

    let silent = ran(ask(&model.url(), &["--tool", "read_file"])).await;
    assert!(!silent.out.contains("report_activity"), "{}", silent.out);
}

#[tokio::test]
async fn at_the_limit_of_turns_the_agent_wraps_up() {
    let model = Model::new(|conversation| {
        if conversation.tools.iter().any(|tool| tool.name == "list_files") {
            Reply::call("list_files", json!({"path": "."}))
        } else {
            Reply::text(format!("After {} turns: not much.", conversation.turns()))
        }
    });
    let folder = folder(&[("a.txt", "x")]);
    let root = folder.path().to_str().unwrap();
    let ran = ran(ask(&model.url(), &["--root", root, "--max-turns", "2"])).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "After 2 turns: not much.\n"), "{}", ran.err);
    assert!(ran.err.contains("\n wrap up  the limit of turns is reached; "), "{}", ran.err);
    // Nobody reported, so the turns speak.
    assert!(ran.err.contains("\n     50%  Turn 1: Processing tool calls\n"), "{}", ran.err);
}

#[tokio::test]
async fn the_tools_see_nothing_outside_the_root() {
    let folder = folder(&[("secret.txt", "the secret"), ("in/a.txt", "x")]);
    let outside = folder.path().join("secret.txt");
    let paths = [
        "../secret.txt".to_owned(),
        outside.to_str().unwrap().to_owned(),
        "a.txt/../../secret.txt".to_owned(),
    ];
    let model = Model::new(move |conversation| {
        let outputs: Vec<&str> = conversation.tool_outputs().collect();
        if outputs.is_empty() {
            let calls = paths.iter().map(|path| Call::new("read_file", json!({ "path": path })));
            return calls.fold(Reply::default(), |reply, call| reply.and_call(call.name, call.arguments));
        }
        assert!(conversation.items.iter().any(|item| matches!(item, Item::ToolOutput { .. })));
        Reply::text(outputs.join("\n"))
    });
    let root = folder.path().join("in");
    let ran = ran(ask(&model.url(), &["--root", root.to_str().unwrap()])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.out.contains("the secret"), "{}", ran.out);
    assert_eq!(ran.out.matches("Error: ").count(), 3, "{}", ran.out);
    assert_eq!(ran.err.matches(" → error: '").count(), 3, "{}", ran.err);
}
