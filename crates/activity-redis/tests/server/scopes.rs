//! Scopes and filters of several pairs, over more activities than one step looks at.

use agentexec_activity_core::{
    ActivityStore, AgentId, ListQuery, Metadata, NewActivity, SCAN_LIMIT, Scope, Status,
};
use agentexec_activity_redis::RedisStore;
use agentexec_testbed::RedisServer;
use futures_util::StreamExt;
use futures_util::stream;

use crate::support::{complete, new_activity, open, start, write};

async fn create(store: &RedisStore, metadata: Metadata) -> AgentId {
    store.create(NewActivity { metadata, ..new_activity() }).await.unwrap().id
}

fn pairs(org: &str, team: &str) -> Metadata {
    Metadata::new().with("org", org).unwrap().with("team", team).unwrap()
}

#[tokio::test]
async fn several_pairs_are_counted_and_listed_in_steps() {
    let server = RedisServer::start();
    let store = open(server.url()).await;
    // The wanted ones are the oldest, behind more than one step of others; each pair alone is in all of them.
    let mut wanted = Vec::new();
    for _ in 0..3 {
        wanted.insert(0, create(&store, pairs("acme", "a")).await);
    }
    let others = SCAN_LIMIT + 500;
    let creates = (0..2 * others).map(|number| {
        let metadata = if number % 2 == 0 { pairs("acme", "b") } else { pairs("other", "a") };
        create(&store, metadata)
    });
    stream::iter(creates).buffer_unordered(64).for_each(|_| async {}).await;
    store.write(write(wanted[2], start())).await.unwrap();
    store.write(write(wanted[1], start())).await.unwrap();
    store.write(write(wanted[1], complete())).await.unwrap();

    let scope = Scope::metadata(pairs("acme", "a")).unwrap();
    let counts = store.counts(&scope).await.unwrap();
    assert_eq!((counts.queued, counts.running, counts.complete, counts.total()), (1, 1, 1, 3));
    let everybody = Scope::metadata(Metadata::new().with("org", "acme").unwrap()).unwrap();
    assert_eq!(store.counts(&everybody).await.unwrap().queued, others as u64 + 1);

    let mut query = ListQuery::new(scope);
    let (mut listed, mut steps) = (Vec::new(), 0);
    loop {
        let page = store.list(&query).await.unwrap();
        listed.extend(page.items.into_iter().map(|activity| (activity.id, activity.status)));
        steps += 1;
        let Some(next) = page.next else { break };
        query = query.after(next);
    }
    let expected = [(wanted[2], Status::Running), (wanted[0], Status::Queued), (wanted[1], Status::Complete)];
    assert_eq!(listed, expected);
    assert!(steps > 1, "{others} activities were looked at in one step");
}
