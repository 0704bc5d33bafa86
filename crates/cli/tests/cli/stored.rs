//! A store that several programs share.

use std::path::PathBuf;
use std::time::Duration;

use agentexec::activity::{Activities, Status};
use agentexec::sqlite::SqliteStore;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::{DEADLINE, Ran, Silent, agentexec, ask, ended, ran};

/// A store that several programs share.
pub(crate) struct Shared {
    /// As `--store` takes it.
    pub(crate) url: String,
    /// Where the file is; nothing of a store that is none.
    folder: Option<TempDir>,
}

impl Shared {
    /// A file that is not there yet.
    pub(crate) fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("activities.db").display());
        Self { url, folder: Some(folder) }
    }

    pub(crate) fn at(url: String) -> Self {
        Self { url, folder: None }
    }

    /// The file of the store.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.as_ref().expect("no file").path().join("activities.db")
    }

    /// The activities in the file, as a service has them.
    pub(crate) async fn activities(&self) -> Activities {
        Activities::new(SqliteStore::open(self.path()).await.unwrap())
    }

    /// The program on this store.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = agentexec(args);
        command.env("AGENTEXEC_STORE", &self.url);
        command
    }

    pub(crate) async fn ran(&self, args: &[&str]) -> Ran {
        ran(self.command(args)).await
    }

    /// What the program prints as JSON, having ended well.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let ran = self.ran(args).await;
        assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 1), "{args:?}: {ran:?}");
        assert_eq!(ran.err, "", "{args:?}");
        ran.result()
    }

    /// A run in a process of its own, whose provider has been asked and says nothing.
    pub(crate) async fn running(&self, args: &[&str]) -> Running {
        let server = Silent::start().await;
        let mut command = ask(&server.url(), args);
        let mut child = command.env("AGENTEXEC_STORE", &self.url).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let id = loop {
            let line = timeout(DEADLINE, stderr.next_line()).await.expect("no id").unwrap().expect("no id");
            if let Some(id) = line.strip_prefix("      id  ") {
                break id.to_owned();
            }
        };
        let held = timeout(DEADLINE, server.asked()).await.expect("nobody asks");
        child.stderr = Some(stderr.into_inner().into_inner());
        Running { id, child, _held: held }
    }
}

/// A run that goes on until it is stopped.
pub(crate) struct Running {
    pub(crate) id: String,
    pub(crate) child: Child,
    _held: TcpStream,
}

impl Running {
    pub(crate) async fn ended(self) -> Ran {
        ended(self.child).await
    }

    /// Ends the process as a machine that fails does.
    pub(crate) async fn killed(mut self) -> String {
        self.child.kill().await.unwrap();
        self.id
    }
}

/// Activities with a status each; gives their ids in the order of [`Status::ALL`].
pub(crate) async fn one_of_each(activities: &Activities) -> [String; 5] {
    let mut ids = Vec::new();
    for status in Status::ALL {
        let id = activities.create("import").metadata("org", "acme").metadata("nr", ids.len()).await.unwrap();
        if status != Status::Queued {
            activities.update(id, "Reading").percentage(30).await.unwrap();
        }
        match status {
            Status::Queued | Status::Running => {}
            Status::Complete => drop(activities.complete(id).await.unwrap()),
            Status::Error => drop(activities.error(id, "no such table").await.unwrap()),
            Status::Canceled => drop(activities.cancel(id, "not needed").await.unwrap()),
        }
        ids.push(id.to_string());
    }
    ids.try_into().unwrap()
}

/// Looks again and again until it is so.
pub(crate) async fn until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    let looked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(DEADLINE, looked).await.expect("it never becomes so");
}
