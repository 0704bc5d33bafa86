//! What the scripts store, read back: records, log entries, events and leases, each as packed bytes. The other
//! half is `lua/common.lua`.

use agentexec_activity_core::feed::{FeedChange, FeedEvent};
use agentexec_activity_core::{
    Activity, AgentId, Attempt, ExpiredLease, LogEntry, Message, Metadata, NewActivity, Percent, RequestId,
    Status, Timestamp, WatchCursor,
};

use crate::failure::Failure;
use crate::keys::Keys;
use crate::rules;

/// The format of what is stored. A store refuses a namespace of a newer one.
pub(crate) const FORMAT: u64 = 1;

const CANCEL_REQUESTED: u8 = 1;

type Decoded<T> = Result<T, Failure>;

/// The bytes of an id, as it is stored; they sort as the id does.
pub(crate) fn id_bytes(id: AgentId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

pub(crate) fn request_bytes(request: RequestId) -> [u8; 16] {
    request.as_u128().to_be_bytes()
}

/// Bytes, read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Failure::Unreadable("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// An unsigned number of so many bytes, at most 8.
    fn number(&mut self, bytes: usize) -> Decoded<u64> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn byte(&mut self) -> Decoded<u8> {
        Ok(u8::try_from(self.number(1)?).unwrap_or_default())
    }

    fn length(&mut self, bytes: usize) -> Decoded<usize> {
        usize::try_from(self.number(bytes)?).map_err(|_| Failure::Unreadable("a length is too large"))
    }

    fn id(&mut self) -> Decoded<AgentId> {
        let bytes = self.take(16)?;
        Ok(AgentId::from_u128(bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))))
    }

    fn attempt(&mut self) -> Decoded<Attempt> {
        Ok(Attempt::new(u32::try_from(self.number(4)?).unwrap_or(u32::MAX)))
    }

    fn status(&mut self) -> Decoded<Status> {
        rules::status(self.byte()?).ok_or(Failure::Unreadable("a status has no name"))
    }

    fn percent(&mut self) -> Decoded<Percent> {
        Ok(Percent::clamped(i64::from(self.byte()?)))
    }

    fn time(&mut self) -> Decoded<Timestamp> {
        Ok(Timestamp::from_millis(self.number(6)?))
    }

    /// A moment that may not have come: then it is 0.
    fn time_once(&mut self) -> Decoded<Option<Timestamp>> {
        Ok(Some(self.time()?).filter(|time| time.as_millis() > 0))
    }

    /// A text behind its length of so many bytes.
    fn text(&mut self, length_bytes: usize) -> Decoded<&'a str> {
        let length = self.length(length_bytes)?;
        text(self.take(length)?)
    }
}

fn text(bytes: &[u8]) -> Decoded<&str> {
    std::str::from_utf8(bytes).map_err(|_| Failure::Unreadable("a text is not UTF-8"))
}

/// A record as it is stored.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) activity: Activity,
    /// The number of the first entry of the log that is not among the old ones; old progress was trimmed.
    pub(crate) base: u64,
    /// The metadata as they are stored, to find out later whether the id is still of the same activity.
    pub(crate) metadata_text: String,
}

impl Record {
    pub(crate) fn read(id: AgentId, row: &[u8]) -> Decoded<Self> {
        let mut row = Reader(row);
        let (status, percentage, attempt) = (row.status()?, row.percent()?, row.attempt()?);
        let (_seq, base, _reports) = (row.number(4)?, row.number(4)?, row.number(4)?);
        let (created, updated) = (row.time()?, row.time()?);
        let (started, ended, flags) = (row.time_once()?, row.time_once()?, row.byte()?);
        let (message, reason) = (row.text(2)?, row.text(2)?);
        let (activity_type, metadata_text) = (row.text(2)?.to_owned(), row.text(4)?.to_owned());
        let metadata = metadata(&metadata_text)?;
        let new = NewActivity { id, activity_type, message: message.into(), metadata };
        let mut activity = Activity::queued(&new, created);
        (activity.status, activity.percentage, activity.attempt) = (status, percentage, attempt);
        (activity.updated, activity.started, activity.ended) = (updated, started, ended);
        activity.cancel_requested = (flags & CANCEL_REQUESTED != 0).then(|| Message::new(reason));
        Ok(Self { activity, base, metadata_text })
    }

    /// The sets that it is in, besides that of all.
    pub(crate) fn sets(&self, keys: &Keys) -> Vec<String> {
        keys.sets(&self.activity.activity_type, &self.activity.metadata)
    }

    /// A record behind its id.
    pub(crate) fn read_item(item: &[u8]) -> Decoded<Self> {
        let mut item = Reader(item);
        Self::read(item.id()?, item.0)
    }
}

fn metadata(text: &str) -> Decoded<Metadata> {
    if text.is_empty() {
        return Ok(Metadata::new());
    }
    serde_json::from_str(text).map_err(|_| Failure::Unreadable("the metadata are not metadata"))
}

pub(crate) fn read_entry(bytes: &[u8]) -> Decoded<LogEntry> {
    let mut entry = Reader(bytes);
    let (seq, at, attempt) = (entry.number(4)?, entry.time()?, entry.attempt()?);
    let (status, percentage, progress) = (entry.status()?, entry.percent()?, entry.byte()? == 1);
    let mut read = LogEntry::new(seq, at, status, text(entry.0)?.into());
    (read.attempt, read.percentage, read.progress) = (attempt, percentage, progress);
    Ok(read)
}

/// An event; nothing for the mark at the beginning of a life.
pub(crate) fn read_event(cursor: WatchCursor, bytes: &[u8]) -> Decoded<Option<FeedEvent>> {
    let mut event = Reader(bytes);
    let kind = event.byte()?;
    if kind == b'B' {
        return Ok(None);
    }
    let (_at, id) = (event.time()?, event.id()?);
    let length = event.length(2)?;
    let body = event.take(length)?;
    let change = match kind {
        b'L' => FeedChange::Logged(read_entry(body)?),
        b'C' => FeedChange::CancelRequested(Message::new(text(body)?)),
        b'P' => FeedChange::Purged,
        _ => return Err(Failure::Unreadable("an event is of a kind that is not known")),
    };
    Ok(Some(FeedEvent { cursor, id, metadata: metadata(text(event.0)?)?, change }))
}

/// What every event begins with, and no other event of the same place does: its kind, its time, its activity.
pub(crate) const MARK_BYTES: usize = 23;

/// What the event of a log entry begins with.
pub(crate) fn event_mark(id: AgentId, at: Timestamp) -> Vec<u8> {
    let [_, _, time @ ..] = at.as_millis().to_be_bytes();
    [&b"L"[..], &time, &id_bytes(id)].concat()
}

pub(crate) fn read_lease(id: &[u8], bytes: &[u8]) -> Decoded<ExpiredLease> {
    let (id, mut lease) = (Reader(id).id()?, Reader(bytes));
    let (attempt, _last_attempt, renewed) = (lease.attempt()?, lease.attempt()?, lease.time()?);
    Ok(ExpiredLease::new(id, attempt, text(lease.0)?.to_owned(), renewed))
}
