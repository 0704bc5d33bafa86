//! Random sequences of operations, held against a plain model of the rules after every step.

use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, TestCaseError, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::model::{Model, Told, View};
use super::subject::{Subject, next_event, pair, percent, scoped};
use super::{Harness, finish};
use crate::{
    AgentId, Attempt, CancelRequest, Change, LeaseTerms, ListQuery, Message, NewActivity, Order,
    REMEMBERED_REQUESTS, RequestId, Scope, Status, Timestamp, WatchEvent, WatchStream, Write,
};

/// The most operations of one sequence.
const OPERATIONS: usize = 60;
/// How many activities a sequence is about: few, so that operations meet.
const ACTIVITIES: usize = 3;
const HOUR: Duration = Duration::from_secs(3600);
/// How long what is due may take to arrive.
const SOON: Duration = Duration::from_secs(10);

/// One operation on one of the [`ACTIVITIES`].
#[derive(Clone, Debug)]
enum Op {
    Create { of: usize, type_of: usize },
    Write { of: usize, attempt: Option<i32>, change: Change, request: usize },
    RequestCancel { of: usize, scope: usize, request: usize },
    CancelQueued { scope: usize },
    Purge { scope: usize, all: bool },
    Renew { of: usize, attempt: i32, ttl: Duration },
    List(List),
}

/// A list with its filters, read in pages of `limit`.
#[derive(Clone, Debug)]
struct List {
    scope: usize,
    order: Order,
    statuses: Vec<Status>,
    type_of: Option<usize>,
    limit: usize,
}

type Outcome = Result<(), TestCaseError>;

/// Which request of its kind an operation sends to its activity: 0 a new one, else a copy of the last, of the one
/// before it, and so on.
fn request() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 1 => 1..=3_usize]
}

/// How far the attempt of a writer is from the one that counts.
fn attempt() -> impl Strategy<Value = i32> {
    prop_oneof![6 => Just(0), 1 => Just(-1), 1 => Just(1)]
}

fn ttl() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(HOUR), Just(Duration::ZERO)]
}

