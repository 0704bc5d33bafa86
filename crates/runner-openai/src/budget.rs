//! How much of one response is held in memory.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};

/// The most of one response that is held in memory, 64 MiB of text, reasoning, arguments and raw items: hundreds of
/// times what a model can write. A stream itself may be much longer, since most of it is envelope.
pub const MAX_RESPONSE: usize = 64 << 20;

/// What a response may still bring.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MAX_RESPONSE }
    }
}

impl Budget {
    #[cfg(test)]
    pub(crate) fn of(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// Spends so many bytes.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), ModelError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ModelError::new(
                ModelErrorKind::LimitExceeded,
                format!("the response is larger than {MAX_RESPONSE} bytes"),
            )),
        }
    }
}
