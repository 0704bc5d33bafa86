#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The store on Redis follows the rules.

use std::sync::{Arc, LazyLock};

use agentexec_activity_core::conformance::{self, Harness};
use agentexec_activity_core::{ActivityStore, AgentId};
use agentexec_activity_redis::RedisStore;
use agentexec_testbed::RedisServer;

/// One server for all cases of this process; each has a namespace of its own.
static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

struct Redis;

async fn open(namespace: &str) -> Arc<dyn ActivityStore> {
    Arc::new(RedisStore::builder(SERVER.url()).namespace(namespace).connect().await.unwrap())
}

#[async_trait::async_trait]
impl Harness for Redis {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        open(&AgentId::new().to_string()).await
    }

    async fn fresh_pair(&self) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
        let namespace = AgentId::new().to_string();
        (open(&namespace).await, open(&namespace).await)
    }
}

conformance::suite!(Redis);
