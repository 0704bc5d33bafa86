use agentexec::activity::{AgentId, Metadata};
use serde_json::{Value, json};

use crate::stored::{Shared, one_of_each};

fn ids(listed: &Value) -> Vec<&str> {
    listed["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_one_document_in_the_order_of_the_statuses() {
    let store = Shared::file();
    let [queued, running, complete, error, canceled] = one_of_each(&store.activities().await).await;
    let listed = store.json(&["list", "--json"]).await;
    assert_eq!(ids(&listed), [&*running, &queued, &canceled, &error, &complete]);
    assert_eq!(listed["next"], Value::Null);
    let item = &listed["items"][3];
    for (field, value) in [
        ("type", json!("import")),
        ("status", json!("error")),
        ("percentage", json!(30)),
        ("attempt", json!(1)),
        ("message", json!("Task failed with error: no such table")),
        ("cancel_requested", json!(null)),
        ("metadata", json!({"org": "acme", "nr": 3})),
    ] {
        assert_eq!(item[field], value, "{field}");
    }
    assert!(item["ended"].as_str() >= item["started"].as_str() && item["started"].is_string(), "{item}");

    let by_creation = store.json(&["list", "--json", "--order", "created"]).await;
    assert_eq!(ids(&by_creation), [&*canceled, &error, &complete, &running, &queued]);
}

#[tokio::test]
async fn a_list_is_narrowed_by_status_type_and_metadata() {
    let store = Shared::file();
    let activities = store.activities().await;
    let [_, running, _, error, _] = one_of_each(&activities).await;
    let other = activities
        .create("export")
        .metadata("nr", "3")
        .metadata("tags", json!({"b": 2, "a": [1, null]}))
        .await
        .unwrap()
        .to_string();
    for (args, expected) in [
        (&["--status", "error", "--status", "running"][..], vec![&running, &error]),
        (&["--type", "export"], vec![&other]),
        (&["--type", "nothing"], vec![]),
        (&["--meta", "nr=3"], vec![&error]),
        (&["--meta", "nr=\"3\""], vec![&other]),
        (&["--meta", "tags={\"a\":[1,null],\"b\":2}"], vec![&other]),
        (&["--meta", "org=acme", "--meta", "nr=1"], vec![&running]),
        (&["--meta", "org=\"acme\"", "--status", "error"], vec![&error]),
        (&["--meta", "org=other"], vec![]),
    ] {
        let listed = store.json(&[&["list", "--json"], args].concat()).await;
        assert_eq!(ids(&listed), expected, "{args:?}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_by_their_cursors() {
    let store = Shared::file();
    let expected = one_of_each(&store.activities().await).await;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut args = vec!["list", "--json", "--limit", "2"];
        args.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor]));
        let page = store.json(&args).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match &page["next"] {
            Value::String(next) => cursor = Some(next.clone()),
            next => {
                assert_eq!(*next, Value::Null);
                break;
            }
        }
    }
    assert_eq!(seen.len(), 5);
    seen.sort();
    assert_eq!(seen, expected);

    let page = store.ran(&["list", "--limit", "2"]).await;
    assert_eq!((page.code, page.out.lines().count()), (Some(0), 3));
    assert!(page.err.starts_with("more: --cursor s"), "{}", page.err);
}

#[tokio::test]
async fn piped_tables_have_whole_messages_and_no_colors() {
    let store = Shared::file();
    let activities = store.activities().await;
    let id = activities.create("import").await.unwrap();
    activities.update(id, "word ".repeat(200).trim()).percentage(7).await.unwrap();
    let table = store.ran(&["list"]).await;
    let lines: Vec<&str> = table.out.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["ID", "STATUS", "%", "AGE", "TYPE", "MESSAGE"]
    );
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!((row[0], row[1], row[2], row[4]), (&*id.to_string(), "running", "7%", "import"));
    assert_eq!(row[5..], ["word"; 200]);
    assert!(!table.out.contains('\u{1b}') && table.err.is_empty(), "{table:?}");
    assert_eq!(lines[0].find("STATUS"), lines[1].find("running"));
}

#[tokio::test]
async fn an_empty_list_says_on_standard_error_why() {
    let store = Shared::file();
    let activities = store.activities().await;
    let empty = store.ran(&["list"]).await;
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), ""));
    assert!(empty.err.ends_with(": no activities yet\n"), "{}", empty.err);
    activities.create("import").await.unwrap();
    let empty = store.ran(&["list", "--status", "error"]).await;
    assert!(empty.err.ends_with(": no activity in it matches\n"), "{}", empty.err);
}

