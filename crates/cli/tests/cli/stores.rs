use std::os::unix::fs::PermissionsExt;

use crate::stored::Shared;
use crate::support::{agentexec, folder, ran};

#[tokio::test]
async fn a_url_of_no_store_is_refused_with_the_forms_and_without_its_password() {
    for (url, said) in [
        ("postgres://u:hunter2@db/runs", "sqlite:PATH"),
        ("", "redis://HOST"),
        ("hunter2@localhost:6379", "memory:"),
        ("redis://:hunter2@", "the host is missing"),
        ("sqlite:", "the path is missing"),
    ] {
        for by_option in [true, false] {
            let mut command = agentexec(&["list"]);
            if by_option {
                command.args(["--store", url]);
            } else {
                command.env("AGENTEXEC_STORE", url);
            }
            let ran = ran(command).await;
            assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{url}");
            assert!(ran.err.starts_with("error: --store (or AGENTEXEC_STORE): "), "{}", ran.err);
            assert!(ran.err.contains(said) && !ran.err.contains("hunter2"), "{}", ran.err);
        }
    }
}

#[tokio::test]
async fn help_does_not_show_the_password_of_the_environment() {
    let mut command = agentexec(&["list", "--help"]);
    command.env("AGENTEXEC_STORE", "redis://:hunter2@localhost");
    let ran = ran(command).await;
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("redis://HOST[:PORT][/DB]") && !ran.out.contains("hunter2"), "{}", ran.out);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_has_a_code_of_its_own() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://:hunter2@{}", listener.local_addr().unwrap());
    drop(listener);
    let run = ["run", "x", "--demo"];
    for args in [&["list"][..], &["purge", "--older-than", "1d"], &["watch"], &run] {
        let mut command = agentexec(args);
        command.env("AGENTEXEC_STORE", &url);
        let ran = ran(command).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(4), ""), "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with("error: ") && ran.err.contains("redis://127.0.0.1:"), "{}", ran.err);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
}

#[tokio::test]
async fn without_a_url_runs_are_kept_in_the_data_folder_for_the_user_alone() {
    let home = folder(&[("work/a.txt", "x")]);
    let path = |path: &str| home.path().join(path);
    let work = path("work");
    for (variables, file) in [
        (vec![("HOME", path(""))], ".local/share/agentexec/activities.db"),
        (vec![("HOME", path("")), ("XDG_DATA_HOME", path("data"))], "data/agentexec/activities.db"),
    ] {
        if cfg!(target_os = "macos") {
            continue;
        }
        let run = |args: &[&str]| {
            let mut command = agentexec(args);
            command.env_remove("AGENTEXEC_STORE").envs(variables.clone());
            ran(command)
        };
        let before = run(&["list", "--json"]).await;
        assert_eq!((before.code, before.out.as_str()), (Some(0), "{\"items\":[],\"next\":null}\n"));

        assert_eq!(
            run(&["run", "What is there?", "--demo", "--root", work.to_str().unwrap()]).await.code,
            Some(0)
        );
        let listed = run(&["list", "--json"]).await.result();
        assert_eq!((&listed["items"][0]["status"], &listed["items"][1]), (&"complete".into(), &().into()));
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path(file)), 0o600);
        assert_eq!(mode(path(file).parent().unwrap().to_owned()), 0o700);
    }
}

#[tokio::test]
async fn without_a_home_the_error_says_how_to_name_a_file() {
    // The operating system knows the home of most users; a variable that names nowhere comes before that.
    let mut command = agentexec(&["list"]);
    command.env_remove("AGENTEXEC_STORE").env("HOME", "nowhere");
    let ran = ran(command).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--store sqlite:PATH"), "{}", ran.err);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made_by_looking_into_it() {
    let store = Shared::file();
    for args in [&["list"][..], &["watch"], &["purge", "--older-than", "1d"]] {
        let ran = store.ran(args).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.contains("there is no such file"), "{}", ran.err);
    }
    assert!(!store.path().exists());
}

#[tokio::test]
async fn nobody_can_look_into_the_memory_of_another_process() {
    let ran = ran(agentexec(&["list"])).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("error: memory: is within one process"), "{}", ran.err);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let folder = folder(&[("notes.txt", "these are notes, and no database, of some length")]);
    let file = folder.path().join("notes.txt");
    let ran = ran(agentexec(&["list", "--store", &format!("sqlite:{}", file.display())])).await;
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("notes.txt") && ran.err.contains("name another file"), "{}", ran.err);
    assert!(std::fs::read_to_string(file).unwrap().starts_with("these are notes"));
}
