//! Activities on Redis: the store that many machines share.
//!
//! [`RedisStore`] is an [`ActivityStore`](agentexec_activity_core::ActivityStore): a service that holds
//! [`Activities`](agentexec_activity_core::Activities) changes one line to use it.
//!
//! ```no_run
//! # async fn example() -> Result<(), agentexec_activity_core::Error> {
//! use agentexec_activity_core::Activities;
//! use agentexec_activity_redis::RedisStore;
//!
//! let activities = Activities::new(RedisStore::connect("redis://127.0.0.1:6379").await?);
//! let id = activities.create("research").metadata("org", "acme").await?;
//! activities.update(id, "Reading sources").percentage(30).await?;
//! # Ok(()) }
//! ```
//!
//! # The server
//!
//! It needs Redis 7.0, Valkey 7.2 or newer. Several things are up to whoever runs it:
//!
//! - **Memory.** An activity of ten log entries and one metadata pair takes about 1.5 KB; at most 256 to 288
//!   progress entries are kept of each log. The newest 16,000 events hold the metadata of their activity once
//!   more, so keep metadata to what is searched by. Give a `maxmemory` the policy `noeviction` (or one that evicts only
//!   keys with a time to live, of which the store has none); a server that may evict anything is refused. A full
//!   server refuses changes with [`Failure::OutOfMemory`] before anything has changed, while reads, renewals of
//!   leases and purges go on.
//! - **Persistence.** What is acknowledged is in the memory of the primary. What is left after a crash is up to
//!   the server:
//!
//!   | setting | after a crash of the server |
//!   |---|---|
//!   | `appendonly yes`, `appendfsync always` | everything acknowledged is there |
//!   | `appendonly yes`, `appendfsync everysec` (Redis's default) | up to a second or two is missing |
//!   | snapshots only (`save …`) | what came after the last snapshot is missing |
//!   | neither | everything is gone; connecting warns of it |
//!   | a replica that is promoted | what had not reached it is missing |
//!
//!   A record that went back is consistent in itself, and a watch that has seen what is missing ends with
//!   [`CursorExpired`](agentexec_activity_core::Error::CursorExpired) instead of a silent gap.
//! - **Permissions.** The least user: `ACL SETUSER agents on >PASSWORD ~{agentexec}:* resetchannels` and then
//!   [`ACL_COMMANDS`].
//! - **Encryption.** `rediss://`, with the system's certificates or those of
//!   [`tls_ca`](RedisStoreBuilder::tls_ca). (The cryptography is aws-lc, unless the process has chosen another
//!   one for rustls.)
//! - **Cluster.** All keys of a namespace are in one slot, since each operation is one atomic step. So a cluster
//!   gives a namespace availability, and several namespaces scale. The store is told of any node and follows
//!   redirections; [`node`](RedisStoreBuilder::node) adds nodes to ask when one is away. While the slot itself
//!   is being moved the store waits, up to its timeout. Sentinel is not asked: give the address of a name or a
//!   proxy that follows the primary.
//!
//! # What it does by itself
//!
//! When a connection breaks, or an answer does not come in time, another one is made. An operation whose answer
//! was lost is sent again within its time ([`timeout`](RedisStoreBuilder::timeout)): each is idempotent, so
//! nothing is done twice. The exceptions are the counts that `purge` gives: those of a step that was carried out
//! and sent again are missing from them.
//!
//! Times and leases are by the server's clock alone.
//!
//! # What is stored
//!
//! All keys begin with the namespace in braces. `rows` holds each record, packed; `all`, `t:<type>` and
//! `m:<pair>` are sorted sets by status and time of creation, for lists and counts; `l:<id>` is a log and
//! `o:<id>` what must outlive its trimmed part; `leases` and `held` are the leases; `events` is the stream
//! behind `watch`, of which about 16,000 events are kept; `meta` says which life of the events it is, and the
//! format.

mod address;
mod builder;
mod bulk;
mod codec;
mod failure;
mod health;
mod keys;
mod link;
mod operations;
mod reply;
mod rules;
mod scan;
mod script;
mod store;
mod tail;

pub use builder::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_NAMESPACE, DEFAULT_TIMEOUT, RedisStoreBuilder};
pub use failure::Failure;
pub use health::{Health, Persistence};
pub use store::RedisStore;

/// The commands that a user of the store needs, in the words of `ACL SETUSER`. With the keys of its namespace
/// (`~{agentexec}:*`) and no channels (`resetchannels`) it makes the least user that the store works as. It
/// leaves out what reaches beyond keys that are named, as SCAN, KEYS, FUNCTION, FLUSHALL and CONFIG do.
pub const ACL_COMMANDS: &str = "-@all +auth +select +ping +info +time +eval +evalsha +xread \
     +hget +hmget +hset +hdel +zadd +zrem +zscore +zmscore +zcard +zcount +zrange +zrevrange +zrangebyscore \
     +xadd +xrange +xrevrange +rpush +lpop +llen +lindex +lrange +unlink";
