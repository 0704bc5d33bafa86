//! What is written is what is read: text of every script, values of every type, the largest record.

use std::slice;

use serde_json::{Value, json};

use super::Harness;
use super::subject::{Subject, new_activity, pair, scoped, start, write};
use crate::{
    AgentId, CancelOutcome, ListQuery, MESSAGE_LIMIT, METADATA_DEPTH, METADATA_KEY_LIMIT, METADATA_PAIRS,
    METADATA_VALUE_LIMIT, Message, Metadata, NewActivity, Scope, Status, TYPE_LIMIT,
};

/// Text of several scripts, directions and planes, with what quoting and escaping stumble over.
const TEXTS: [&str; 6] = [
    "Rücksprache mit Łódź – fertig",
    "数据分析 データ 분석",
    "مرحبا שלום नमस्ते",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦 e\u{301} \u{10ffff}",
    "'; DROP TABLE activities; -- \"%_\\",
    "{error} $1 \\u0000 %s {{}} *:*",
];

/// Ids, types, messages and metadata come back as they were written, from the detail, the list and the log.
pub async fn what_is_created_is_read_back(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let ids = [AgentId::from_u128(0), AgentId::from_u128(u128::MAX)];
    let ids = ids.into_iter().chain(std::iter::repeat_with(AgentId::new));
    for (id, text) in ids.zip(TEXTS) {
        let metadata = pair(text, text).with("text", format!("{text}\0\n\t")).unwrap();
        let new = NewActivity { id, activity_type: text.into(), message: text.into(), metadata };
        store.create(new.clone()).await.unwrap();
        let mut begun = write(id, start());
        begun.message = text.into();
        store.write(begun).await.unwrap();
        assert_eq!(store.ask_to_cancel(id, text).await, CancelOutcome::Requested);

        let whole = store.whole(id).await;
        assert_eq!((whole.activity.id, &whole.activity.activity_type), (id, &new.activity_type));
        assert_eq!((&whole.activity.message, &whole.activity.metadata), (&new.message, &new.metadata));
        assert_eq!(whole.activity.cancel_requested.as_ref(), Some(&new.message));
        assert!(whole.log.iter().all(|entry| entry.message == new.message));
        let by_type = ListQuery::new(Scope::all()).activity_type(text);
        assert_eq!(store.listed(&by_type).await, slice::from_ref(&whole.activity));
        assert_eq!(store.listed(&ListQuery::new(scoped(text, text))).await, [whole.activity]);
    }
}

/// Metadata values of different types are different values, also where they look alike, and come back exact.
pub async fn metadata_keep_their_types(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let values = [
        json!(1),
        json!("1"),
        json!(1.0),
        json!(true),
        json!("true"),
        json!(null),
        json!("null"),
        json!(""),
        json!([]),
        json!({}),
        json!([1]),
        json!(["1"]),
        json!({"a": 1, "b": [true, null]}),
        json!({"a": 1.0, "b": [true, null]}),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1 + 0.2),
        json!(0.3),
        json!(5e-324),
        json!(1.797_693_134_862_315_7e308),
    ];
    let mut ids = Vec::new();
    for value in &values {
        ids.push(store.queued_with(pair("value", value.clone())).await);
    }
    let without = store.queued().await;
    for (id, value) in ids.iter().zip(&values) {
        let metadata = pair("value", value.clone());
        assert_eq!(store.activity(*id).await.metadata, metadata);
        let filtered = ListQuery::new(Scope::all()).metadata(metadata.clone());
        assert_eq!(store.listed_ids(&filtered).await, [*id], "filtered by {value}");
        let scope = Scope::metadata(metadata).unwrap();
        assert_eq!(store.listed_ids(&ListQuery::new(scope.clone())).await, [*id], "in the scope of {value}");
        assert_eq!(store.counts(&scope).await.unwrap().total(), 1);
    }
    assert!(store.activity(without).await.metadata.is_empty());
}

/// A record with everything at its limit is stored whole.
pub async fn the_largest_record_fits(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut metadata = Metadata::new();
    for number in 0..METADATA_PAIRS {
        let key = format!("{number:02}{}", "ä".repeat((METADATA_KEY_LIMIT - 2) / 2));
        // Two bytes are the quotes of the string.
        metadata = metadata.with(key, "x".repeat(METADATA_VALUE_LIMIT - 2)).unwrap();
    }
    let deep = (0..METADATA_DEPTH).fold(json!(1), |inner, _| Value::Array(vec![inner]));
    let key = metadata.iter().next().map(|(key, _)| key.to_owned()).unwrap();
    let metadata = metadata.with(key, deep).unwrap();
    let new = NewActivity {
        activity_type: "t".repeat(TYPE_LIMIT),
        message: Message::new("ü".repeat(MESSAGE_LIMIT / 2)),
        metadata,
        ..new_activity(AgentId::new())
    };
    store.create(new.clone()).await.unwrap();
    let activity = store.activity(new.id).await;
    assert_eq!(activity.message.as_str().len(), MESSAGE_LIMIT);
    assert_eq!((activity.activity_type, activity.message), (new.activity_type, new.message));
    assert_eq!(activity.metadata, new.metadata);
}

/// A message of a megabyte is cut on a character and says so, and the same text is read from everywhere.
pub async fn long_messages_are_cut_on_a_character(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.at(Status::Running).await;
    let mut write = write(id, super::subject::progress(50));
    write.message = Message::new("界".repeat(350_000));
    store.write(write).await.unwrap();
    let whole = store.whole(id).await;
    let text = whole.activity.message.as_str();
    assert!(text.len() <= MESSAGE_LIMIT && text.ends_with("界…"), "{} bytes", text.len());
    assert_eq!(whole.log.last().unwrap().message, whole.activity.message);
}
