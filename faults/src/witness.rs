//! How late the machine itself is, so that a store is not blamed for it.
//!
//! A machine that is busy with other things may stand still for seconds: its processors are taken, or its disk is.
//! Beside each test a thread does the least that a store has to do, a short sleep and a flush of a small file, and
//! notes by how much that took too long.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(50);

/// The thread that looks. It ends when this is dropped.
#[derive(Debug)]
pub struct Witness {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// In milliseconds.
    worst: AtomicU64,
}

impl Witness {
    /// Looks from now on.
    ///
    /// # Panics
    /// When there can be no temporary file.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let (file, seen) = (tempfile::tempfile().expect("a temporary file"), Arc::clone(&shared));
        let thread = Some(thread::spawn(move || seen.look(&file)));
        Self { shared, thread }
    }

    /// By how much the machine was late at the worst so far.
    #[must_use]
    pub fn worst(&self) -> Duration {
        Duration::from_millis(self.shared.worst.load(Ordering::SeqCst))
    }
}

impl Shared {
    fn look(&self, mut file: &File) {
        while !self.stop.load(Ordering::SeqCst) {
            let begin = Instant::now();
            thread::sleep(EVERY);
            file.rewind()
                .and_then(|()| file.write_all(&[0; 512]))
                .and_then(|()| file.sync_data())
                .expect("a flush");
            let late = begin.elapsed().saturating_sub(EVERY).as_millis();
            self.worst.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed; a second one here would abort the test.
            let _ = thread.join();
        }
    }
}
