//! The checker finds what is planted, and nothing where nothing is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agentexec::activity::{
    ActivityStore, AgentId, Attempt, Change, LeaseTerms, LogEntry, MemoryStore, Message, Percent, Status,
};
use agentexec::prelude::*;
use tokio_util::sync::CancellationToken;

use super::{History, Past, Verdict, Violation};
use crate::job::{Job, Work};
use crate::journal::Journal;
use crate::line::{Answer, Ask, Line, Teller};
use crate::record::Record;
use crate::work;

const LEASE: Duration = Duration::from_secs(2);

/// A true history and its record, to be falsified.
struct Case {
    past: Past,
    record: Record,
    id: AgentId,
}

/// One activity: created, started, two reports, an error; a retry, started, complete.
async fn case() -> Case {
    let (teller, heard) = Teller::memory();
    let journal = Journal::new(Arc::new(MemoryStore::new()), teller);
    let activities = Activities::new(journal);
    let id = activities.create("test").await.unwrap();
    let attempt = activities.start(id).await.unwrap();
    activities.update(id, "one").percentage(10).attempt(attempt).await.unwrap();
    activities.update(id, "two").percentage(20).await.unwrap();
    activities.error(id, "no").await.unwrap();
    assert!(activities.update(id, "late").await.is_err());
    activities.retry(id, "again").await.unwrap();
    activities.update(id, "three").await.unwrap();
    activities.complete(id).await.unwrap();
    let past = Past { process: "w1".into(), lease: LEASE, over: Some(Instant::now()), lines: heard.lines() };
    Case { past, record: Record::read(&activities).await.unwrap(), id }
}

impl Case {
    fn check(&self) -> Verdict {
        let mut history = History::new();
        history.add(self.past.clone());
        history.check(&self.record)
    }

    fn log(&mut self) -> &mut Vec<LogEntry> {
        &mut self.record.details.get_mut(&self.id).unwrap().log
    }

    /// Makes the answer to the call that says this, and a later one if it was sent again, unknown.
    fn forget_answer_to(&mut self, message: &str) {
        let calls: Vec<u64> = self
            .past
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Sent { call, ask: Ask::Write { message: said, .. }, .. }
                    if said.as_str() == message =>
                {
                    Some(*call)
                }
                _ => None,
            })
            .collect();
        assert!(!calls.is_empty());
        self.past.lines.retain(|line| !matches!(line, Line::Answered { call, .. } if calls.contains(call)));
    }

    /// Changes the first answer that tells of an entry with this number.
    fn tell_otherwise(&mut self, seq: u64, change: impl FnOnce(&mut crate::line::Entry)) {
        let entry = self.past.lines.iter_mut().find_map(|line| match line {
            Line::Answered { answer: Answer::Written(entry), .. } if entry.seq == seq => Some(entry),
            _ => None,
        });
        change(entry.unwrap());
    }

    #[track_caller]
    fn finds(&self, planted: impl Fn(&Violation) -> bool) {
        let found = self.check().violations;
        assert!(found.iter().any(planted), "{found:?}");
    }
}

#[tokio::test]
async fn a_true_history_passes_and_is_counted() {
    let verdict = case().await.check().clean();
    // The create and seven writes; the late update was refused, and so was the progress of a queued one.
    assert_eq!((verdict.acknowledged, verdict.refused, verdict.open), (8, 2, 0));
}

#[tokio::test]
async fn many_lives_at_once_leave_a_true_history() {
    let (teller, heard) = Teller::memory();
    let store: Arc<dyn ActivityStore> = Arc::new(MemoryStore::new());
    let write = Work::Write { at_once: 8, message_bytes: 100, pause: Duration::from_millis(1) };
    let job = Job { name: "w1".into(), store: "memory:".into(), seed: 7, lease: LEASE, work: write };
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let enough = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stopping.cancel();
    };
    let worked = work::carry_out(&job, Arc::clone(&store), teller, stop);
    let (worked, ()) = tokio::join!(worked, enough);
    worked.unwrap();

    let record = Record::read(&Activities::new(store)).await.unwrap();
    let mut history = History::new();
    let over = Some(Instant::now());
    history.add(Past { process: job.name, lease: LEASE, over, lines: heard.lines() });
    let verdict = history.check(&record).clean();
    assert!(verdict.acknowledged > 20 && verdict.refused > 0, "{verdict}");
}

