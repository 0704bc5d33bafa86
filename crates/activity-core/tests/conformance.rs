#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The suite itself: a store that is slow passes it, and one that breaks a rule does not.

mod bent;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use agentexec_activity_core::ActivityStore;
use agentexec_activity_core::conformance::{self, CASE_DEADLINE, Harness, run, run_threaded};
use bent::{Bent, Fault};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// A store that is slow and breaks no rule.
struct Slow;

#[async_trait::async_trait]
impl Harness for Slow {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        Arc::new(Bent::new(None))
    }

    async fn fresh_pair(&self) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
        pair(None)
    }
}

mod slow_store {
    use super::*;

    conformance::suite!(Slow);
}

/// Stores that break a rule, and enough random sequences that one of them meets it.
struct Broken(Fault);

#[async_trait::async_trait]
impl Harness for Broken {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        Arc::new(Bent::new(Some(self.0)))
    }

    async fn fresh_pair(&self) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
        pair(Some(self.0))
    }

    fn random_sequences(&self) -> u32 {
        2000
    }
}

fn pair(fault: Option<Fault>) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
    let one = Bent::new(fault);
    let two = one.second();
    (Arc::new(one), Arc::new(two))
}

/// Runs a case by a clock that passes by itself, so that it takes no time to see that something never comes.
fn run_to_its_end(harness: Broken, case: impl AsyncFnOnce(&dyn Harness)) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { timeout(CASE_DEADLINE, case(&harness)).await }).expect("it never ends");
}

fn fails(test: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(test)).is_err()
}

/// Each fault makes the case that is about it fail.
macro_rules! finds {
    ($($name:ident: $fault:ident by $run:ident $group:ident::$case:ident;)*) => { $(
        #[test]
        fn $name() {
            assert!(fails(|| $run(Broken(Fault::$fault), conformance::$group::$case)));
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
    work_that_is_given_up_too_early: NeverQueuesAgain
        by run leases::a_lost_lease_is_queued_again_up_to_its_last_attempt;
    work_that_is_never_given_up: QueuesAgainForEver
        by run leases::a_lost_lease_is_queued_again_up_to_its_last_attempt;
    a_lost_run_that_was_not_to_go_on: RevivesWhatShouldStop
        by run leases::a_lost_lease_of_what_should_stop_is_canceled;
    a_renewal_that_takes_the_next_attempt_away: RenewalsForgetTerms
        by run leases::a_renewal_keeps_the_terms_of_a_lease;
    a_holder_that_writes_after_its_lease_was_lost: TakesOldAttempts
        by run leases::a_lost_attempt_is_fenced_off;
    a_renewal_of_the_first_leases_only: RenewsAFew
        by run leases::a_thousand_leases_are_renewed_in_one_step;
    a_reaper_that_sees_the_first_leases_only: ListsAFewExpired
        by run leases::a_thousand_leases_are_renewed_in_one_step;
    a_late_copy_of_an_earlier_attempt: ForgetsRequestsOfOldAttempts
        by run idempotence::requests_are_remembered_across_attempts;
    an_end_that_is_told_as_another_attempt: SaysSuperseded
        by run cancels::waiting_ends_when_the_lease_is_lost;
    floats_of_fifteen_digits: RoundsFloats
        by run records::metadata_keep_their_types;
    integers_as_floats: RoundsIntegers
        by run records::metadata_keep_their_types;
    text_in_another_form_of_unicode: ComposesUnicode
        by run records::metadata_keep_their_types;
    text_without_its_control_characters: DropsControls
        by run records::metadata_keep_their_types;
    keys_without_their_case: FoldsKeys
        by run records::keys_that_look_alike_are_different_keys;
    types_that_are_cut: CutsTypes
        by run records::text_up_to_its_limits_is_kept_whole;
    owners_that_are_cut: CutsOwners
        by run records::text_up_to_its_limits_is_kept_whole;
    reasons_that_are_cut: CutsReasons
        by run records::text_up_to_its_limits_is_kept_whole;
    messages_that_are_cut: CutsMessages
        by run records::long_messages_are_cut_on_a_character;
    a_purge_that_leaves_the_log: KeepsLogsOfPurged
        by run_threaded races::a_purge_among_writers_leaves_nothing_half_removed;
    a_purge_that_leaves_the_counts: CountsWhatIsPurged
        by run_threaded races::a_purge_among_writers_leaves_nothing_half_removed;
    pages_that_shift: PagesByOffset
        by run_threaded readers::pages_are_stable_while_others_write;
    pages_that_lose_what_is_of_one_moment: SkipsTies
        by run_threaded readers::what_is_created_in_one_moment_is_listed_once;
    a_watch_that_does_not_go_on_where_it_was: ResumesFromNow
        by run_to_its_end readers::a_watch_that_is_resumed_while_others_write_misses_nothing;
    a_clock_for_each_handle: SkewsClocks
        by run handles::times_never_go_back_between_handles;
    a_watch_of_one_handle_alone: IsDeafToOthers
        by run_to_its_end handles::a_watch_tells_what_other_handles_write;
    work_that_hears_of_nobody_else: WaitsAlone
        by run_to_its_end handles::work_is_stopped_from_another_handle;
    a_memory_for_each_handle: RemembersPerHandle
        by run handles::what_is_sent_again_to_another_handle_is_one_entry;
    leases_of_one_handle_alone: LeasesPerHandle
        by run handles::a_lease_is_renewed_and_reaped_from_any_handle;
}

/// The random part finds by itself what breaks a rule that it knows.
#[test]
fn random_operations_find_every_fault_that_they_can_meet() {
    // Three activities with plain text, one after the other by one handle, do not meet what takes many of them, other
    // text, several writers, several handles or a watch that begins late; and nobody asks for a page of nothing.
    let out_of_reach = [
        Fault::HidesLag,
        Fault::ServesAnyLimit,
        Fault::RenewsAFew,
        Fault::ListsAFewExpired,
        Fault::RoundsFloats,
        Fault::RoundsIntegers,
        Fault::ComposesUnicode,
        Fault::DropsControls,
        Fault::FoldsKeys,
        Fault::CutsTypes,
        Fault::CutsOwners,
        Fault::CutsReasons,
        Fault::CutsMessages,
        Fault::PagesByOffset,
        Fault::ResumesFromNow,
        Fault::SkewsClocks,
        Fault::IsDeafToOthers,
        Fault::WaitsAlone,
        Fault::RemembersPerHandle,
        Fault::LeasesPerHandle,
    ];
    for fault in Fault::ALL.into_iter().filter(|fault| !out_of_reach.contains(fault)) {
        let found = fails(|| conformance::random::operations_follow_the_model(Broken(fault)));
        assert!(found, "{fault:?} was not found");
    }
}
