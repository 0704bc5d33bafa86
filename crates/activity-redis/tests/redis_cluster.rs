#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The store follows the rules on a cluster of three nodes, whichever of them it is told of: no operation
//! touches two slots, and redirections are followed.

use std::sync::{Arc, LazyLock};

use agentexec_activity_core::conformance::{self, Harness};
use agentexec_activity_core::{Activities, ActivityStore, AgentId};
use agentexec_activity_redis::RedisStore;
use agentexec_testbed::RedisCluster;

static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(RedisCluster::start);

struct Cluster;

/// Random namespaces are spread over the nodes; the node that is named has a third of them.
async fn open(namespace: &str, node: usize) -> Arc<dyn ActivityStore> {
    Arc::new(RedisStore::builder(&CLUSTER.urls()[node]).namespace(namespace).connect().await.unwrap())
}

#[async_trait::async_trait]
impl Harness for Cluster {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        open(&AgentId::new().to_string(), 0).await
    }

    async fn fresh_pair(&self) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
        let namespace = AgentId::new().to_string();
        (open(&namespace, 1).await, open(&namespace, 2).await)
    }
}

conformance::suite!(Cluster);

/// Namespaces lie on all nodes, each reached through one of them.
#[tokio::test]
async fn every_node_is_reached_by_redirection() {
    for number in 0..30 {
        let store = open(&format!("space-{number}"), number % 3).await;
        Activities::new(store).create("task").await.unwrap();
    }
    for node in CLUSTER.nodes() {
        let keys: u64 = node.query(&redis::cmd("DBSIZE"));
        assert!(keys > 0, "no namespace of thirty is on {}", node.addr());
    }
}
