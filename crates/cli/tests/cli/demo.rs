use tempfile::TempDir;

use crate::support::{Ran, agentexec, folder, ran};

fn harbor() -> TempDir {
    folder(&[
        ("README.md", "# Harbor\n\nThe pump runs at noon.\n"),
        ("src/lock.rs", "// The lock.\nfn open_valve() {}\n"),
        ("src/pump.rs", "fn pump() {}\n\n// Close the valve first.\n"),
        (".gitignore", "*.log\n"),
        ("old.log", "valve valve valve\n"),
    ])
}

async fn demo(protocol: &str) -> Ran {
    let harbor = harbor();
    let root = harbor.path().to_str().unwrap();
    let ran = ran(agentexec(&["run", "Where is the valve?", protocol, "--root", root])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran
}

/// The answer is true of the folder, and the way to it is told.
fn is_true_of_the_harbor(ran: &Ran, spoken: &str) {
    for fact in [
        "I found `valve` in 2 files",
        "4 files and 1 folder",
        "`valve`: 2 lines in 2 files",
        "`src/lock.rs:2`: `fn open_valve() {}`",
        "`src/pump.rs:3`: `// Close the valve first.`",
        "`src/lock.rs` (32 bytes, 2 lines): begins with `// The lock.`",
    ] {
        assert!(ran.out.contains(fact), "{fact}: {}", ran.out);
    }
    assert!(!ran.out.contains("old.log"), "{}", ran.out);

    let mut rest = ran.err.as_str();
    for line in [
        &*format!("   model  demo: rules in place of a model, over {spoken}\n"),
        "  queued  Waiting to start.\n",
        " running  Task started.\n",
        "     10%  Looking at the files\n",
        "    tool  list_files path=. → 5 lines\n",
        "     35%  Searching for \"valve\"\n",
        "    tool  search_text query=valve path=. → 2 lines\n",
        "     60%  Reading 2 files\n",
        "complete  Task completed successfully.\n",
        "   usage  4 turns, ",
    ] {
        let (_, behind) = rest.split_once(line).unwrap_or_else(|| panic!("{line:?} is not in {rest:?}"));
        rest = behind;
    }
    assert!(!ran.err.contains("Turn 1"), "the agent's own reports say more: {}", ran.err);
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "escape codes without a terminal");
}

#[tokio::test]
async fn the_demo_answers_over_anthropic_messages() {
    is_true_of_the_harbor(&demo("--demo").await, "Anthropic Messages");
}

#[tokio::test]
async fn the_demo_answers_over_openai_responses() {
    is_true_of_the_harbor(&demo("--demo=openai").await, "OpenAI Responses");
}

#[tokio::test]
async fn the_demo_answers_over_chat_completions() {
    is_true_of_the_harbor(&demo("--demo=openai-chat").await, "OpenAI Chat Completions");
}

#[tokio::test]
async fn the_demo_of_an_empty_folder_says_so() {
    let empty = folder(&[]);
    let ran =
        ran(agentexec(&["run", "What is this?", "--demo", "--root", empty.path().to_str().unwrap()])).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), "The folder is empty: there are no files to look at.\n")
    );
}

#[tokio::test]
async fn the_messages_of_the_record_come_from_the_environment() {
    let empty = folder(&[]);
    let mut command =
        agentexec(&["run", "What is this?", "--demo", "--root", empty.path().to_str().unwrap()]);
    command.env("AGENTEXEC_ACTIVITY_MESSAGE_CREATE", "In line.");
    command.env("AGENTEXEC_ACTIVITY_MESSAGE_STARTED", "On it.");
    command.env("AGENTEXEC_ACTIVITY_MESSAGE_COMPLETE", "Done and dusted.");
    let ran = ran(command).await;
    for line in ["  queued  In line.\n", " running  On it.\n", "complete  Done and dusted.\n"] {
        assert!(ran.err.contains(line), "{}", ran.err);
    }
}