#[tokio::test]
async fn an_activity_that_is_not_there_is_found() {
    let mut case = case().await;
    case.record.details.clear();
    case.finds(|found| matches!(found, Violation::LostActivity { .. }));
}

#[tokio::test]
async fn an_activity_that_nobody_created_is_found() {
    let mut case = case().await;
    let detail = case.record.details[&case.id].clone();
    case.record.details.insert(AgentId::new(), detail);
    case.finds(|found| matches!(found, Violation::UnknownActivity { .. }));
}

#[tokio::test]
async fn a_write_that_is_not_there_is_found() {
    let mut case = case().await;
    case.log().pop();
    case.finds(|found| matches!(found, Violation::LostWrite { seq: 8, .. }));
    case.finds(|found| matches!(found, Violation::HeadDiffers { .. }));
}

#[tokio::test]
async fn a_gap_is_found_and_a_trimmed_report_is_none() {
    let mut case = case().await;
    assert!(case.log().remove(2).progress);
    case.finds(|found| matches!(found, Violation::Gap { after: 2, next: 4, .. }));
    case.finds(|found| matches!(found, Violation::LostWrite { seq: 3, .. }));

    case.record.details.get_mut(&case.id).unwrap().trimmed_before = 4;
    assert_eq!(case.check().clean().trimmed, 1);
}

#[tokio::test]
async fn a_change_of_status_that_was_trimmed_is_found() {
    let mut case = case().await;
    assert_eq!(case.log().remove(1).status, Status::Running);
    case.record.details.get_mut(&case.id).unwrap().trimmed_before = 3;
    case.finds(|found| matches!(found, Violation::LostWrite { seq: 2, .. }));
    case.finds(|found| matches!(found, Violation::Gap { after: 1, next: 3, .. }));
}

