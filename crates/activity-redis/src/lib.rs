//! Activities on Redis: the store that many machines share.

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
