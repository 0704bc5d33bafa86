#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The store in a file follows the rules.

use std::path::PathBuf;
use std::sync::Arc;

use agentexec_activity_core::ActivityStore;
use agentexec_activity_core::conformance::{self, Harness};
use agentexec_activity_sqlite::SqliteStore;
use tempfile::TempDir;

/// Fewer than by default: the cases write twice as many and more one by one, each flushed to the disk.
const EVENTS_KEPT: usize = 1024;

/// Each store in a file of its own, in a folder that is removed with the harness.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn another(&self) -> PathBuf {
        tempfile::tempdir_in(&self.0).unwrap().keep().join("activities.db")
    }
}

async fn open(path: PathBuf) -> Arc<dyn ActivityStore> {
    Arc::new(SqliteStore::builder(path).events_kept(EVENTS_KEPT as u64).open().await.unwrap())
}

#[async_trait::async_trait]
impl Harness for Files {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        open(self.another()).await
    }

    async fn fresh_pair(&self) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
        let path = self.another();
        (open(path.clone()).await, open(path).await)
    }

    fn events_kept(&self) -> Option<usize> {
        Some(EVENTS_KEPT)
    }

    fn random_sequences(&self) -> u32 {
        128
    }
}

conformance::suite!(Files::new());