#[tokio::test]
async fn an_entry_that_says_something_else_is_found() {
    for falsify in [
        (|entry| entry.message = Message::new("other")) as fn(&mut LogEntry),
        |entry| entry.percentage = Percent::FULL,
        |entry| entry.attempt = Attempt::new(9),
        |entry| entry.status = Status::Complete,
    ] {
        let mut case = case().await;
        falsify(&mut case.log()[2]);
        case.finds(|found| matches!(found, Violation::Differs { seq: 3, .. }));
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_unknown_may_be_there_or_not_but_not_twice() {
    let mut case = case().await;
    case.forget_answer_to("Task completed successfully.");
    let verdict = case.check().clean();
    assert_eq!((verdict.open, verdict.carried_out), (1, 1));

    let mut twice = case.log().last().unwrap().clone();
    twice.seq += 1;
    case.log().push(twice);
    case.finds(|found| matches!(found, Violation::Unexplained { seq: 9, .. }));
    case.finds(|found| matches!(found, Violation::AfterTheEnd { seq: 9, .. }));
}

#[tokio::test]
async fn a_refused_write_that_is_there_all_the_same_is_found() {
    let mut case = case().await;
    let mut late = case.log().last().unwrap().clone();
    (late.seq, late.message) = (9, Message::new("late"));
    case.log().push(late);
    case.finds(|found| matches!(found, Violation::Unexplained { seq: 9, .. }));
}

#[tokio::test]
async fn what_follows_an_end_without_a_retry_is_found() {
    let mut case = case().await;
    for line in &mut case.past.lines {
        if let Line::Sent { ask: Ask::Write { step, .. }, .. } = line
            && *step == crate::line::Step::Retry
        {
            *step = crate::line::Step::Requeue;
        }
    }
    case.finds(|found| matches!(found, Violation::AfterTheEnd { seq: 6, .. }));
}

#[tokio::test]
async fn a_step_that_the_table_does_not_have_is_found() {
    let mut case = case().await;
    case.log()[1].status = Status::Complete;
    case.log()[6].status = Status::Complete;
    case.finds(|found| matches!(found, Violation::ForbiddenStep { seq: 2, .. }));
    case.finds(|found| matches!(found, Violation::AfterTheEnd { seq: 3, .. }));
}

#[tokio::test]
async fn two_answers_to_one_write_are_found() {
    let mut case = case().await;
    let sent = case.past.lines.iter().find(|line| {
        matches!(line, Line::Sent { ask: Ask::Write { message, .. }, .. } if message.as_str() == "one")
    });
    let Some(Line::Sent { id, ask, .. }) = sent.cloned() else { panic!("it was sent") };
    let told = case.past.lines.iter().find_map(|line| match line {
        Line::Answered { answer: Answer::Written(entry), .. } if entry.seq == 3 => Some(*entry),
        _ => None,
    });
    let again = crate::line::Entry { seq: 4, ..told.unwrap() };
    case.past.lines.push(Line::Sent { call: 99, id, ask });
    case.past.lines.push(Line::Answered { call: 99, answer: Answer::Written(again) });
    case.finds(|found| matches!(found, Violation::TwoAnswers { .. }));
}

#[tokio::test]
async fn one_entry_for_two_writes_is_found() {
    let mut case = case().await;
    case.tell_otherwise(4, |entry| entry.seq = 3);
    case.finds(|found| matches!(found, Violation::SharedEntry { seq: 3, .. }));
    case.finds(|found| matches!(found, Violation::OutOfOrder { before: 3, seq: 3, .. }));
}

#[tokio::test]
async fn wrong_marks_and_percentages_are_found() {
    for (falsify, what) in [
        ((|log| log[2].progress = false) as fn(&mut Vec<LogEntry>), "mark"),
        (|log| log[4].percentage = Percent::FULL, "nobody asked"),
        (|log| log[5].percentage = Percent::FULL, "before its start"),
        (|log| log[5].attempt = Attempt::FIRST, "attempt"),
        (|log| log[0].attempt = Attempt::new(2), "beginning"),
    ] {
        let mut case = case().await;
        falsify(case.log());
        case.finds(|found| matches!(found, Violation::WrongEntry { what: said, .. } if said.contains(what)));
    }
}

#[tokio::test]
async fn a_count_that_is_wrong_is_found() {
    let mut case = case().await;
    case.record.counts.running += 1;
    case.finds(|found| matches!(found, Violation::CountDiffers { status: Status::Running, .. }));

    let mut case = self::case().await;
    case.record.listed.insert(Status::Complete, 0);
    case.finds(|found| matches!(found, Violation::CountDiffers { status: Status::Complete, .. }));
}

/// An activity that says running, held by a lease or not, with the process that started it.
async fn running(lease: Option<LeaseTerms>) -> Case {
    let (teller, heard) = Teller::memory();
    let activities = Activities::new(Journal::new(Arc::new(MemoryStore::new()), teller));
    let id = activities.create("test").await.unwrap();
    let start = Change::Start { lease, percentage: Percent::ZERO };
    activities.write(id, None, start, Message::new("started")).await.unwrap();
    let past = Past { process: "w1".into(), lease: LEASE, over: Some(Instant::now()), lines: heard.lines() };
    Case { past, record: Record::read(&activities).await.unwrap(), id }
}

#[tokio::test]
async fn a_run_that_outlives_its_process_and_its_lease_is_found() {
    let mut case = running(Some(LeaseTerms::new("w1", LEASE))).await;
    let over = case.past.over.unwrap();
    case.record.read = over + LEASE + Duration::from_secs(1);
    case.check().clean();
    case.record.read = over + LEASE + Duration::from_secs(3);
    case.finds(|found| matches!(found, Violation::StillRunning { .. }));

    case.past.over = None;
    case.check().clean();
}

#[tokio::test]
async fn a_run_that_nobody_leased_may_say_running_for_ever() {
    let mut case = running(None).await;
    case.record.read += Duration::from_secs(3600);
    case.check().clean();
}
