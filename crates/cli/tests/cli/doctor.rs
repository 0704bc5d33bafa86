use serde_json::Value;

use crate::stored::{Shared, one_of_each};
use crate::support::{agentexec, folder, ran};

/// The standing of a check, and all that it says.
fn check(diagnosis: &Value, name: &str) -> (String, String) {
    let checks = diagnosis["checks"].as_array().unwrap();
    let check =
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {diagnosis}"));
    let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
    (text("standing"), format!("{} {}", text("message"), text("advice")))
}

async fn diagnosed(store: &Shared) -> Value {
    let mut command = store.command(&["doctor", "--json"]);
    command.env("OPENAI_API_KEY", "sk-hidden");
    let ran = ran(command).await;
    assert!(!ran.out.contains("sk-hidden"), "{}", ran.out);
    let diagnosis = ran.result();
    assert_eq!(ran.code == Some(1), diagnosis["standing"] == "fail", "{ran:?}");
    diagnosis
}

fn assert_check(diagnosis: &Value, name: &str, standing: &str, said: &str) {
    let (stands, says) = check(diagnosis, name);
    assert!(stands == standing && says.contains(said), "{name}: {stands}: {says}");
}

#[tokio::test]
async fn a_file_that_works_is_told_with_what_it_promises() {
    let store = Shared::file();
    one_of_each(&store.activities().await).await;
    let diagnosis = diagnosed(&store).await;
    for (name, said) in [
        ("version", env!("CARGO_PKG_VERSION")),
        ("store", "activities.db: 5 activities, "),
        ("versions", "SQLite 3."),
        ("persistence", "flushed to the disk at each commit"),
        #[cfg(unix)]
        ("permissions", "600: yours alone"),
        ("integrity", "the file is whole"),
        ("claude", "no key is set"),
        ("openai", "set: OPENAI_API_KEY"),
        ("terminal", "plain lines"),
    ] {
        assert_check(&diagnosis, name, "ok", said);
    }
    assert_eq!(diagnosis["standing"], "ok");
}

#[cfg(unix)]
#[tokio::test]
async fn what_should_be_looked_at_is_told_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt;

    let store = Shared::file();
    let _activities = store.activities().await;
    std::fs::set_permissions(store.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = store.ran(&["doctor"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let advice = format!(
        "warn  permissions  644: other users may read or write the file: chmod 600 '{}'\n",
        store.path().display()
    );
    assert!(ran.out.contains(&advice), "{}", ran.out);
    assert!(ran.out.contains("warn  keys         no key is set: set ANTHROPIC_API_KEY or "), "{}", ran.out);
    assert!(ran.out.starts_with("  ok  version      agentexec "), "{}", ran.out);
}

#[tokio::test]
async fn a_store_that_does_not_work_fails_and_the_rest_is_looked_at_all_the_same() {
    let folder = folder(&[("notes.txt", "these are notes, and no database, of some length")]);
    let url = format!("sqlite:{}", folder.path().join("notes.txt").display());
    let ran = ran(agentexec(&["doctor", "--store", &url])).await;
    assert_eq!(ran.code, Some(1));
    let failed = ran.out.lines().find(|line| line.starts_with("FAIL  store        ")).expect(&ran.out);
    assert!(failed.contains("notes.txt"), "{failed}");
    assert!(ran.out.contains("  ok  terminal     "), "{}", ran.out);
}

#[tokio::test]
async fn a_look_makes_no_file() {
    let store = Shared::file();
    assert_check(&diagnosed(&store).await, "store", "ok", "there is no file yet");
    assert!(!store.path().exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_is_told_with_what_it_promises() {
    use agentexec_testbed::RedisServer;

    let server = RedisServer::builder().append_only().max_memory(100_000_000, "noeviction").start();
    let diagnosis = diagnosed(&Shared::at(server.url())).await;
    for (name, said) in [
        ("store", ": 0 activities, answers in "),
        ("versions", "Redis "),
        ("persistence", "each write is flushed to the disk"),
        ("eviction", "noeviction: records stay"),
        ("memory", " of 100.00 MB"),
    ] {
        assert_check(&diagnosis, name, "ok", said);
    }

    let server = RedisServer::start();
    let diagnosis = diagnosed(&Shared::at(server.url())).await;
    assert_check(&diagnosis, "persistence", "warn", "when the server stops, all is lost set appendonly yes");
    assert_check(&diagnosis, "memory", "ok", "without a limit");

    let server = RedisServer::builder().max_memory(100_000_000, "allkeys-lru").start();
    let diagnosis = diagnosed(&Shared::at(server.url())).await;
    assert_check(&diagnosis, "store", "fail", "set maxmemory-policy to noeviction");
}
