//! A store by its URL, as the program opens it.

use std::sync::Arc;

use agentexec::activity::{ActivityStore, MemoryStore};
use agentexec::redis::RedisStore;
use agentexec::sqlite::SqliteStore;
use anyhow::{Result, bail};

/// Opens `memory:`, `sqlite:PATH` or `redis://…`.
///
/// # Errors
/// When the URL is none of these, and when the store cannot be opened.
pub async fn open(url: &str) -> Result<Arc<dyn ActivityStore>> {
    Ok(if url == "memory:" {
        Arc::new(MemoryStore::new())
    } else if let Some(path) = url.strip_prefix("sqlite:") {
        Arc::new(SqliteStore::open(path).await?)
    } else if url.starts_with("redis://") {
        Arc::new(RedisStore::connect(url).await?)
    } else {
        bail!("no store has the URL {url:?}");
    })
}
