#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! What a status page gets: the JSON of records, logs, lists and events.

use agentexec_activity_core::{
    Activities, ListCursor, ListQuery, MemoryStore, Order, Scope, WatchCursor, WatchFrom,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

/// One completed activity.
async fn one_run() -> (Activities, agentexec_activity_core::AgentId) {
    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("research").metadata("org", "acme-secret").await.unwrap();
    activities.update(id, "Reading").percentage(30).await.unwrap();
    activities.complete(id).await.unwrap();
    (activities, id)
}

#[tokio::test]
async fn a_record_tells_everything_but_its_metadata() {
    let (activities, id) = one_run().await;
    let detail = activities.detail(&Scope::all(), id).await.unwrap().unwrap();
    let page = activities.list(&ListQuery::new(Scope::all())).await.unwrap();
    let (detail_json, page_json) =
        (serde_json::to_value(&detail).unwrap(), serde_json::to_value(&page).unwrap());
    for json in [&detail_json, &page_json] {
        assert!(!json.to_string().contains("acme-secret"), "{json}");
        assert!(!json.to_string().contains("metadata"), "{json}");
    }
    let record = &detail.activity;
    let expected = json!({
        "id": id.to_string(),
        "type": "research",
        "status": "complete",
        "percentage": 100,
        "attempt": 1,
        "message": "Task completed successfully.",
        "created": record.created.to_string(),
        "updated": record.updated.to_string(),
        "started": record.started.unwrap().to_string(),
        "ended": record.ended.unwrap().to_string(),
        "cancel_requested": null,
    });
    assert_eq!(page_json, json!({ "items": [expected], "next": null }));

    // A detail is the record with its log beside.
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(detail_json.get(key), Some(value), "{key}");
    }
    assert_eq!(detail_json["log"].as_array().unwrap().len(), 3);
    assert_eq!((&detail_json["trimmed_before"], &detail_json["next"]), (&json!(0), &Value::Null));
    let entry = json!({
        "seq": 2,
        "at": detail.log[1].at.to_string(),
        "attempt": 1,
        "status": "running",
        "percentage": 30,
        "progress": false,
        "message": "Reading",
    });
    assert_eq!(detail_json["log"][1], entry);
}

#[tokio::test]
async fn events_carry_their_kind_and_their_place() {
    let activities = Activities::new(MemoryStore::new());
    let mut watch = activities.watch(&Scope::all()).await.unwrap();
    let id = activities.create("research").await.unwrap();
    let event = watch.next().await.unwrap().unwrap();
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["event"], "logged");
    assert_eq!(json["id"], id.to_string());
    assert_eq!((&json["entry"]["seq"], &json["entry"]["status"]), (&json!(1), &json!("queued")));
    let cursor: WatchCursor = serde_json::from_value(json["cursor"].clone()).unwrap();
    assert!(activities.watch_from(&Scope::all(), None, WatchFrom::After(cursor)).await.is_ok());
    for bad in ["", "now", "-1", "g"] {
        let error = bad.parse::<WatchCursor>().unwrap_err().to_string();
        assert!(error.starts_with("invalid cursor: "), "{error}");
    }
}

#[tokio::test]
async fn a_place_in_a_list_goes_through_a_url() {
    let activities = Activities::new(MemoryStore::new());
    for _ in 0..3 {
        activities.create("research").await.unwrap();
    }
    for order in [Order::Status, Order::Created] {
        let query = ListQuery::new(Scope::all()).order(order).limit(2);
        let page = serde_json::to_value(activities.list(&query).await.unwrap()).unwrap();
        let text = page["next"].as_str().unwrap();
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{text}");
        let cursor: ListCursor = text.parse().unwrap();
        assert_eq!(activities.list(&query.after(cursor)).await.unwrap().items.len(), 1);
    }
}