#[tokio::test]
async fn an_activity_is_shown_with_its_log_where_that_is_wanted() {
    let store = Shared::file();
    let [.., canceled] = one_of_each(&store.activities().await).await;
    let alone = store.json(&["show", &canceled, "--json"]).await;
    assert_eq!((&alone["id"], &alone["status"]), (&json!(canceled), &json!("canceled")));
    assert_eq!(alone["metadata"], json!({"org": "acme", "nr": 4}));
    assert!(alone.get("log").is_none(), "{alone}");

    let logged = store.json(&["show", &canceled, "--json", "--logs"]).await;
    let log: Vec<_> =
        logged["log"].as_array().unwrap().iter().map(|entry| (&entry["seq"], &entry["message"])).collect();
    assert_eq!(
        log,
        [
            (&json!(1), &json!("Waiting to start.")),
            (&json!(2), &json!("Reading")),
            (&json!(3), &json!("Task canceled: not needed"))
        ]
    );
    assert_eq!((&logged["trimmed_before"], &logged["next"]), (&json!(0), &json!(null)));

    let text = store.ran(&["show", &canceled, "--logs"]).await;
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
    for line in [
        &*format!("      id  {canceled}\n"),
        "    type  import\n",
        "  status  canceled\n",
        " percent  30%\n",
        " message  Task canceled: not needed\n",
        "    meta  nr=4\n    meta  org=\"acme\"\n",
        "SEQ  TIME                  STATUS    %    MESSAGE\n",
    ] {
        assert!(text.out.contains(line), "{line}: {}", text.out);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_by_a_code_of_its_own() {
    let store = Shared::file();
    let _activities = store.activities().await;
    let id = AgentId::new().to_string();
    for args in [
        &["show", &id][..],
        &["show", &id, "--logs"],
        &["cancel", &id],
        &["cancel", &id, "--wait"],
        &["watch", &id],
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = store.ran(&[args, json].concat()).await;
            assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{args:?}: {}", ran.err);
            assert!(ran.err.contains(&format!("activity {id} not found")), "{}", ran.err);
        }
    }
    for command in ["show", "cancel", "watch"] {
        let ran = store.ran(&[command, "42"]).await;
        assert_eq!(ran.code, Some(2));
        assert!(ran.err.contains("\"42\" is not a UUID"), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_wrong_argument_is_refused_with_the_right_ones() {
    let store = Shared::file();
    let _activities = store.activities().await;
    for (args, said) in [
        (&["list", "--status", "done"][..], "queued, running, complete, error, canceled"),
        (&["list", "--limit", "0"], "1..=500"),
        (&["list", "--limit", "501"], "1..=500"),
        (&["list", "--meta", "acme"], "write it like org=acme"),
        (&["list", "--meta", "nr=1", "--meta", "nr=2"], "one value of a key"),
        (&["list", "--cursor", "x"], "start from the top"),
        (&["list", "--cursor", "s0-0-0", "--order", "created"], "in another order"),
        (&["purge"], "--older-than"),
        (&["purge", "--older-than", "soon"], "write it like 90s or 5m"),
        (&["cancel", "00000000-0000-0000-0000-000000000000", "--timeout", "1s"], "--wait"),
        (&["run", "x", "--demo", "--lease", "999ms"], "below 1s"),
        (&["run", "x", "--demo", "--lease", "25h"], "longer than 1day"),
    ] {
        let ran = store.ran(args).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
}

const HOSTILE: &str = "clear\u{1b}[2J \u{202e}reverse\u{9b}31m\u{7} end";

/// Messages are clean in the store; types and metadata are kept as they came, but for what is refused.
#[tokio::test]
async fn nothing_that_a_terminal_would_obey_is_printed() {
    let store = Shared::file();
    let activities = store.activities().await;
    let metadata = Metadata::new().with("note", HOSTILE).unwrap();
    let id = activities.create("im\u{202e}port").metadata("note", HOSTILE).message(HOSTILE).await.unwrap();
    activities.update(id, HOSTILE).await.unwrap();
    activities.request_cancel(&agentexec::activity::Scope::all(), id, HOSTILE).await.unwrap();
    activities.cancel(id, HOSTILE).await.unwrap();
    let id = id.to_string();
    let is_obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    for args in [&["list"][..], &["show", &id, "--logs"], &["watch", &id], &["cancel", &id]] {
        for json in [&[][..], &["--json"]] {
            let ran = store.ran(&[args, json].concat()).await;
            assert!(!ran.out.contains(is_obeyed) && !ran.err.contains(is_obeyed), "{args:?}: {ran:?}");
            assert!(ran.out.contains("reverse"), "{args:?}: {ran:?}");
        }
    }
    let shown = store.json(&["show", &id, "--json"]).await;
    assert_eq!(shown["metadata"], serde_json::to_value(metadata).unwrap(), "in JSON nothing is lost");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let store = Shared::file();
    one_of_each(&store.activities().await).await;
    let mut child = store.command(&["list"]).spawn().unwrap();
    drop(child.stdout.take());
    let ran = crate::support::ended(child).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn purge_removes_what_ended_long_enough_ago_and_says_how_many() {
    let store = Shared::file();
    let [queued, running, ..] = one_of_each(&store.activities().await).await;
    let none = store.ran(&["purge", "--older-than", "1h"]).await;
    assert_eq!((none.code, none.out.as_str()), (Some(0), "0 activities removed\n"), "{}", none.err);
    assert_eq!(store.json(&["purge", "--older-than", "0s", "--json"]).await, json!({"purged": 3}));
    assert_eq!(ids(&store.json(&["list", "--json"]).await), [&*running, &*queued]);
}
