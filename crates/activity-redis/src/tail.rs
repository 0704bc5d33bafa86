//! The one reader of events: it follows them on a connection of its own and hands them to the feed.
//!
//! A command that blocks stalls everybody else on its connection, and an answer that comes after the client has
//! stopped waiting is lost with the entry in it. So the tail has a connection to itself, and waits for an answer
//! longer than the command blocks.

use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::WatchCursor;
use agentexec_activity_core::feed::{Feed, FeedEvent};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::sync::Notify;

use crate::codec;
use crate::failure::Failure;
use crate::link::Link;
use crate::reply::{Reply, entry_id, life};

/// How long a read waits for the next event. So long the connection stays when nobody watches any more.
const BLOCK: Duration = Duration::from_secs(5);
/// How many events are read at a time.
const STEP: usize = 512;
/// How long it is waited before a connection is tried again; it doubles each time up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Follows the events, for ever, whenever somebody wants them.
pub(crate) async fn follow(link: Arc<Link>, feed: Feed, wanted: Arc<Notify>) {
    let mut wait = FIRST_WAIT;
    let mut seen = None;
    loop {
        if !feed.is_wanted() {
            seen = None;
            wanted.notified().await;
            continue;
        }
        let mut tail = Tail { link: &link, feed: &feed, seen };
        match tail.run().await {
            Ok(()) => wait = FIRST_WAIT,
            Err(failure) => {
                if tail.seen != seen {
                    wait = FIRST_WAIT;
                }
                tracing::debug!(error = %failure, "the events of Redis cannot be followed for now");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        seen = tail.seen;
    }
}

struct Tail<'a> {
    link: &'a Link,
    feed: &'a Feed,
    /// The last event that was handed on.
    seen: Option<WatchCursor>,
}

impl Tail<'_> {
    /// Follows until nobody wants it, or the connection fails.
    async fn run(&mut self) -> Result<(), Failure> {
        let mut seen = self.find().await?;
        let mut connection = self.link.blocking_connection(BLOCK).await?;
        while self.feed.is_wanted() {
            seen = match self.read(&mut connection, seen).await? {
                Some(last) => last,
                // Nothing came: is it still the same store?
                None => self.find().await?,
            };
            self.seen = Some(seen);
        }
        Ok(())
    }

    /// Where to go on: behind what was handed on, unless the server has begun anew or nothing was.
    async fn find(&mut self) -> Result<WatchCursor, Failure> {
        let newest = self.link.hello().await?;
        match self.seen {
            Some(seen) if life(seen) == life(newest) && seen <= newest => Ok(seen),
            _ => {
                self.feed.reset(newest);
                self.seen = Some(newest);
                Ok(newest)
            }
        }
    }

    /// Hands on the next events, and answers with the place of the last.
    async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        seen: WatchCursor,
    ) -> Result<Option<WatchCursor>, Failure> {
        let mut read = Cmd::new();
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        read.arg("XREAD").arg("COUNT").arg(STEP).arg("BLOCK").arg(block).arg("STREAMS");
        read.arg(self.link.keys.events()).arg(entry_id(seen));
        let answer = connection.send_packed_command(&read).await.and_then(Value::extract_error);
        let answer = answer.map_err(|error| Failure::of(&self.link.server(), error))?;
        let Some(mut stream) = Reply::of(answer)?.inner()? else { return Ok(None) };
        let _name = stream.bytes()?;
        let Some(mut entries) = stream.inner()? else { return Ok(None) };
        let (mut events, mut last) = (Vec::new(), None);
        while let Some(mut entry) = entries.inner()? {
            let place = entry.some_place()?;
            let bytes = field(&mut entry)?;
            last = Some((place, bytes.iter().copied().take(codec::MARK_BYTES).collect()));
            events.extend(codec::read_event(place, &bytes)?);
        }
        self.hand_on(events, last)
    }

    fn hand_on(
        &self,
        events: Vec<FeedEvent>,
        last: Option<(WatchCursor, Vec<u8>)>,
    ) -> Result<Option<WatchCursor>, Failure> {
        let Some((place, mark)) = last else { return Ok(None) };
        self.link.remember(place, mark);
        match events.last() {
            Some(event) if event.cursor == place => self.feed.push(events),
            // The mark of a new life is the newest: what was before it is of no use to anybody.
            _ => self.feed.reset(place),
        }
        Ok(Some(place))
    }
}

/// The bytes of the one field that an entry has.
fn field(entry: &mut Reply) -> Result<Vec<u8>, Failure> {
    let mut fields = entry.inner()?.ok_or(Failure::Unreadable("an event has no fields"))?;
    let _name = fields.bytes()?;
    fields.some_bytes()
}
