//! One connection through the proxy: two directions, each a reader and a writer with a queue between them, so
//! that what is delayed keeps its order and does not hold up what comes in.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Fault, Shared, Switch};

/// The size of a chunk, in bytes.
const CHUNK: usize = 64 * 1024;

/// How many chunks wait in a direction before its reader stops reading.
const QUEUE: usize = 64;

/// How long a server has to take what it was sent after a reply was lost.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    shared: Arc<Shared>,
    switch: watch::Receiver<Switch>,
    /// That of [`Switch`] when it was accepted.
    generation: u64,
    number: u64,
    /// A part of the answers was swallowed by [`Fault::DropReplies`].
    holed: AtomicBool,
    /// A request whose reply is to be lost has reached the server.
    marked: AtomicBool,
    /// The first answer after that came.
    lost: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Direction {
    Requests,
    Answers,
}

struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    /// The reply to it is one to lose.
    marked: bool,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        let switch = shared.switch.subscribe();
        let generation = switch.borrow().generation;
        Self {
            shared,
            switch,
            generation,
            number,
            holed: false.into(),
            marked: false.into(),
            lost: Notify::new(),
        }
    }

    /// Carries bytes until both ends have closed or a fault closes it. An end that fails closes the other.
    pub(super) async fn carry(self, mut client: TcpStream) {
        if self.switch.borrow().fault == Fault::Down {
            return;
        }
        let Ok(mut server) = TcpStream::connect(self.shared.upstream).await else { return };
        // Errors here are those of an end that is gone, which the first read reports as well.
        let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
        let (client_reads, client_writes) = client.split();
        let (mut server_reads, mut server_writes) = server.split();
        tokio::select! {
            biased;
            () = self.closed_by_fault() => {}
            () = self.lost.notified() => {
                let drained = async {
                    server_writes.shutdown().await?;
                    tokio::io::copy(&mut server_reads, &mut tokio::io::sink()).await
                };
                // Past the limit the client learns of it all the same.
                let _ = timeout(DRAIN_LIMIT, drained).await;
            }
            _ = async {
                tokio::try_join!(
                    self.pump(Direction::Requests, client_reads, &mut server_writes),
                    self.pump(Direction::Answers, &mut server_reads, client_writes),
                )
            } => {}
        }
    }

    async fn closed_by_fault(&self) {
        let closes = |switch: &Switch| {
            let holed = self.holed.load(Ordering::SeqCst) && switch.fault != Fault::DropReplies;
            switch.fault == Fault::Down || switch.generation != self.generation || holed
        };
        // An error says that the proxy is gone, which ends this connection too.
        let _ = self.switch.clone().wait_for(closes).await;
    }

    async fn pump(
        &self,
        direction: Direction,
        from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let (queue, queued) = mpsc::channel(QUEUE);
        tokio::try_join!(self.read(direction, from, queue), self.write(to, queued))?;
        Ok(())
    }

    async fn read(
        &self,
        direction: Direction,
        mut from: impl AsyncRead + Unpin,
        queue: mpsc::Sender<Chunk>,
    ) -> io::Result<()> {
        let mut stalls = Stalls::new(self.number, direction);
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = from.read(&mut buffer).await?;
            let bytes = &buffer[..length];
            if length == 0 {
                return Ok(());
            }
            let fault = self.switch.borrow().fault;
            if direction == Direction::Answers && self.swallows(fault) {
                continue;
            }
            let due = Instant::now() + stalls.delay(fault);
            let marked = direction == Direction::Requests && self.shared.takes_reply_of(bytes);
            if queue.send(Chunk { due, bytes: bytes.to_vec(), marked }).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Whether an answer that has just come is not passed on.
    fn swallows(&self, fault: Fault) -> bool {
        let marked = self.marked.load(Ordering::SeqCst);
        if marked {
            self.lost.notify_one();
        } else if fault == Fault::DropReplies {
            self.holed.store(true, Ordering::SeqCst);
        } else {
            // When the fault has just ended, the connection is about to be closed.
            return self.holed.load(Ordering::SeqCst);
        }
        self.shared.dropped.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// Writes each chunk when it is due and the network passes anything; at the end of the queue it says so to
    /// the other end.
    async fn write(
        &self,
        mut to: impl AsyncWrite + Unpin,
        mut queued: mpsc::Receiver<Chunk>,
    ) -> io::Result<()> {
        let mut switch = self.switch.clone();
        while let Some(chunk) = queued.recv().await {
            sleep_until(chunk.due).await;
            // An error says that the proxy is gone, which ends this connection too.
            let _ = switch.wait_for(|switch| switch.fault != Fault::HalfOpen).await;
            to.write_all(&chunk.bytes).await?;
            if chunk.marked {
                self.marked.store(true, Ordering::SeqCst);
            }
        }
        let _ = switch.wait_for(|switch| switch.fault != Fault::HalfOpen).await;
        to.shutdown().await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Which chunks of one direction stall.
struct Stalls {
    /// Tells the directions of all connections apart.
    lane: u64,
    /// The generator, with the seed of the fault that it is for.
    chance: Option<(u64, fastrand::Rng)>,
}

impl Stalls {
    fn new(connection: u64, direction: Direction) -> Self {
        Self { lane: connection * 2 + u64::from(direction == Direction::Answers), chance: None }
    }

    /// How much later than now a chunk is to arrive.
    fn delay(&mut self, fault: Fault) -> Duration {
        match fault {
            Fault::Latency(round_trip) => round_trip / 2,
            Fault::Stalls { share, pause, seed } => {
                let chance = self.chance.take_if(|(of, _)| *of == seed);
                let (_, chance) =
                    self.chance.insert(chance.unwrap_or_else(|| {
                        (seed, fastrand::Rng::with_seed(seed.rotate_left(32) ^ self.lane))
                    }));
                if chance.f64() < share { pause } else { Duration::ZERO }
            }
            Fault::None | Fault::DropReplies | Fault::HalfOpen | Fault::Down => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(seed: u64, connection: u64) -> Vec<bool> {
        let pause = Duration::from_secs(3);
        let mut stalls = Stalls::new(connection, Direction::Answers);
        (0..1000).map(|_| stalls.delay(Fault::Stalls { share: 0.01, pause, seed }) == pause).collect()
    }

    #[test]
    fn a_seed_stalls_the_same_chunks_again_and_about_the_share_asked_for() {
        let chunks = stalled(7, 3);
        assert_eq!(chunks, stalled(7, 3));
        assert_ne!(chunks, stalled(8, 3));
        assert_ne!(chunks, stalled(7, 4));
        let share = chunks.iter().filter(|&&stalls| stalls).count();
        assert!((1..50).contains(&share), "{share} of 1000");
    }
}
