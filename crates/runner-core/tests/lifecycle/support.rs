//! What the tests of the lifecycle share.

use agentexec_activity_core::Activities;
use agentexec_runner_core::testing::FailingStore;

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
