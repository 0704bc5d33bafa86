//! The handle of a running server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use futures_util::future::select;
use tokio::sync::oneshot;

use crate::brain::{Brain, Explorer};
use crate::http::{self, App, Ids};

/// The pause between two events of a stream unless one is set.
const DEFAULT_DELAY: Duration = Duration::from_millis(15);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// No port of the loopback interface could be listened on.
    #[error("the demo server cannot listen on the loopback interface")]
    Listen(#[source] io::Error),
    /// The system gave no thread, or the thread no runtime.
    #[error("the demo server cannot start its thread")]
    Thread(#[source] io::Error),
}

/// A model server on a port of the loopback interface.
///
/// It runs on a thread and a runtime of its own. So it answers whatever the caller's runtime is busy with, it
/// needs none to be started, and its end is the end of all its connections: dropping the handle stops the
/// server, cuts the streams that are under way, and returns once the thread is gone.
/// [`shutdown`](Self::shutdown) does the same without blocking.
///
/// What it logs is nothing, and what it stores is nothing.
#[derive(Debug)]
pub struct DemoServer {
    base_url: String,
    address: SocketAddr,
    /// Dropped to stop the server.
    stop: Option<oneshot::Sender<()>>,
    /// Its sender is dropped when the last connection is.
    stopped: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl DemoServer {
    /// Starts a server with the [`Explorer`] as its model and 15 ms between the events of a stream.
    ///
    /// # Errors
    /// When there is no port or no thread to be had.
    pub fn start() -> Result<Self, DemoError> {
        Self::builder().start()
    }

    /// Settings other than those of [`start`](Self::start).
    pub fn builder() -> DemoServerBuilder {
        DemoServerBuilder { delay: DEFAULT_DELAY, brain: Box::new(Explorer) }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    ///
    /// This is the base URL for Anthropic's clients. OpenAI's want `/v1` at the end of theirs.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server and waits until its last connection is closed. Streams under way are cut.
    ///
    /// Cancel safe: when the future is dropped, the server stops all the same.
    pub async fn shutdown(mut self) {
        self.stop = None;
        // An error is what the dropped sender at the other end gives, and all that is waited for.
        let _ = (&mut self.stopped).await;
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The thread panics only where axum does; then it is gone too.
            let _ = thread.join();
        }
    }
}

/// Settings of a [`DemoServer`].
#[must_use]
pub struct DemoServerBuilder {
    delay: Duration,
    brain: Box<dyn Brain>,
}

impl std::fmt::Debug for DemoServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoServerBuilder").field("delay", &self.delay).finish_non_exhaustive()
    }
}

impl DemoServerBuilder {
    /// The pause before each event of a stream: a word, a piece of arguments. 15 ms by default, so that a
    /// demo looks alive; zero for tests. Answers that are not streamed come at once.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What plays the model. The [`Explorer`] by default.
    pub fn brain(mut self, brain: impl Brain) -> Self {
        self.brain = Box::new(brain);
        self
    }

    /// Starts the server on a free port.
    ///
    /// # Errors
    /// When there is no port or no thread to be had.
    pub fn start(self) -> Result<DemoServer, DemoError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(DemoError::Listen)?;
        listener.set_nonblocking(true).map_err(DemoError::Listen)?;
        let address = listener.local_addr().map_err(DemoError::Listen)?;
        let router =
            http::router(App { brain: self.brain, delay: self.delay, ids: Ids::new(address.port()) });

        let (stop, stopping) = oneshot::channel();
        let (running, stopped) = oneshot::channel();
        let (started, ready) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("demo-server".into())
            .spawn(move || {
                serve(listener, router, stopping, &started);
                drop::<oneshot::Sender<()>>(running);
            })
            .map_err(DemoError::Thread)?;
        match ready.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(DemoError::Thread(error)),
            Err(_) => return Err(DemoError::Thread(io::ErrorKind::BrokenPipe.into())),
        }
        Ok(DemoServer {
            base_url: format!("http://{address}"),
            address,
            stop: Some(stop),
            stopped,
            thread: Some(thread),
        })
    }
}

/// Serves until `stopping` resolves. The runtime is dropped at the end, and with it every connection.
fn serve(
    listener: TcpListener,
    router: Router,
    stopping: oneshot::Receiver<()>,
    started: &mpsc::SyncSender<io::Result<()>>,
) {
    let prepared = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok((runtime, listener))
    });
    let (runtime, listener) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            // Whoever starts a server waits for this, so it arrives.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(()));
    // Each event is a small write of its own, which must not wait for the one before to be acknowledged.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let serving = async move { axum::serve(listener, router).await };
    runtime.block_on(select(pin!(serving), stopping));
}
