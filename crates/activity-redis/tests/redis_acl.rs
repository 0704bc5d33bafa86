#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The store follows the rules as a user who may do what the documentation lists and nothing else.

use std::sync::{Arc, LazyLock};

use agentexec_activity_core::conformance::{self, Harness};
use agentexec_activity_core::{ActivityStore, AgentId};
use agentexec_activity_redis::{ACL_COMMANDS, RedisStore};
use agentexec_testbed::RedisServer;

static SERVER: LazyLock<RedisServer> = LazyLock::new(|| {
    let rules = format!("resetchannels ~{{suite-*}}:* {ACL_COMMANDS}");
    // It appends, so that nobody has to ask whether it saves snapshots; the disk is not waited for.
    let appends = RedisServer::builder().arg("appendonly", ["yes"]).arg("appendfsync", ["no"]);
    appends.user("agents", "secret", &rules).start()
});

struct Restricted;

async fn open(namespace: &str) -> Arc<dyn ActivityStore> {
    Arc::new(RedisStore::builder(SERVER.url_of("agents")).namespace(namespace).connect().await.unwrap())
}

fn namespace() -> String {
    format!("suite-{}", AgentId::new())
}

#[async_trait::async_trait]
impl Harness for Restricted {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        open(&namespace()).await
    }

    async fn fresh_pair(&self) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
        let namespace = namespace();
        (open(&namespace).await, open(&namespace).await)
    }

    fn random_sequences(&self) -> u32 {
        20
    }
}

conformance::suite!(Restricted);

/// The log of what was refused is empty: the store never tries what it may not do.
#[tokio::test]
async fn nothing_is_tried_that_is_not_allowed() {
    let store = Restricted.fresh().await;
    drop(store);
    let refused: Vec<redis::Value> = SERVER.query(redis::cmd("ACL").arg("LOG"));
    assert_eq!(refused, []);
}

/// What the rules leave out is really out of reach: other namespaces, and commands that see all keys.
#[tokio::test]
async fn the_user_reaches_nothing_else() {
    let foreign = RedisStore::builder(SERVER.url_of("agents")).namespace("another").connect().await;
    let message = format!("{:?}", foreign.unwrap_err());
    assert!(message.contains("NotPermitted"), "{message}");

    let client = redis::Client::open(SERVER.url_of("agents")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for command in
        ["SCAN 0", "KEYS *", "FLUSHALL", "FLUSHDB", "FUNCTION FLUSH", "CONFIG GET save", "GET other"]
    {
        let mut refused = redis::Cmd::new();
        for word in command.split(' ') {
            refused.arg(word);
        }
        let answer = refused.exec_async(&mut connection).await;
        assert_eq!(answer.unwrap_err().code(), Some("NOPERM"), "{command}");
    }
}
