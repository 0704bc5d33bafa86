//! A network that fails on request: a TCP proxy on loopback before any server.

mod connection;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use self::connection::Connection;

/// What the network does to the connections through a [`Proxy`], those that are open and those to come.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fault {
    /// Everything passes.
    #[default]
    None,
    /// Requests reach the server; what it answers is swallowed, and the connection stays open. When the fault
    /// ends, the connections that lost bytes are closed: a stream with a hole cannot go on.
    DropReplies,
    /// Nothing passes either way and nothing is closed, as behind a cable that was pulled. What was sent
    /// meanwhile arrives when the fault ends, as TCP would send it again.
    HalfOpen,
    /// Every connection is closed, and new ones are closed as soon as they are accepted.
    Down,
    /// A round trip takes this much longer, half of it each way; throughput stays.
    Latency(Duration),
    /// This share of the chunks (0.0 to 1.0), in either direction, waits for the pause, and what comes after
    /// it on its connection waits behind it.
    Stalls {
        /// How many of the chunks stall: 0.01 is one in a hundred.
        share: f64,
        /// How long each of them takes longer.
        pause: Duration,
        /// The same seed stalls the same chunks of the same connection.
        seed: u64,
    },
}

/// A TCP proxy on loopback. It ends, with its connections, when this is dropped.
///
/// It has a thread of its own, so it works beside any runtime, also one whose clock is paused or which a test
/// blocks. A fault applies to whatever passes after [`set`](Self::set) has returned.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
///
/// use agentexec_testbed::Proxy;
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let proxy = Proxy::start(server.local_addr()?);
///
/// let mut client = TcpStream::connect(proxy.addr())?;
/// client.write_all(b"hello")?;
/// let mut heard = [0; 5];
/// server.accept()?.0.read_exact(&mut heard)?;
/// assert_eq!(&heard, b"hello");
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the connections look at.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    switch: watch::Sender<Switch>,
    lost_replies: Mutex<LostReplies>,
    accepted: AtomicU64,
    open: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Switch {
    fault: Fault,
    /// Goes up with each [`Proxy::disconnect`]; a connection of an earlier one closes.
    generation: u64,
}

/// The replies that are still to be dropped, one by one.
#[derive(Debug, Default)]
struct LostReplies {
    pattern: Vec<u8>,
    left: u32,
}

impl Proxy {
    /// Starts a proxy before the server at this address, without a fault.
    ///
    /// # Panics
    ///
    /// When the system has no port or no thread for it.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        listener.set_nonblocking(true).expect("a listener that tokio can use");
        let addr = listener.local_addr().expect("the address of a listener");
        let shared = Arc::new(Shared {
            upstream,
            switch: watch::Sender::new(Switch::default()),
            lost_replies: Mutex::default(),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let seen = Arc::clone(&shared);
        let serve = move || runtime.block_on(accept(listener, seen, stopped));
        let thread = std::thread::Builder::new().name("proxy".into()).spawn(serve).expect("a thread");
        Self { addr, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Switches to a fault, which ends the one before.
    pub fn set(&self, fault: Fault) {
        self.shared.switch.send_modify(|switch| switch.fault = fault);
    }

    /// Closes the connections that are open now. New ones pass.
    pub fn disconnect(&self) {
        self.shared.switch.send_modify(|switch| switch.generation += 1);
    }

    /// Loses the replies to the next requests, whatever they are; see
    /// [`drop_replies_to`](Self::drop_replies_to).
    pub fn drop_replies(&self, times: u32) {
        self.drop_replies_to("", times);
    }

    /// Loses the reply to each of the next requests that contain these bytes: the request reaches the server,
    /// which acts on it, and the client sees the connection closed instead of an answer. It is closed only
    /// once the server has taken all it was sent, so the request has been acted on when the client knows.
    ///
    /// The proxy knows no protocol: a request is what the client sent in one piece (up to 64 KiB), and a
    /// pattern is found when it is in one. Replaces an earlier call; 0 times ends it.
    pub fn drop_replies_to(&self, pattern: impl AsRef<[u8]>, times: u32) {
        *self.shared.lost_replies.lock().unwrap() =
            LostReplies { pattern: pattern.as_ref().to_vec(), left: times };
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many pieces of answers were swallowed so far, by either way of dropping replies: a test that drops
    /// one can see that it was really dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// Whether the reply to this request is one to lose; counts it if so.
    fn takes_reply_of(&self, request: &[u8]) -> bool {
        let mut lost = self.lost_replies.lock().unwrap();
        let pattern = &lost.pattern;
        let matches = pattern.is_empty() || request.windows(pattern.len()).any(|part| part == pattern);
        let takes = lost.left > 0 && matches;
        lost.left -= u32::from(takes);
        takes
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed; a second one here would abort the test.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("addr", &self.addr)
            .field("upstream", &self.shared.upstream)
            .field("fault", &self.shared.switch.borrow().fault)
            .finish_non_exhaustive()
    }
}

/// Accepts until it is told to stop, which ends the connections too.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener within the runtime");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // A client that gave up in the queue is not ours to report.
                let Ok((client, _)) = accepted else { continue };
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                connections.spawn(Connection::new(Arc::clone(&shared), number).carry(client));
            }
        }
    }
}
