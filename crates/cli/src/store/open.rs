//! Opening the store that a [`Place`] names.

use agentexec::activity::{Activities, ActivitiesBuilder, Error, MemoryStore, Messages};
use agentexec::redis::RedisStore;
use agentexec::sqlite::SqliteStore;
use anyhow::{bail, ensure};

use super::Place;

/// An open store.
pub(crate) enum Store {
    Memory(MemoryStore),
    Sqlite(SqliteStore),
    Redis(RedisStore),
}

impl Store {
    /// The activities in it, with the messages that the environment sets.
    pub(crate) fn activities(self) -> ActivitiesBuilder {
        let activities = match self {
            Self::Memory(store) => Activities::builder(store),
            Self::Sqlite(store) => Activities::builder(store),
            Self::Redis(store) => Activities::builder(store),
        };
        activities.messages(Messages::from_env())
    }
}

/// Opens a store to record in: a file that is not there is made.
pub(crate) async fn open(place: &Place) -> Result<Store, Error> {
    match place {
        Place::Memory => Ok(Store::Memory(MemoryStore::new())),
        Place::Sqlite { file, .. } => SqliteStore::open(file).await.map(Store::Sqlite),
        Place::Redis { url, namespace } => {
            let store = RedisStore::builder(url);
            let store = match namespace {
                Some(name) => store.namespace(name),
                None => store,
            };
            store.connect().await.map(Store::Redis)
        }
    }
}

/// Opens a store to read what was recorded. A file that somebody named is not made: the name would be a wrong one.
pub(crate) async fn open_existing(place: &Place) -> anyhow::Result<Store> {
    match place {
        Place::Memory => {
            bail!("memory: is within one process and ends with it: there is nothing to see in it")
        }
        Place::Sqlite { is_default: false, .. } => ensure!(
            !is_missing(place),
            "{place}: there is no such file; a program that records activities in it makes it"
        ),
        _ => {}
    }
    Ok(open(place).await?)
}

/// Whether the store is a file that is not there. What cannot be looked at is for the store to complain about.
pub(crate) fn is_missing(place: &Place) -> bool {
    matches!(place, Place::Sqlite { file, .. } if matches!(file.try_exists(), Ok(false)))
}