fn change() -> impl Strategy<Value = Change> {
    let lease = option::of((ttl(), 1..=3_u32));
    let start = (lease, 0..=100_u8).prop_map(|(lease, value)| {
        let terms = |(ttl, last)| LeaseTerms::new("worker", ttl).last_attempt(Attempt::new(last));
        let lease = lease.map(terms);
        Change::Start { lease, percentage: percent(value) }
    });
    let percentage = || option::of((0..=100_u8).prop_map(percent));
    let progress = (percentage(), any::<bool>())
        .prop_map(|(percentage, only_raise)| Change::Progress { percentage, only_raise });
    prop_oneof![
        5 => start,
        6 => progress,
        1 => (0..=100_u8).prop_map(|value| Change::Complete { percentage: percent(value) }),
        1 => percentage().prop_map(|percentage| Change::Fail { percentage }),
        1 => Just(Change::Cancel),
        2 => Just(Change::Lose),
        2 => Just(Change::Requeue),
        4 => Just(Change::Retry),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let of = || 0..ACTIVITIES;
    let scope = || 0..4_usize;
    let order = prop_oneof![Just(Order::Status), Just(Order::Created)];
    let statuses = vec(select(Status::ALL.to_vec()), 0..3);
    let list = (scope(), order, statuses, option::of(of()), 1..=3_usize).prop_map(
        |(scope, order, statuses, type_of, limit)| Op::List(List { scope, order, statuses, type_of, limit }),
    );
    prop_oneof![
        2 => (of(), prop_oneof![4 => Just(None), 1 => of().prop_map(Some)])
            .prop_map(|(of, other)| Op::Create { of, type_of: other.unwrap_or(of) }),
        12 => (of(), option::of(attempt()), change(), request())
            .prop_map(|(of, attempt, change, request)| Op::Write { of, attempt, change, request }),
        4 => (of(), scope(), request())
            .prop_map(|(of, scope, request)| Op::RequestCancel { of, scope, request }),
        1 => scope().prop_map(|scope| Op::CancelQueued { scope }),
        1 => (scope(), any::<bool>()).prop_map(|(scope, all)| Op::Purge { scope, all }),
        1 => (of(), attempt(), ttl()).prop_map(|(of, attempt, ttl)| Op::Renew { of, attempt, ttl }),
        1 => list,
    ]
}

/// Random sequences of operations give the same answers, records, logs, lists, counts, events and stop requests
/// as a plain model. A sequence that does not is shown in its shortest form.
///
/// It needs a thread without a runtime.
///
/// # Panics
/// When the store and the model differ.
pub fn operations_follow_the_model(harness: impl Harness) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config {
        cases: harness.random_sequences(),
        failure_persistence: None,
        max_shrink_iters: 2048,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let ran =
        TestRunner::new(config).run(&vec(op(), 1..OPERATIONS), |ops| finish(&runtime, play(&harness, ops)));
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

async fn play(harness: &dyn Harness, ops: Vec<Op>) -> Outcome {
    let store = Subject::fresh(harness).await;
    let watch = store.watch_all().await;
    let ids = std::array::from_fn(|_| AgentId::new());
    let mut play = Play {
        store,
        watch,
        ids,
        model: Model::default(),
        writes: Sent::default(),
        cancels: Sent::default(),
    };
    let creates = (0..ACTIVITIES).map(|of| Op::Create { of, type_of: of });
    for (step, op) in creates.chain(ops).enumerate() {
        play.perform(step, op).await?;
        play.compare().await?;
    }
    // Whatever the store told beyond what it should comes before this.
    let last = Op::Create { of: 0, type_of: 0 };
    let all = Op::Purge { scope: 0, all: true };
    for op in [Op::CancelQueued { scope: 0 }, all, last] {
        play.perform(2 * OPERATIONS, op).await?;
        play.compare().await?;
    }
    Ok(())
}

/// The store and the model, side by side.
struct Play {
    store: Subject,
    watch: WatchStream,
    ids: [AgentId; ACTIVITIES],
    model: Model,
    writes: Sent,
    cancels: Sent,
}

/// The requests of one kind that were sent to each activity, with the step of each.
#[derive(Default)]
struct Sent([Vec<(usize, RequestId)>; ACTIVITIES]);

impl Sent {
    /// The request to send now: a new one, or a copy of one that every store must remember, since there were no
    /// 16 steps after it.
    fn next(&mut self, of: usize, step: usize, ago: usize) -> RequestId {
        let sent = &mut self.0[of];
        let copied = ago.checked_sub(1).and_then(|back| sent.iter().rev().nth(back));
        let remembered = copied.filter(|(then, _)| step - then < REMEMBERED_REQUESTS);
        if let Some((_, request)) = remembered {
            return *request;
        }
        let request = RequestId::new();
        sent.push((step, request));
        request
    }
}

fn type_name(of: usize) -> String {
    format!("type {}", of % 2)
}

fn scope(number: usize) -> Scope {
    match number {
        0 => Scope::all(),
        1 => scoped("org", 0),
        2 => scoped("org", 1),
        // Nobody's: a number is not a string.
        _ => scoped("org", "1"),
    }
}

impl Play {
    async fn perform(&mut self, step: usize, op: Op) -> Outcome {
        let message = Message::new(format!("step {step}"));
        let (store, model) = (&self.store, &mut self.model);
        match op {
            Op::Create { of, type_of } => {
                let metadata = pair("org", of % 2);
                let new =
                    NewActivity { id: self.ids[of], activity_type: type_name(type_of), message, metadata };
                let got = store.create(new.clone()).await;
                let expected = model.create(&new, got.as_ref().ok().map(|activity| activity.created));
                same(&got.map(drop), &expected)?;
            }
            Op::Write { of, attempt, change, request } => {
                let request = self.writes.next(of, step, request);
                let write = Write::new(self.ids[of], request, change, message);
                let write = write.of_attempt(attempt.map(|off| model.attempt(self.ids[of], off)));
                same(&store.write(write.clone()).await, &model.write(&write))?;
            }
            Op::RequestCancel { of, scope: number, request } => {
                let (id, scope) = (self.ids[of], scope(number));
                let request = self.cancels.next(of, step, request);
                let ask = CancelRequest { request, reason: "enough".into(), message };
                let got = store.request_cancel(&scope, id, ask.clone()).await;
                same(&got, &model.request_cancel(&scope, id, &ask))?;
            }
            Op::CancelQueued { scope: number } => {
                let expected = model.cancel_queued(&scope(number), &"canceled".into());
                prop_assert_eq!(store.cancel_all_queued(&scope(number)).await.0, expected);
            }
            Op::Purge { scope: number, all: true } => {
                let expected = model.purge(&scope(number));
                prop_assert_eq!(store.purge_all_ended(&scope(number)).await.0, expected);
            }
            Op::Purge { scope: number, all: false } => {
                let purged = store.purge(&scope(number), Timestamp::default(), None).await;
                same(&purged.map(|batch| batch.changed), &Ok(0))?;
            }
            Op::Renew { of, attempt, ttl } => {
                let (id, attempt) = (self.ids[of], model.attempt(self.ids[of], attempt));
                let expected = model.renew(id, attempt, ttl == HOUR);
                same(&store.renew(&[(id, attempt)], ttl).await, &Ok(vec![expected]))?;
            }
            Op::List(list) => self.list(list).await?,
        }
        Ok(())
    }

    async fn list(&self, List { scope: number, order, statuses, type_of, limit }: List) -> Outcome {
        let scope = scope(number);
        let wanted = |view: &View| {
            (statuses.is_empty() || statuses.contains(&view.status))
                && type_of.is_none_or(|of| view.activity_type == type_name(of))
        };
        let expected = self.model.listed(&scope, order, wanted);
        let mut query = ListQuery::new(scope).order(order).limit(limit);
        (query.statuses, query.activity_type) = (statuses, type_of.map(type_name));
        prop_assert_eq!(self.store.listed_ids(&query).await, expected);
        Ok(())
    }

    /// Everything that a reader can see.
    async fn compare(&mut self) -> Outcome {
        self.compare_events().await?;
        let (store, model) = (&self.store, &self.model);
        for id in self.ids {
            prop_assert_eq!(store.find(id).await.map(View::from), model.view(id));
            for attempt in [-1, 0, 1].map(|off| model.attempt(id, off)) {
                let stop = timeout(SOON, store.stop_requested(id, attempt));
                match model.stop(id, attempt) {
                    Some(expected) => prop_assert_eq!(stop.await, Ok(expected)),
                    None => prop_assert!(poll!(pin!(stop)).is_pending(), "nobody asked it to stop"),
                }
            }
        }
        for scope in [scope(0), scope(1)] {
            for order in [Order::Status, Order::Created] {
                let query = ListQuery::new(scope.clone()).order(order).limit(3);
                prop_assert_eq!(store.listed_ids(&query).await, model.listed(&scope, order, |_| true));
            }
            same(&store.counts(&scope).await, &Ok(model.counts(&scope)))?;
        }
        let mut expired: Vec<_> = store.expired(100).await.unwrap().iter().map(|lease| lease.id).collect();
        expired.sort_unstable();
        prop_assert_eq!(expired, model.expired());
        Ok(())
    }

    /// What watchers were told of this step; of a command over many, in any order.
    async fn compare_events(&mut self) -> Outcome {
        let mut expected = std::mem::take(&mut self.model.told);
        let mut told = Vec::new();
        for _ in &expected {
            let next = timeout(SOON, next_event(&mut self.watch)).await;
            told.push(
                match next.map_err(|_| TestCaseError::fail(format!("not told all of {expected:?}")))? {
                    WatchEvent::Logged { id, entry, .. } => Told::Logged(id, entry.seq),
                    WatchEvent::CancelRequested { id, reason, .. } => {
                        Told::CancelRequested(id, reason.to_string())
                    }
                    WatchEvent::Purged { id, .. } => Told::Purged(id),
                    lagged @ WatchEvent::Lagged { .. } => {
                        return Err(TestCaseError::fail(format!("told {lagged:?} after a few events")));
                    }
                },
            );
        }
        expected.sort_unstable();
        told.sort_unstable();
        prop_assert_eq!(told, expected);
        Ok(())
    }
}

/// Errors are compared by everything that they hold.
fn same<T: std::fmt::Debug>(got: &Result<T, crate::Error>, expected: &Result<T, crate::Error>) -> Outcome {
    prop_assert_eq!(format!("{got:?}"), format!("{expected:?}"));
    Ok(())
}
