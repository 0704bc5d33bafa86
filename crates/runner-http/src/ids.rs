//! Ids that are made up where a server leaves them out.

use uuid::Uuid;

/// A call id that no other call has, in this run or another: 37 characters, where the strictest provider takes 40.
#[must_use]
pub fn new_call_id() -> String {
    format!("call_{}", Uuid::new_v4().simple())
}
