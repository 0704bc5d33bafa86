//! The rules of a change as a table for scripts.
//!
//! The rules exist once, in [`Write::decide`]. Here it is asked about every state that can make a difference, and
//! what it answers is written down so that a script can look it up on the state that it finds.

use agentexec_activity_core::{Attempt, Percent, State, Status, Write};

/// What the rules say of one write, for every state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// For each status (in the order of [`Status::ALL`]) four places without a request to cancel, then four with
    /// one. The four: lease held or expired, each without and with another attempt left. A place holds `.` for
    /// a refusal, else the letter of an outcome.
    pub(crate) table: Vec<u8>,
    /// Five bytes each, from `a` on: the status (a digit), whether the attempt grows, whether the entry only
    /// reports progress (`0` or `1`), how the percentage follows (`k`eep, `=` set, `>` raise), and its value.
    pub(crate) outcomes: Vec<u8>,
}

const OUTCOME_BYTES: usize = 5;
const REFUSED: u8 = b'.';

impl Rules {
    pub(crate) fn of(write: &Write) -> Self {
        let (mut table, mut outcomes) = (Vec::with_capacity(40), Vec::new());
        for status in Status::ALL {
            for place in 0..8_u8 {
                let outcome = outcome(write, &state(write, status, place));
                table.push(outcome.map_or(REFUSED, |outcome| letter(&mut outcomes, outcome)));
            }
        }
        Self { table, outcomes }
    }
}

fn state(write: &Write, status: Status, place: u8) -> State {
    let attempt = write.attempt.unwrap_or(Attempt::FIRST);
    State {
        status,
        percentage: Percent::ZERO,
        attempt,
        cancel_requested: place & 4 != 0,
        lease_expired: place & 2 != 0,
        last_attempt: if place & 1 != 0 { attempt.next() } else { attempt },
    }
}

fn outcome(write: &Write, state: &State) -> Option<[u8; OUTCOME_BYTES]> {
    let low = write.decide(*state).ok()?;
    let high = write.decide(State { percentage: Percent::FULL, ..*state }).ok()?;
    let how = match (low.percentage, high.percentage) {
        (Percent::ZERO, Percent::FULL) => b'k',
        (low, high) if low == high => b'=',
        _ => b'>',
    };
    let digit = |yes: bool| b'0' + u8::from(yes);
    Some([
        b'0' + number(low.status),
        digit(low.attempt != state.attempt),
        digit(low.progress),
        how,
        low.percentage.get(),
    ])
}

fn letter(outcomes: &mut Vec<u8>, outcome: [u8; OUTCOME_BYTES]) -> u8 {
    let known = outcomes.chunks(OUTCOME_BYTES).position(|known| known == outcome);
    let index = known.unwrap_or_else(|| {
        outcomes.extend(outcome);
        outcomes.len() / OUTCOME_BYTES - 1
    });
    b'a' + u8::try_from(index).unwrap_or(u8::MAX - b'a')
}

/// The number of a status in records: its place in [`Status::ALL`].
pub(crate) fn number(status: Status) -> u8 {
    match status {
        Status::Queued => 0,
        Status::Running => 1,
        Status::Complete => 2,
        Status::Error => 3,
        Status::Canceled => 4,
    }
}

/// The status of this number.
pub(crate) fn status(number: u8) -> Option<Status> {
    Status::ALL.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use agentexec_activity_core::{AgentId, Change, RequestId};

    use super::*;

    fn rules(change: Change) -> Rules {
        Rules::of(&Write::new(AgentId::new(), RequestId::new(), change, "".into()))
    }

    /// What the table says of a state, as the script reads it.
    fn looked_up(rules: &Rules, state: State) -> Option<(Status, Attempt, Percent, bool)> {
        let left = state.last_attempt > state.attempt;
        let place = usize::from(number(state.status)) * 8
            + usize::from(state.cancel_requested) * 4
            + usize::from(state.lease_expired) * 2
            + usize::from(left);
        let letter = rules.table[place];
        if letter == REFUSED {
            return None;
        }
        let at = usize::from(letter - b'a') * OUTCOME_BYTES;
        let [to, attempts, progress, how, value] = rules.outcomes[at..at + OUTCOME_BYTES] else { panic!() };
        let value = Percent::new(value).unwrap();
        let percentage = match how {
            b'k' => state.percentage,
            b'=' => value,
            _ => value.max(state.percentage),
        };
        let attempt = if attempts == b'1' { state.attempt.next() } else { state.attempt };
        Some((status(to - b'0').unwrap(), attempt, percentage, progress == b'1'))
    }

    fn changes() -> Vec<Change> {
        let mut changes = vec![Change::Cancel, Change::Lose, Change::Requeue, Change::Retry];
        for value in [0, 1, 40, 99, 100] {
            let percentage = Percent::new(value).unwrap();
            changes.push(Change::Start { lease: None, percentage });
            changes.push(Change::Complete { percentage });
            for percentage in [None, Some(percentage)] {
                changes.push(Change::Fail { percentage });
                changes.push(Change::Progress { percentage, only_raise: false });
                changes.push(Change::Progress { percentage, only_raise: true });
            }
        }
        changes
    }

    #[test]
    fn the_table_says_what_the_rules_decide_in_every_state() {
        for change in changes() {
            let (rules, write) = (
                rules(change.clone()),
                Write::new(AgentId::new(), RequestId::new(), change.clone(), "".into()),
            );
            for case in 0..5 * 8 * 5 * 3_u32 {
                let value = [0, 1, 40, 99, 100][(case / 40 % 5) as usize];
                let state = State {
                    status: Status::ALL[(case / 8 % 5) as usize],
                    percentage: Percent::new(value).unwrap(),
                    attempt: Attempt::new(case / 200 + 1),
                    cancel_requested: case & 4 != 0,
                    lease_expired: case & 2 != 0,
                    last_attempt: Attempt::new(case / 200 + 1 + (case & 1)),
                };
                let expected = write
                    .decide(state)
                    .ok()
                    .map(|next| (next.status, next.attempt, next.percentage, next.progress));
                assert_eq!(looked_up(&rules, state), expected, "{change:?} in {state:?}");
            }
        }
    }
}
