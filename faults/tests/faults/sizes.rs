//! Messages and metadata of 1 and 16 MB: cut or refused before they reach the store.
//!
//! What reaches it is counted where it arrives: by the server of Redis, and by the size of the SQLite files.

use std::fs;

use agentexec::activity::{
    Activities, AgentId, Error, MESSAGE_LIMIT, METADATA_KEY_LIMIT, METADATA_VALUE_LIMIT, TYPE_LIMIT,
};
use agentexec::prelude::*;
use agentexec_faults::bed::{Bed, LEASE};
use agentexec_faults::record::whole;
use agentexec_faults::{each_store, store};

const MEGABYTE: usize = 1024 * 1024;
/// Far above what the limits let pass in this test, and far below one of its texts.
const ROOM: u64 = 512 * 1024;

each_store! {
    a_megabyte_never_reaches_the_store: |bed| oversized(bed, MEGABYTE);
    sixteen_megabytes_never_reach_the_store: |bed| oversized(bed, 16 * MEGABYTE);
}

async fn oversized(mut bed: Bed, size: usize) {
    let huge = "ä".repeat(size / 2);
    let store = store::open(&bed.url).await.unwrap();
    let activities = Activities::builder(store).owner(huge.clone()).lease(LEASE).build();
    let before = arrived(&mut bed);

    let id = activities.create("test").message(huge.clone()).await.unwrap();
    let create = || activities.create("test");
    assert_refused(create().metadata("note", huge.clone()).await, "metadata", METADATA_VALUE_LIMIT);
    assert_refused(create().metadata(huge.clone(), 1).await, "metadata", METADATA_KEY_LIMIT);
    assert_refused(activities.create(huge.clone()).await, "type", TYPE_LIMIT);

    let failed = activities
        .track(id, |cx| {
            let huge = huge.clone();
            async move {
                cx.progress(huge.clone(), 50).await;
                Err::<(), _>(huge)
            }
        })
        .await;
    assert!(failed.is_err());
    activities.retry(id, huge.clone()).await.unwrap();
    activities.request_cancel(&Scope::all(), id, huge.clone()).await.unwrap();

    let detail = whole(&activities, id).await.unwrap().unwrap();
    assert_eq!(detail.log.len(), 6);
    let longest = detail.log.iter().map(|entry| entry.message.as_str().len()).max().unwrap();
    assert!(longest <= MESSAGE_LIMIT, "{longest}");
    let arrived = arrived(&mut bed) - before;
    assert!(arrived < ROOM, "{arrived} bytes arrived at the store");
    bed.say(
        &format!("texts of {} MB", size / MEGABYTE),
        format_args!("9 calls with such a text, {arrived} bytes arrived at the store in all"),
    );
}

/// It was refused for this field, in words that name the limit.
fn assert_refused(created: Result<AgentId, Error>, named: &str, limit: usize) {
    let error = created.unwrap_err();
    let Error::Invalid { field, reason } = &error else { panic!("{error:?}") };
    assert!(*field == named && reason.contains(&limit.to_string()), "{error}");
}

/// How many bytes have arrived at the store so far.
fn arrived(bed: &mut Bed) -> u64 {
    if bed.name == "SQLite" {
        let files = fs::read_dir(bed.folder()).unwrap();
        return files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    }
    let info: String = bed.server().query(redis::cmd("INFO").arg("stats"));
    let count = info.lines().find_map(|line| line.strip_prefix("total_net_input_bytes:")).unwrap();
    count.trim().parse().unwrap()
}
