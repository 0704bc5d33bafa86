//! How much of one response is held in memory.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};

/// The most of one response that is held in memory, 64 MiB of text, reasoning, arguments and raw items: hundreds of
/// times what a model can write. A stream itself may be much longer, since most of it is envelope.
pub const MAX_RESPONSE: usize = 64 << 20;

/// What a response may still bring: each protocol's fold spends what it keeps.
#[derive(Debug)]
pub struct ResponseBudget {
    limit: usize,
    left: usize,
}

impl Default for ResponseBudget {
    fn default() -> Self {
        Self::of(MAX_RESPONSE)
    }
}

impl ResponseBudget {
    /// A budget of so many bytes. Default: [`MAX_RESPONSE`].
    #[must_use]
    pub fn of(bytes: usize) -> Self {
        Self { limit: bytes, left: bytes }
    }

    /// Spends so many bytes.
    ///
    /// # Errors
    /// [`ModelErrorKind::LimitExceeded`] when that is more than is left.
    pub fn spend(&mut self, bytes: usize) -> Result<(), ModelError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ModelError::new(
                ModelErrorKind::LimitExceeded,
                format!("the response is larger than the {} bytes that one may have", self.limit),
            )),
        }
    }
}
