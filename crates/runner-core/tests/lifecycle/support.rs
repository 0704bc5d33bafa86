//! What the tests of the lifecycle share.

use std::io;
use std::sync::{Arc, Mutex};

use agentexec_activity_core::Activities;
use agentexec_runner_core::testing::FailingStore;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) fn tracked_store() -> (FailingStore, Activities) {
    let store = FailingStore::default();
    let activities = Activities::new(store.clone());
    (store, activities)
}

/// Calls back when it is dropped: put into work, it says when the work was dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What was traced.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<u8>>>);

impl Trace {
    /// Runs `work` with everything that it traces on this thread kept here.
    pub(crate) fn of(&self, work: impl FnOnce()) -> String {
        let subscriber = tracing_subscriber::fmt().with_writer(self.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Trace {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Trace {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
