//! What is written is what is read: text of every script, values of every type, the largest record.

use std::slice;
use std::time::Duration;

use serde_json::{Value, json};

use super::Harness;
use super::subject::{Subject, ask, new_activity, next_event, pair, scoped, start, write};
use crate::{
    AgentId, Attempt, CancelOutcome, CancelRequest, Change, LeaseTerms, ListQuery, MESSAGE_LIMIT,
    METADATA_DEPTH, METADATA_KEY_LIMIT, METADATA_PAIRS, METADATA_VALUE_LIMIT, Message, Metadata, NewActivity,
    OWNER_LIMIT, Percent, Scope, Status, StopRequest, TYPE_LIMIT, WatchEvent,
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

/// Values of every type, some of which look alike.
fn of_every_type() -> Vec<Value> {
    vec![
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
        json!({"b": [true, null], "a": "1"}),
        json!({"a": {"b": 1}}),
        json!({"a": {"b": "1"}}),
        json!({"a": {"b": [1]}}),
    ]
}

/// Numbers of which a careless reader makes others.
fn of_many_digits() -> Vec<Value> {
    vec![
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1 + 0.2),
        json!(0.3),
        json!(5e-324),
        json!(1.797_693_134_862_315_7e308),
        json!(3.928_571_428_571_429_3),
        json!(-1.819_967_304_027_17e-179),
        json!(10),
        json!(10.0),
        json!(9_007_199_254_740_992_i64),
        json!(9_007_199_254_740_993_i64),
        json!(u64::MAX - 1),
        json!(18_446_744_073_709_551_615.0),
    ]
}

/// Text that is the same to the eye, or to a collation, and every control character.
fn of_similar_text() -> Vec<Value> {
    let controls = (0..0x20).chain([0x7f, 0x85, 0x2028, 0xfeff]).filter_map(char::from_u32);
    let similar = ["\u{e9}", "e\u{301}", "\u{1e9e}", "ss", "SS", "ss ", " ", "1.0", "[]", "{}", "\\u0001"];
    similar.into_iter().map(Value::from).chain(controls.map(|c| json!(c.to_string()))).collect()
}

/// Metadata values of different types are different values, also where they look alike, and come back exact.
pub async fn metadata_keep_their_types(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let values = [of_every_type(), of_many_digits(), of_similar_text()].concat();
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

/// Keys are compared byte by byte: what looks alike, or means something in a query, is a key of its own.
pub async fn keys_that_look_alike_are_different_keys(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let keys = [
        "org",
        "Org",
        "org ",
        "org.name",
        "org\"",
        "org=\"x\"",
        "$.org",
        "o%",
        "o_g",
        "\u{e9}",
        "e\u{301}",
        "'",
        "*",
    ];
    let mut ids = Vec::new();
    for key in keys {
        ids.push(store.queued_with(pair(key, "x")).await);
    }
    for (id, key) in ids.iter().zip(keys) {
        assert_eq!(store.activity(*id).await.metadata, pair(key, "x"));
        assert_eq!(
            store.listed_ids(&ListQuery::new(scoped(key, "x"))).await,
            [*id],
            "in the scope of {key:?}"
        );
        let filtered = ListQuery::new(Scope::all()).metadata(pair(key, "x"));
        assert_eq!(store.listed_ids(&filtered).await, [*id], "filtered by {key:?}");
        assert_eq!(store.counts(&scoped(key, "x")).await.unwrap().total(), 1, "{key:?}");
    }
    let all = keys.into_iter().fold(Metadata::new(), |all, key| all.with(key, "y").unwrap());
    let id = store.queued_with(all.clone()).await;
    assert_eq!(store.activity(id).await.metadata, all);
}

/// Text of any script may be as long as its limit says, in bytes: types, keys, messages, owners of leases and reasons.
pub async fn text_up_to_its_limits_is_kept_whole(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for text in ["x", "ü", "界", "🦀", "e\u{301}"] {
        let up_to = |limit: usize| text.repeat(limit / text.len());
        let (kind, message) = (up_to(TYPE_LIMIT), Message::new(up_to(MESSAGE_LIMIT)));
        let metadata = pair(&up_to(METADATA_KEY_LIMIT), up_to(METADATA_VALUE_LIMIT - 2));
        let id = AgentId::new();
        let new = NewActivity { id, activity_type: kind.clone(), message: message.clone(), metadata };
        store.create(new.clone()).await.unwrap();
        let lease = LeaseTerms::new(up_to(OWNER_LIMIT), Duration::ZERO);
        store.apply(id, Change::Start { lease: Some(lease), percentage: Percent::ZERO }).await;
        let mut watch = store.watch_all().await;
        store.ask_to_cancel(id, message.as_str()).await;

        let whole = store.whole(id).await;
        assert_eq!((&whole.activity.activity_type, &whole.activity.metadata), (&kind, &new.metadata));
        assert_eq!(
            (&whole.log[0].message, &whole.activity.cancel_requested),
            (&message, &Some(message.clone()))
        );
        assert_eq!(store.listed(&ListQuery::new(Scope::all()).activity_type(kind)).await, [whole.activity]);
        assert_eq!(store.expired(1).await.unwrap()[0].owner, up_to(OWNER_LIMIT));
        let told = StopRequest::Cancel(message.clone());
        assert_eq!(store.stop_requested(id, Attempt::FIRST).await, told);
        match next_event(&mut watch).await {
            WatchEvent::CancelRequested { reason, .. } => assert_eq!(reason, message),
            other => panic!("expected the request to cancel, got {other:?}"),
        }
        store.apply(id, Change::Lose).await;
        // Of one that is queued the log says why.
        let queued = store.queued().await;
        let ask = CancelRequest { message: message.clone(), ..ask(message.as_str()) };
        store.request_cancel(&Scope::all(), queued, ask).await.unwrap();
        assert_eq!(store.activity(queued).await.message, message);
    }
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
