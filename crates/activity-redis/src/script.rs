//! The scripts, and how one is called.
//!
//! Each operation is one script, named by its digest (`EVALSHA`): Redis runs it as one atomic step. What both
//! sides must agree on, such as how much is kept, stands in front of each script as numbers.

use std::sync::LazyLock;

use agentexec_activity_core::{EVENTS_KEPT, PROGRESS_KEPT, REMEMBERED_REQUESTS};
use redis::{Arg, Cmd, RedisWrite, ToRedisArgs};

use crate::codec::FORMAT;
use crate::keys::Keys;

/// How many progress entries are trimmed at a time, so that most writes trim nothing.
const PROGRESS_BATCH: usize = 32;

/// A script and its digest.
#[derive(Debug)]
pub(crate) struct Script {
    code: String,
    digest: String,
}

/// What a script may do when memory is short.
#[derive(Clone, Copy)]
enum Kind {
    /// It only reads.
    Reads,
    /// It is refused before it changes anything when the server is at its `maxmemory`.
    Writes,
    /// It is carried out all the same: it frees memory, or takes none that counts.
    WritesAlways,
}

impl Script {
    fn new(kind: Kind, body: &str) -> Self {
        let flags = match kind {
            Kind::Reads => " flags=no-writes",
            Kind::Writes => "",
            Kind::WritesAlways => " flags=allow-oom",
        };
        let code = format!(
            "#!lua{flags}\n\
             local FORMAT, EVENTS_KEPT, REMEMBERED = {FORMAT}, {EVENTS_KEPT}, {REMEMBERED_REQUESTS}\n\
             local PROGRESS_KEPT, PROGRESS_BATCH = {PROGRESS_KEPT}, {PROGRESS_BATCH}\n\
             local QUEUED, RUNNING, COMPLETE, ERROR, CANCELED = 0, 1, 2, 3, 4\n\
             {}\n{body}",
            include_str!("lua/common.lua")
        );
        let digest = redis::Script::new(&code).get_hash().to_owned();
        Self { code, digest }
    }

    /// A call of this script with the keys of the namespace and these.
    pub(crate) fn call(&'static self, keys: &Keys, more: &[String]) -> Call {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(&self.digest).arg(keys.common().len() + more.len());
        command.arg(keys.common()).arg(more);
        Call { script: self, command }
    }
}

/// A script with what it is given.
pub(crate) struct Call {
    script: &'static Script,
    command: Cmd,
}

impl Call {
    /// Adds an argument.
    pub(crate) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }

    /// Adds an argument of these bytes.
    pub(crate) fn bytes(mut self, value: &[u8]) -> Self {
        self.command.write_arg(value);
        self
    }

    /// The call by digest.
    pub(crate) fn by_digest(&self) -> &Cmd {
        &self.command
    }

    /// The call with the text of the script, for a server that does not know it yet.
    pub(crate) fn in_full(&self) -> Cmd {
        let mut command = Cmd::new();
        command.arg("EVAL").arg(&self.script.code);
        for arg in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = arg {
                command.write_arg(bytes);
            }
        }
        command
    }
}

macro_rules! scripts {
    ($($name:ident: $kind:ident $file:literal;)*) => { $(
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(Kind::$kind, include_str!(concat!("lua/", $file, ".lua"))));
    )* };
}

scripts! {
    CANCEL: Writes "cancel";
    COUNTS: Reads "counts";
    CREATE: Writes "create";
    DETAIL: Reads "detail";
    EVENTS: Reads "events";
    EXPIRED: Reads "expired";
    HELLO: WritesAlways "hello";
    PURGE: WritesAlways "purge";
    RENEW: WritesAlways "renew";
    SCAN: Reads "scan";
    STOP: Writes "stop";
    WRITE: Writes "write";
}
