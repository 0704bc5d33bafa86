//! The list of all cases, as a macro that makes a test of each.

/// Makes one `#[test]` of each case of the suite, for the [`Harness`](crate::conformance::Harness) that the
/// expression gives. The expression is evaluated in each test, so that no test shares a store with another.
///
/// It is used once in a module: two suites in one file stand in modules of their own.
#[macro_export]
#[doc(hidden)]
macro_rules! __conformance_suite {
    ($harness:expr) => {
        $crate::__conformance_suite! { @tests run, $harness,
            transitions {
                a_new_activity_is_queued_at_zero
                every_change_follows_the_table
                a_refused_change_changes_nothing
                an_activity_that_is_not_there_is_not_found
                another_attempt_is_refused_whatever_it_asks
                a_requeue_begins_the_next_attempt
                a_retry_begins_the_next_attempt
                progress_sets_keeps_or_raises_the_percentage
                each_ending_has_its_percentage
                times_never_go_back
            }
            idempotence {
                creating_again_answers_with_the_record_as_it_is
                an_id_belongs_to_one_activity
                a_write_sent_again_is_one_entry
                the_last_sixteen_requests_are_remembered
                a_refused_request_is_not_remembered
                request_ids_belong_to_one_activity
                a_cancellation_sent_again_spares_the_next_attempt
                a_request_to_stop_sent_again_answers_as_it_did
                requests_are_remembered_across_attempts
            }
            records {
                what_is_created_is_read_back
                metadata_keep_their_types
                keys_that_look_alike_are_different_keys
                text_up_to_its_limits_is_kept_whole
                the_largest_record_fits
                long_messages_are_cut_on_a_character
            }
            scopes {
                reads_show_only_the_scope
                a_watch_shows_only_the_scope
                a_foreign_activity_cannot_be_canceled
                bulk_commands_touch_only_the_scope
                scopes_are_matched_by_type_and_by_every_pair
            }
            lists {
                running_comes_first_then_queued_then_the_rest
                creation_order_is_newest_first_whatever_the_status
                filters_work_alone_and_together
                pages_make_up_the_whole_list
                what_does_not_change_appears_exactly_once
                a_page_goes_on_behind_a_purged_activity
                a_rare_match_is_found_in_the_end
                limits_out_of_range_are_refused
                a_type_that_is_too_long_is_refused
                a_cursor_of_another_order_is_refused
                counts_follow_every_change
            }
            logs {
                entries_tell_the_whole_story
                pages_make_up_the_whole_log
                a_page_has_a_limit
                only_progress_is_trimmed
            }
            watches {
                a_watch_begins_with_the_next_change
                a_watch_resumes_behind_any_event
                watchers_agree_on_places
                requests_to_cancel_and_purges_are_events
                one_activity_can_be_watched_alone
                a_slow_reader_is_told_what_it_missed
                an_old_cursor_has_expired
                a_cursor_that_was_never_given_is_refused
            }
            cancels {
                a_queued_activity_is_canceled_at_once
                a_running_one_is_asked_to_stop
                the_first_reason_is_kept
                what_has_ended_is_not_canceled
                a_requeue_after_a_request_cancels
                work_that_ends_all_the_same_keeps_its_ending
                waiting_ends_with_the_attempt
                waiting_ends_when_the_lease_is_lost
                waiting_for_what_is_over_ends_at_once
                a_dropped_wait_changes_nothing
            }
            leases {
                a_lease_that_holds_is_not_lost
                a_lease_expires_with_time
                a_late_renewal_holds
                only_the_holder_renews
                renewals_answer_in_order
                expired_leases_come_in_their_order
                an_ending_ends_the_lease
                a_requeued_worker_is_fenced_off
                one_reaper_wins
                the_longest_lease_can_be_granted
                a_lost_lease_is_queued_again_up_to_its_last_attempt
                a_lost_lease_of_what_should_stop_is_canceled
                a_renewal_keeps_the_terms_of_a_lease
                a_lost_attempt_is_fenced_off
                a_thousand_leases_are_renewed_in_one_step
            }
            bulk {
                pending_activities_are_canceled_and_running_ones_go_on
                canceling_takes_as_many_steps_as_it_needs
                a_purge_takes_record_log_and_indexes
                a_purge_spares_what_ended_later
                purging_takes_as_many_steps_as_it_needs
                bulk_commands_on_an_empty_store_are_done_at_once
            }
            handles {
                times_never_go_back_between_handles
                a_watch_tells_what_other_handles_write
                work_is_stopped_from_another_handle
                what_is_sent_again_to_another_handle_is_one_entry
                a_lease_is_renewed_and_reaped_from_any_handle
            }
        }
        $crate::__conformance_suite! { @tests run_threaded, $harness,
            races {
                one_of_many_endings_wins
                one_of_many_starts_wins
                one_of_many_creates_wins
                duplicates_are_one_entry
                a_reader_of_the_log_sees_no_gap
                a_watcher_of_racing_writers_sees_no_gap
                a_purge_and_a_retry_do_not_both_win
                a_request_to_cancel_and_a_start_agree
                a_reaper_and_a_renewal_do_not_both_win
                counts_and_lists_agree_in_the_end
                a_purge_among_writers_leaves_nothing_half_removed
            }
            readers {
                pages_are_stable_while_others_write
                what_is_created_in_one_moment_is_listed_once
                a_watch_that_is_resumed_while_others_write_misses_nothing
            }
        }
        $crate::__conformance_suite! { @tests run_random, $harness,
            random { operations_follow_the_model }
        }
    };
    (@tests run_random, $harness:expr, random { $case:ident }) => {
        mod random {
            #[allow(unused_imports)]
            use super::*;
            #[test]
            fn $case() {
                $crate::conformance::random::$case($harness);
            }
        }
    };
    (@tests $run:ident, $harness:expr, $($group:ident { $($case:ident)* })*) => {
        $(
            mod $group {
                #[allow(unused_imports)]
                use super::*;
                $(
                    #[test]
                    fn $case() {
                        $crate::conformance::$run($harness, $crate::conformance::$group::$case);
                    }
                )*
            }
        )*
    };
}
