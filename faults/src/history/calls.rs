//! The calls of all processes, put in order: which write was acknowledged as what, and which may have been carried
//! out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use agentexec::activity::{AgentId, Attempt, Message, Percent, RequestId};

use super::{Past, Violation};
use crate::line::{Answer, Ask, Entry, Line, Step};

/// Everything that was asked of one activity.
#[derive(Default)]
pub(super) struct Calls<'a> {
    pub(super) creates: Vec<Create<'a>>,
    pub(super) writes: Vec<Write<'a>>,
    pub(super) cancels: Vec<Cancel<'a>>,
}

pub(super) struct Create<'a> {
    pub(super) by: &'a Past,
    pub(super) message: &'a Message,
    pub(super) acknowledged: bool,
}

/// One write, however often it was sent.
pub(super) struct Write<'a> {
    pub(super) by: &'a Past,
    request: RequestId,
    pub(super) attempt: Option<Attempt>,
    pub(super) step: Step,
    pub(super) percentage: Option<Percent>,
    pub(super) message: &'a Message,
    /// How it was acknowledged first.
    pub(super) entry: Option<Entry>,
    /// How many of its sendings have an unknown end: the store has failed, or nobody waited for the answer.
    pub(super) open: usize,
    /// How many of those nobody waited for.
    pub(super) unanswered: usize,
}

/// One request to stop.
pub(super) struct Cancel<'a> {
    request: RequestId,
    pub(super) message: &'a Message,
    /// Whether it may have canceled a queued activity.
    pub(super) may_have_canceled: bool,
}

impl Write<'_> {
    /// Whether it may have been carried out although nobody was told.
    pub(super) fn is_open(&self) -> bool {
        self.entry.is_none() && self.open > 0
    }

    /// When the process that started it was gone so long that it must not say running any more.
    pub(super) fn held_until(&self, grace: Duration) -> Option<Instant> {
        let Step::Start { leased: true } = self.step else { return None };
        Some(self.by.over? + self.by.lease + grace)
    }
}

pub(super) type ById<'a> = BTreeMap<AgentId, Calls<'a>>;

/// Reads the lines of all processes.
pub(super) fn read<'a>(processes: &'a [Past], violations: &mut Vec<Violation>) -> ById<'a> {
    let mut calls = ById::new();
    for past in processes {
        Reader { past, calls: &mut calls, sent: HashMap::new(), newest: HashMap::new(), violations }.read();
    }
    calls
}

/// Reads the lines of one process.
struct Reader<'a, 'v> {
    past: &'a Past,
    calls: &'v mut ById<'a>,
    /// The calls that wait for an answer, each with the newest number that was known when it was sent.
    sent: HashMap<u64, (AgentId, &'a Ask, u64)>,
    newest: HashMap<AgentId, u64>,
    violations: &'v mut Vec<Violation>,
}

impl<'a> Reader<'a, '_> {
    fn read(mut self) {
        let mut resent = HashSet::new();
        for line in &self.past.lines {
            match line {
                Line::Sent { call, id, ask } => {
                    let again = matches!(ask, Ask::Write { request, .. } if !resent.insert((*id, *request)));
                    // What was sent before may have been carried out then.
                    let floor = if again { 0 } else { self.newest.get(id).copied().unwrap_or_default() };
                    self.sent.insert(*call, (*id, ask, floor));
                }
                Line::Answered { call, answer } => {
                    let Some((id, ask, floor)) = self.sent.remove(call) else { continue };
                    self.note(id, ask, Some(answer), floor);
                }
                _ => {}
            }
        }
        for (id, ask, floor) in std::mem::take(&mut self.sent).into_values() {
            self.note(id, ask, None, floor);
        }
    }

    fn note(&mut self, id: AgentId, ask: &'a Ask, answer: Option<&Answer>, floor: u64) {
        let by = self.past;
        match ask {
            Ask::Create { message } => {
                let acknowledged = matches!(answer, Some(Answer::Created));
                self.calls.entry(id).or_default().creates.push(Create { by, message, acknowledged });
            }
            Ask::Write { .. } => self.note_write(id, ask, answer, floor),
            Ask::Cancel { request, message } => {
                let cancels = &mut self.calls.entry(id).or_default().cancels;
                let known = cancels.iter_mut().find(|known| known.request == *request);
                let may_have_canceled =
                    matches!(answer, None | Some(Answer::Asked { canceled: true } | Answer::Failed { .. }));
                match known {
                    Some(known) => known.may_have_canceled |= may_have_canceled,
                    None => cancels.push(Cancel { request: *request, message, may_have_canceled }),
                }
            }
        }
    }

    fn note_write(&mut self, id: AgentId, ask: &'a Ask, answer: Option<&Answer>, floor: u64) {
        let Ask::Write { request, attempt, step, percentage, message } = ask else { return };
        let writes = &mut self.calls.entry(id).or_default().writes;
        let place = writes.iter().position(|known| known.request == *request).unwrap_or_else(|| {
            writes.push(Write {
                by: self.past,
                request: *request,
                attempt: *attempt,
                step: *step,
                percentage: *percentage,
                message,
                entry: None,
                open: 0,
                unanswered: 0,
            });
            writes.len() - 1
        });
        let write = &mut writes[place];
        match answer {
            Some(Answer::Written(entry)) => {
                if let Some(first) = write.entry.filter(|first| first != entry) {
                    let process = self.past.process.clone();
                    self.violations.push(Violation::TwoAnswers { id, process, first, second: *entry });
                }
                write.entry.get_or_insert(*entry);
                self.note_order(id, entry.seq, floor);
            }
            None | Some(Answer::Failed { .. }) => {
                write.open += 1;
                write.unanswered += usize::from(answer.is_none());
            }
            Some(_) => {}
        }
    }

    fn note_order(&mut self, id: AgentId, seq: u64, floor: u64) {
        if seq <= floor {
            let process = self.past.process.clone();
            self.violations.push(Violation::OutOfOrder { id, process, before: floor, seq });
        }
        let newest = self.newest.entry(id).or_default();
        *newest = seq.max(*newest);
    }
}
