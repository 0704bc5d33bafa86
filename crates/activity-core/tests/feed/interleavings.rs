//! Whatever the tail, the store and the readers do in whatever order: each watcher gets every event that it may see
//! once, or is told of a stretch that was really trimmed.

use std::sync::Arc;

use agentexec_activity_core::feed::Feed;
use agentexec_activity_core::{AgentId, WatchCursor, WatchStream};
use proptest::collection::vec;
use proptest::prelude::{Strategy, TestCaseError, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;
use tokio::runtime::Builder;

use crate::source::{Mood, Source, Told, feed, read_all, ready, watch, watch_one};

const IDS: usize = 3;

/// One step of somebody.
#[derive(Clone, Debug)]
enum Step {
    /// The store gets events of an activity.
    Write { of: usize, many: usize },
    /// The tail hands on what it has not yet, or the first part of it.
    Push { most: usize },
    /// The tail hands on the last ones again.
    PushAgain { many: usize },
    /// The tail leaves out what it has not handed on yet, and says so or not.
    Skip { says_so: bool },
    /// The store removes the older part of its events.
    Trim { percent: u8 },
    /// The store fails, hangs or is back.
    Feel(Mood),
    /// Another watcher, of everything or of one, from so far behind the store's newest.
    Watch { of: Option<usize>, back: usize },
    /// A watcher takes so many events, if there are as many without waiting.
    Read { watcher: usize, most: usize },
}

fn many() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 1..8_usize, 1 => 200..600_usize, 1 => 1000..2500_usize]
}

fn step() -> impl Strategy<Value = Step> {
    let mood = prop_oneof![
        4 => proptest::prelude::Just(Mood::Answers),
        1 => proptest::prelude::Just(Mood::Fails),
    ];
    prop_oneof![
        6 => (0..IDS, many()).prop_map(|(of, many)| Step::Write { of, many }),
        6 => many().prop_map(|most| Step::Push { most }),
        1 => (1..40_usize).prop_map(|many| Step::PushAgain { many }),
        1 => any::<bool>().prop_map(|says_so| Step::Skip { says_so }),
        1 => (0..=100_u8).prop_map(|percent| Step::Trim { percent }),
        1 => mood.prop_map(Step::Feel),
        2 => (proptest::option::of(0..IDS), 0..40_usize).prop_map(|(of, back)| Step::Watch { of, back }),
        6 => (0..8_usize, many()).prop_map(|(watcher, most)| Step::Read { watcher, most }),
    ]
}

struct Watcher {
    stream: WatchStream,
    of: Option<AgentId>,
    after: u128,
    told: Vec<Told>,
}

struct World {
    feed: Feed,
    source: Arc<Source>,
    ids: [AgentId; IDS],
    /// Which activity each event was of, from number 1.
    written: Vec<AgentId>,
    trimmed: u128,
    handed_on: u128,
    watchers: Vec<Watcher>,
}

impl World {
    fn new() -> Self {
        let ids = std::array::from_fn(|_| AgentId::new());
        let (written, watchers) = (Vec::new(), Vec::new());
        Self { feed: feed(), source: Source::new(), ids, written, trimmed: 0, handed_on: 0, watchers }
    }

    fn head(&self) -> u128 {
        self.written.len() as u128
    }

    fn hand_on(&mut self, from: u128, most: usize) {
        let events: Vec<_> =
            self.source.script().events.range(from..).take(most).map(|(_, event)| event.clone()).collect();
        if let Some(last) = events.last() {
            self.handed_on = self.handed_on.max(last.cursor.number());
        }
        self.feed.push(events);
    }

    async fn perform(&mut self, step: Step) {
        match step {
            Step::Write { of, many } => {
                self.source.write(self.ids[of], many);
                self.written.extend(std::iter::repeat_n(self.ids[of], many));
            }
            Step::Push { most } => self.hand_on(self.handed_on + 1, most),
            Step::PushAgain { many } => self.hand_on(self.handed_on.saturating_sub(many as u128), many),
            Step::Skip { says_so } => {
                self.handed_on = self.head();
                if says_so {
                    self.feed.reset(WatchCursor::new(self.handed_on));
                }
            }
            Step::Trim { percent } => {
                // The newest is kept, as every store does.
                let last = (self.head() * u128::from(percent) / 100).min(self.head().saturating_sub(1));
                self.trimmed = self.trimmed.max(last);
                self.source.trim(last);
            }
            Step::Feel(mood) => self.source.set(mood),
            Step::Watch { of, back } => {
                let after = self.head().saturating_sub(back as u128).max(self.trimmed);
                let of = of.map(|of| self.ids[of]);
                let stream = match of {
                    None => watch(&self.feed, &self.source, after),
                    Some(id) => watch_one(&self.feed, &self.source, id, after),
                };
                self.watchers.push(Watcher { stream, of, after, told: Vec::new() });
            }
            Step::Read { watcher, most } => {
                let many = self.watchers.len().max(1);
                let Some(watcher) = self.watchers.get_mut(watcher % many) else { return };
                watcher.told.extend(ready(&mut watcher.stream).take(most));
            }
        }
    }

    /// All is well again and all is handed on: what has every watcher got in the end?
    async fn finish(mut self) -> Result<(), TestCaseError> {
        self.source.set(Mood::Answers);
        self.perform(Step::Write { of: 0, many: 1 }).await;
        if self.handed_on < self.trimmed {
            self.handed_on = self.trimmed;
            self.feed.reset(WatchCursor::new(self.trimmed));
        }
        self.hand_on(self.handed_on + 1, usize::MAX);
        let head = self.head();
        for watcher in &mut self.watchers {
            watcher.told.extend(read_all(&mut watcher.stream).await);
        }
        for Watcher { of, after, told, .. } in &self.watchers {
            let mut seen = *after;
            let wanted = |from: u128, to: u128| {
                (from..=to).filter(|number| of.is_none_or(|of| self.written[*number as usize - 1] == of))
            };
            for told in told {
                match *told {
                    Told::Event(number) => {
                        prop_assert!(number > seen, "{number} behind {seen}");
                        let expected: Vec<_> = wanted(seen + 1, number).collect();
                        prop_assert_eq!(expected, vec![number], "behind {}", seen);
                        seen = number;
                    }
                    Told::Lagged(from, to) => {
                        prop_assert!(from <= to && from > seen && to <= self.trimmed, "{from}..{to}");
                        prop_assert_eq!(wanted(seen + 1, from - 1).count(), 0, "a silent gap");
                        seen = to;
                    }
                    Told::Expired(at) => prop_assert!(false, "expired at {at}"),
                }
            }
            prop_assert_eq!(wanted(seen + 1, head).count(), 0, "behind {} nothing came", seen);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]
    #[test]
    fn every_watcher_gets_each_event_once_or_is_told(steps in vec(step(), 1..60)) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.perform(step).await;
            }
            world.finish().await
        })?;
    }
}
