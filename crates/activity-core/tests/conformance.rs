#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The suite itself: a store that is slow passes it, and one that breaks a rule does not.

mod bent;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use agentexec_activity_core::ActivityStore;
use agentexec_activity_core::conformance::{self, Harness};
use bent::{Bent, Fault};

async fn slow() -> Bent {
    Bent::new(None)
}

mod slow_store {
    use super::*;

    conformance::suite!(slow);
}

/// Stores that break a rule, and enough random sequences that one of them meets it.
struct Broken(Fault);

#[async_trait::async_trait]
impl Harness for Broken {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        Arc::new(Bent::new(Some(self.0)))
    }

    fn random_sequences(&self) -> u32 {
        2000
    }
}

fn fails(test: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(test)).is_err()
}

/// Each fault makes the case that is about it fail.
macro_rules! finds {
    ($($name:ident: $fault:ident by $run:ident $group:ident::$case:ident;)*) => { $(
        #[test]
        fn $name() {
            assert!(fails(|| conformance::$run(Broken(Fault::$fault), conformance::$group::$case)));
        }
    )* };
}

finds! {
    a_store_that_takes_writes_of_old_attempts: TakesOldAttempts
        by run transitions::another_attempt_is_refused_whatever_it_asks;
    a_store_that_carries_out_duplicates: RepeatsDuplicates
        by run_threaded races::duplicates_are_one_entry;
    a_store_that_shows_everything_to_everybody: ForgetsScopes
        by run scopes::reads_show_only_the_scope;
    a_store_that_cancels_for_everybody: ForgetsScopes
        by run scopes::a_foreign_activity_cannot_be_canceled;
    a_store_that_purges_for_everybody: ForgetsScopes
        by run scopes::bulk_commands_touch_only_the_scope;
    a_watch_that_shows_everything: ForgetsScopes
        by run scopes::a_watch_shows_only_the_scope;
    a_store_that_matches_scopes_as_text: TurnsNumbersToText
        by run scopes::scopes_are_matched_by_type_and_by_every_pair;
    a_watch_with_a_silent_gap: HidesLag
        by run watches::a_slow_reader_is_told_what_it_missed;
    progress_that_falls: LowersByItself
        by run transitions::progress_sets_keeps_or_raises_the_percentage;
    a_page_of_nothing: ServesAnyLimit
        by run lists::limits_out_of_range_are_refused;
    two_endings: EndsTwice
        by run_threaded races::one_of_many_endings_wins;
    a_reaper_of_the_living: LosesWhatIsHeld
        by run leases::a_lease_that_holds_is_not_lost;
    a_log_with_a_gap: LeavesOutAnEntry
        by run_threaded races::a_reader_of_the_log_sees_no_gap;
    a_list_with_an_item_twice: RepeatsAnItem
        by run lists::what_does_not_change_appears_exactly_once;
    a_purge_that_leaves_something: KeepsWhatIsPurged
        by run bulk::a_purge_takes_record_log_and_indexes;
    a_stop_for_another_reason: ForgetsTheFirstReason
        by run cancels::the_first_reason_is_kept;
    a_lease_for_anybody: RenewsForAnybody
        by run leases::only_the_holder_renews;
    counts_that_lag_behind: CountsLate
        by run lists::counts_follow_every_change;
    a_late_copy_that_stops_the_next_attempt: StopsTheNextAttempt
        by run idempotence::a_request_to_stop_sent_again_answers_as_it_did;
}

/// The random part finds by itself what breaks a rule that it knows.
#[test]
fn random_operations_find_every_fault_that_they_can_meet() {
    // Few operations fill a watcher's buffer, and none asks for a page of nothing.
    let out_of_reach = [Fault::HidesLag, Fault::ServesAnyLimit];
    for fault in Fault::ALL.into_iter().filter(|fault| !out_of_reach.contains(fault)) {
        let found = fails(|| conformance::random::operations_follow_the_model(Broken(fault)));
        assert!(found, "{fault:?} was not found");
    }
}
