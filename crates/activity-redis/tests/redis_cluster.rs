#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The store follows the rules on a cluster of three nodes, whichever of them it is told of: no operation
//! touches two slots, and redirections are followed.

use std::sync::{Arc, LazyLock};

use agentexec_activity_core::conformance::{self, Harness};
use agentexec_activity_core::{Activities, ActivityStore, AgentId, Scope, WatchFrom};
use agentexec_activity_redis::RedisStore;
use agentexec_testbed::{RedisCluster, RedisServer};
use futures_util::StreamExt;

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

    fn random_sequences(&self) -> u32 {
        20
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

fn node_id(node: &RedisServer) -> String {
    node.query(redis::cmd("CLUSTER").arg("MYID"))
}

fn set_slot(node: &RedisServer, slot: u16, state: &str, other: &str) {
    let _: () = node.query(redis::cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(state).arg(other));
}

/// Moves a slot with its keys to another node.
fn move_slot(slot: u16, from: &RedisServer, to: &RedisServer) {
    set_slot(to, slot, "IMPORTING", &node_id(from));
    set_slot(from, slot, "MIGRATING", &node_id(to));
    let keys: Vec<String> = from.query(redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(1000));
    let (host, port) = (to.addr().ip().to_string(), to.addr().port());
    let mut migrate = redis::cmd("MIGRATE");
    migrate.arg(host).arg(port).arg("").arg(0).arg(5000).arg("KEYS").arg(keys);
    let _: () = from.query(&migrate);
    for node in [to, from] {
        set_slot(node, slot, "NODE", &node_id(to));
    }
}

/// When the slot of the namespace moves to another node, operations and watches go on there.
#[tokio::test]
async fn the_slot_of_a_namespace_may_move() {
    let store = open("moving", 0).await;
    let mut watch = store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    let activities = Activities::new(Arc::clone(&store));
    let id = activities.create("task").await.unwrap();
    let first = watch.next().await.unwrap().unwrap();
    assert_eq!(first.id(), Some(id));

    let slot: u16 = CLUSTER.nodes()[0].query(redis::cmd("CLUSTER").arg("KEYSLOT").arg("{moving}:rows"));
    let holds = |node: &&RedisServer| {
        let keys: u64 = node.query(redis::cmd("CLUSTER").arg("COUNTKEYSINSLOT").arg(slot));
        keys > 0
    };
    let from = CLUSTER.nodes().iter().position(|node| holds(&node)).unwrap();
    move_slot(slot, &CLUSTER.nodes()[from], &CLUSTER.nodes()[(from + 1) % 3]);

    activities.update(id, "On another node").await.unwrap();
    let second = watch.next().await.unwrap().unwrap();
    assert_eq!(second.cursor().number(), first.cursor().number() + 1);
    assert_eq!(activities.detail(&Scope::all(), id).await.unwrap().unwrap().log.len(), 2);
}
