//! A Redis Cluster for one test.

use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use crate::port::BUS_OFFSET;
use crate::redis::RedisServer;

/// The hash slots of a cluster, dealt out to the nodes.
const SLOTS: [RangeInclusive<u16>; 3] = [0..=5460, 5461..=10922, 10923..=16383];

/// How long three nodes may take to know each other. It takes a second or two.
const JOIN_LIMIT: Duration = Duration::from_secs(60);

/// Three masters on loopback without replicas, each with a third of the slots: an access across slots, or
/// without the key that says where to go, fails here as it would in a real cluster.
///
/// # Panics
///
/// As [`RedisServer`]: when Redis is not installed or does not do as asked.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: [RedisServer; 3],
}

impl RedisCluster {
    /// Starts the nodes and waits until each says that the cluster is whole.
    #[must_use]
    pub fn start() -> Self {
        let nodes = SLOTS.map(|slots| {
            let node = RedisServer::builder()
                .arg("cluster-enabled", ["yes"])
                // A node on a busy machine is slow, not lost.
                .arg("cluster-node-timeout", ["15000"])
                .start();
            let add =
                redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(*slots.start()).arg(*slots.end()).clone();
            let _: () = node.query(&add);
            node
        });
        for (epoch, node) in (1..).zip(&nodes) {
            let _: () = node.query(redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(epoch));
        }
        let [first, others @ ..] = &nodes;
        for other in others {
            let addr = other.addr();
            let bus = addr.port() + BUS_OFFSET;
            let mut meet = redis::cmd("CLUSTER");
            meet.arg("MEET").arg(addr.ip().to_string()).arg(addr.port()).arg(bus);
            let _: () = first.query(&meet);
        }
        let cluster = Self { nodes };
        cluster.wait_until_whole();
        cluster
    }

    /// The nodes, in the order of their slots.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The URLs of the nodes; a client needs one of them to find the others.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    fn wait_until_whole(&self) {
        let deadline = Instant::now() + JOIN_LIMIT;
        let is_whole = |node: &RedisServer| {
            let info: String = node.query(redis::cmd("CLUSTER").arg("INFO"));
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        };
        while !self.nodes.iter().all(is_whole) {
            assert!(Instant::now() < deadline, "the nodes made no cluster within {JOIN_LIMIT:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
