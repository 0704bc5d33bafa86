#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The messages of the lifecycle and the environment that replaces them.

use std::process::Command;

use agentexec_activity_core::Messages;

/// Set in the process that reads its environment, which is another than the one that checks what it read: a
/// process cannot safely change its own.
const CHILD: &str = "AGENTEXEC_TEST_READS_MESSAGES";

/// What a process of this test reads from an environment with `variables`.
fn read_with(variables: &[(&str, &str)]) -> String {
    let this_test = "the_environment_replaces_the_defaults";
    let output = Command::new(std::env::current_exe().unwrap())
        .args([this_test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_environment_replaces_the_defaults() {
    if std::env::var_os(CHILD).is_some() {
        println!("{:?}", Messages::from_env());
        return;
    }
    let read = read_with(&[
        ("AGENTEXEC_ACTIVITY_MESSAGE_CREATE", "In der Schlange."),
        ("AGENTEXEC_ACTIVITY_MESSAGE_STARTED", "Läuft."),
        ("AGENTEXEC_ACTIVITY_MESSAGE_COMPLETE", "Fertig."),
        ("AGENTEXEC_ACTIVITY_MESSAGE_ERROR", "Fehler: {error}"),
    ]);
    let expected = Messages {
        created: "In der Schlange.".into(),
        started: "Läuft.".into(),
        complete: "Fertig.".into(),
        error: "Fehler: {error}".into(),
        ..Messages::default()
    };
    assert!(read.contains(&format!("{expected:?}")), "{read}");
    assert!(read_with(&[]).contains(&format!("{:?}", Messages::default())), "without variables");
}

#[test]
fn the_defaults_are_those_of_the_reference() {
    let messages = Messages::default();
    assert_eq!(messages.created, "Waiting to start.");
    assert_eq!(messages.started, "Task started.");
    assert_eq!(messages.complete, "Task completed successfully.");
    assert_eq!(messages.error("no route"), "Task failed with error: no route");
}

#[test]
fn every_message_has_its_key() {
    let messages =
        Messages::from_lookup(|key| key.strip_prefix("AGENTEXEC_ACTIVITY_MESSAGE_").map(str::to_owned));
    let expected = Messages {
        created: "CREATE".into(),
        started: "STARTED".into(),
        complete: "COMPLETE".into(),
        error: "ERROR".into(),
        canceled: "CANCELED".into(),
        timed_out: "TIMED_OUT".into(),
        max_turns: "MAX_TURNS".into(),
        lost: "LOST".into(),
    };
    assert_eq!(messages, expected);
}

#[test]
fn words_in_braces_are_replaced_wherever_they_stand() {
    let messages = Messages {
        canceled: "{reason}, I repeat: {reason}".into(),
        timed_out: "no answer within {after}".into(),
        lost: "{owner} since {since}; {owner} again".into(),
        ..Messages::default()
    };
    assert_eq!(messages.canceled("closing"), "closing, I repeat: closing");
    assert_eq!(messages.timed_out("5m"), "no answer within 5m");
    assert_eq!(messages.lost("host-1", "noon"), "host-1 since noon; host-1 again");
}
