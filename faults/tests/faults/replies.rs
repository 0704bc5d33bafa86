//! The reply is lost on its way: the write was carried out and its writer does not know. Sent again, it changes
//! nothing: one activity, one entry.
//!
//! For Redis a proxy swallows the reply and closes the connection. SQLite has no network to lose anything on; there
//! an operation takes effect and its answer is thrown away, or its future is dropped while the writer is at it.

use std::sync::Arc;
use std::time::Duration;

use agentexec::activity::{
    Activities, ActivityStore, AgentId, Attempt, Change, Message, Metadata, NewActivity, Percent, RequestId,
    Status, Write,
};
use agentexec::prelude::*;
use agentexec::runner::testing::FailingStore;
use agentexec_faults::bed::{Bed, Observer};
use agentexec_faults::record::whole;
use agentexec_faults::{each_store, store};
use agentexec_testbed::Proxy;

each_store! {
    a_write_whose_reply_was_lost_is_there_once: raw;
    a_run_whose_replies_were_lost_says_each_thing_once: run;
}

/// The way to the store, on which replies can be lost.
enum Way {
    Network(Proxy),
    Wrapped(FailingStore<Arc<dyn ActivityStore>>),
}

impl Way {
    /// Loses the reply to the next request that contains this text.
    fn lose_reply_to(&self, text: &str) {
        match self {
            Self::Network(proxy) => proxy.drop_replies_to(text, 1),
            // The next request is the one.
            Self::Wrapped(store) => store.lose_next_answers(1),
        }
    }
}

/// A handle on the store, and the way to it.
async fn behind_a_way(bed: &mut Bed) -> (Arc<dyn ActivityStore>, Way) {
    if bed.name == "SQLite" {
        let wrapped = FailingStore::new(store::open(&bed.url).await.unwrap());
        return (Arc::new(wrapped.clone()), Way::Wrapped(wrapped));
    }
    let server = bed.server();
    let proxy = Proxy::start(server.addr());
    let store = store::open(&server.url_at(proxy.addr())).await.unwrap();
    (store, Way::Network(proxy))
}

async fn raw(mut bed: Bed) {
    let observer = bed.observer().await;
    let (store, way) = behind_a_way(&mut bed).await;
    let id = AgentId::new();
    let new = NewActivity {
        id,
        activity_type: "test".into(),
        message: Message::new("the create"),
        metadata: Metadata::new().with("org", "acme").unwrap(),
    };
    let mut lost = 0;

    way.lose_reply_to("the create");
    lost += usize::from(store.create(new.clone()).await.is_err());
    store.create(new).await.unwrap();

    let (start, progress) = (
        Change::Start { lease: None, percentage: Percent::ZERO },
        Change::Progress { percentage: Some(Percent::clamped(40)), only_raise: false },
    );
    let complete = Change::Complete { percentage: Percent::FULL };
    for (text, change) in [("the start", start), ("the update", progress), ("the finish", complete)] {
        let write = Write::new(id, RequestId::new(), change, Message::new(text));
        let write = write.of_attempt(Some(Attempt::FIRST));
        way.lose_reply_to(text);
        lost += usize::from(store.write(write.clone()).await.is_err());
        let again = store.write(write.clone()).await.unwrap();
        assert_eq!(store.write(write).await.unwrap(), again);
    }
    assert_each_once(&observer, id, &["the create", "the start", "the update", "the finish"]).await;
    assert_lost(&way, 4);
    bed.say(
        "reply lost",
        format_args!("4 writes sent again, {lost} of them by their caller: one entry each"),
    );
}

async fn run(mut bed: Bed) {
    let observer = bed.observer().await;
    let (store, way) = behind_a_way(&mut bed).await;
    let activities = Activities::builder(store).owner("test").build();
    let id = activities.create("test").message("the create").await.unwrap();

    way.lose_reply_to("Task started.");
    let way = &way;
    let output = activities
        .track(id, |cx| async move {
            way.lose_reply_to("the update");
            cx.progress("the update", 40).await;
            way.lose_reply_to("Task completed successfully.");
            Ok::<_, std::io::Error>("the output")
        })
        .await;
    assert_eq!(output.unwrap(), "the output");
    let said = ["the create", "Task started.", "the update", "Task completed successfully."];
    assert_each_once(&observer, id, &said).await;
    assert_lost(way, 3);
    bed.say("reply lost under a lifecycle", "3 replies: one entry each, and the caller has its output");
}

/// The log says these things, once each, and there is one activity.
async fn assert_each_once(observer: &Observer, id: AgentId, said: &[&str]) {
    let detail = whole(&observer.activities, id).await.unwrap().unwrap();
    let log: Vec<_> = detail.log.iter().map(|entry| (entry.seq, entry.message.as_str())).collect();
    let wanted: Vec<_> = (1..).zip(said.iter().copied()).collect();
    assert_eq!(log, wanted);
    assert_eq!(detail.activity.status, Status::Complete);
    assert_eq!(observer.activities.counts(&Scope::all()).await.unwrap().total(), 1);
}

/// Replies were really lost.
fn assert_lost(way: &Way, replies: u64) {
    if let Way::Network(proxy) = way {
        assert!(proxy.dropped() >= replies, "{} replies were lost", proxy.dropped());
    }
}

/// A future that is dropped at any moment leaves a write that was carried out or not, and sending it again settles
/// that.
async fn dropped(bed: Bed) {
    let observer = bed.observer().await;
    let store = store::open(&bed.url).await.unwrap();
    let (mut done, rounds) = (0, 50);
    for round in 0..rounds {
        let id = observer.activities.create("test").await.unwrap();
        let start = Change::Start { lease: None, percentage: Percent::ZERO };
        let start = Write::new(id, RequestId::new(), start, Message::new("the start"));
        let patience = Duration::from_micros(round * 40);
        done += usize::from(tokio::time::timeout(patience, store.write(start.clone())).await.is_ok());
        store.write(start).await.unwrap();
        let log = whole(&observer.activities, id).await.unwrap().unwrap().log;
        assert_eq!(log.len(), 2, "{log:?}");
    }
    bed.say(
        "future dropped",
        format_args!("{rounds} writes sent again, {done} of them needlessly: one entry each"),
    );
}

each_store! {
    a_write_whose_future_was_dropped_is_there_once: dropped;
}
