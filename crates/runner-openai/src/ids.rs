//! Ids for tool calls that came without one.

use uuid::Uuid;

/// A call id that no other call has, in this run or another: 37 characters, where OpenAI takes 40.
pub(crate) fn new_call_id() -> String {
    format!("call_{}", Uuid::new_v4().simple())
}
