//! The last requests of an activity with their answers, as one value of its row.

use agentexec_activity_core::{Attempt, Next, Percent, REMEMBERED_REQUESTS, RequestId, Status, Written};

use crate::value::code;

/// Bytes of one request: its id, what it was, and the number, status, percentage and attempt that it was answered
/// with.
const SLOT: usize = 16 + 1 + 8 + 1 + 1 + 4;
const WRITTEN: u8 = 0;
const CANCEL_REQUESTED: u8 = 1;

/// What a request that is remembered was answered with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Written(Written),
    /// The holder was asked to stop.
    CancelRequested,
}

/// The last [`REMEMBERED_REQUESTS`] requests, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Requests(Vec<u8>);

impl Requests {
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn find(&self, request: RequestId) -> Option<Answer> {
        let id = request.as_u128().to_be_bytes();
        let (slots, _) = self.0.as_chunks::<SLOT>();
        slots.iter().find(|slot| slot.starts_with(&id)).and_then(answer)
    }

    pub(crate) fn remember(&mut self, request: RequestId, answer: Answer) {
        if self.0.len() >= REMEMBERED_REQUESTS * SLOT {
            self.0.drain(..SLOT);
        }
        self.0.extend(request.as_u128().to_be_bytes());
        match answer {
            Answer::Written(Written { seq, status, percentage, attempt, .. }) => {
                self.0.push(WRITTEN);
                self.0.extend(seq.to_le_bytes());
                self.0.extend([code(status), percentage.get()]);
                self.0.extend(attempt.number().to_le_bytes());
            }
            Answer::CancelRequested => {
                self.0.push(CANCEL_REQUESTED);
                self.0.extend([0; SLOT - 17]);
            }
        }
    }
}

fn answer(slot: &[u8; SLOT]) -> Option<Answer> {
    let (kind, rest) = slot.get(16..)?.split_first()?;
    if *kind == CANCEL_REQUESTED {
        return Some(Answer::CancelRequested);
    }
    let (seq, rest) = rest.split_first_chunk()?;
    let ([status, percentage], rest) = rest.split_first_chunk()?;
    let next = Next {
        status: *Status::ALL.get(usize::from(*status))?,
        percentage: Percent::clamped(i64::from(*percentage)),
        attempt: Attempt::new(u32::from_le_bytes(*rest.first_chunk()?)),
        progress: false,
    };
    Some(Answer::Written(Written::new(u64::from_le_bytes(*seq), next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seq: u64) -> Answer {
        let next = Next {
            status: Status::Canceled,
            percentage: Percent::FULL,
            attempt: Attempt::new(u32::MAX),
            progress: false,
        };
        Answer::Written(Written::new(seq, next))
    }

    #[test]
    fn the_last_ones_are_found_and_older_ones_are_not() {
        let mut requests = Requests::default();
        let ids: Vec<RequestId> = (0..20).map(|_| RequestId::new()).collect();
        for (seq, id) in (u64::MAX - 100..).zip(&ids) {
            let answer = if seq % 2 == 0 { written(seq) } else { Answer::CancelRequested };
            requests.remember(*id, answer);
            requests = Requests::from_bytes(requests.as_bytes().to_vec());
            assert_eq!(requests.find(*id), Some(answer));
        }
        let found = ids.iter().filter(|id| requests.find(**id).is_some()).count();
        assert_eq!(found, REMEMBERED_REQUESTS);
        assert_eq!(requests.find(ids[0]), None);
        assert_eq!(requests.as_bytes().len(), REMEMBERED_REQUESTS * SLOT);
    }
}
