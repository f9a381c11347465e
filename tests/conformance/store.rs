//! The store suite: what is owed by whatever implements
//! [`Store`].
//!
//! # Running it
//! Write a [`Backend`] (a closure from a clock to a store is one) and name it to
//! [`store_suite!`](crate::store_suite). The tests run on tokio with several threads, so the
//! calling package needs tokio with `macros` and `rt-multi-thread`.
//!
//! ```
//! # // The tests this makes are run by the package's own test targets.
//! use std::sync::Arc;
//!
//! use monetization_conformance::store_suite;
//! use monetization_core::clock::Clock;
//! use monetization_core::memory::MemoryStore;
//! use monetization_core::store::Store;
//!
//! async fn memory(clock: Clock) -> Arc<dyn Store> {
//!     Arc::new(MemoryStore::new(clock))
//! }
//!
//! store_suite!(memory => behaviours);
//! # fn main() {}
//! ```
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a check fails by panicking"
)]

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, RemoteHandle};
use monetization_core::clock::{Clock, ManualClock};
use monetization_core::store::Store;

use crate::sample::{START, Sample};

pub use faulty::{Fault, FaultyStore, Script};

pub mod atomicity;
pub mod batches;
pub mod clocks;
pub mod closing;
pub mod directory;
pub mod jobs;
pub mod leases;
pub mod ledger;
pub mod model;
pub mod observed;
pub mod overturning;
pub mod quotas;
pub mod reopening;
pub mod rows;
pub mod sealing;
pub mod strangers;
pub mod tallies;
pub mod work;
pub mod writes;

mod faulty;
mod steps;

/// Where the stores of one check come from. Each check gets a backend of its own.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens the store, whose claims lapse on this clock. The first time it is empty. When it
    /// is opened again, the store that was open before is ended as by the death of its process;
    /// what it had answered is there, if the backend keeps things at all.
    async fn open(&self, clock: Clock) -> Arc<dyn Store>;
}

#[async_trait]
impl<F, R> Backend for F
where
    F: Fn(Clock) -> R + Send + Sync + 'static,
    R: Future<Output = Arc<dyn Store>> + Send,
{
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        self(clock).await
    }
}

/// Starts a future beside the one that is running, on another thread where there is one.
pub type Spawn = fn(BoxFuture<'static, ()>);

/// What a check works with.
pub struct Bench {
    backend: Box<dyn Backend>,
    spawn: Spawn,
    clock: Clock,
    time: ManualClock,
    /// Where its things come from.
    pub sample: Sample,
}

impl Bench {
    /// A bench for one check.
    #[must_use]
    pub fn new(backend: impl Backend, spawn: Spawn) -> Self {
        let (clock, time) = Clock::manual(START);
        Self {
            backend: Box::new(backend),
            spawn,
            clock,
            time,
            sample: Sample::seeded(1),
        }
    }

    /// Opens the store, as [`Backend::open`] says.
    pub async fn open(&self) -> Arc<dyn Store> {
        self.backend.open(self.clock.clone()).await
    }

    /// Moves the time by which the store's claims lapse.
    pub fn advance(&self, by: Duration) {
        self.time.advance(by);
    }

    /// Runs a future beside this one; what is handed back waits for it, and fails if it fails.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> RemoteHandle<T> {
        let (remote, handle) = future.remote_handle();
        (self.spawn)(remote.boxed());
        handle
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Bench").field("time", &self.time).finish()
    }
}

/// Makes one test of each check, for one backend.
///
/// `store_suite!(backend => behaviours)` makes the checks that every store owes. After a comma
/// come the parts that not all can have: `model` (a long random run, held against
/// `MemoryStore`) and `reopening` (what must be there after the process died). `backend` is an
/// expression that is evaluated once for each check. Attributes after a semicolon, such
/// as `#[ignore]`, are given to each test.
#[macro_export]
macro_rules! store_suite {
    ($backend:expr => $($part:ident),+ $(; $(#[$attribute:meta])+)?) => {
        $crate::store_suite!(@parts $backend => [$($part),+] [$($(#[$attribute])+)?]);
    };
    (@parts $backend:expr => [$($part:ident),+] $attributes:tt) => {
        $($crate::store_suite!(@$part $attributes $backend);)+
    };
    (@behaviours $attributes:tt $backend:expr) => {
        $crate::store_suite!(@checks rows $attributes $backend => [
            a_new_row_is_read_back_as_it_was_written,
            a_row_that_is_missing_is_none,
            a_change_replaces_the_row_and_its_keys,
            a_row_that_exists_is_not_made_anew,
            a_row_in_another_version_is_not_overwritten,
            a_missing_row_is_not_changed,
            a_row_of_another_tenant_is_not_overwritten,
            one_id_may_stand_in_two_kinds,
            a_repeated_change_is_recognised,
            an_empty_change_is_recognised,
            a_refused_change_is_new_once_it_fits,
            a_value_unique_in_the_tenant_is_taken_once,
            a_value_unique_everywhere_is_taken_across_tenants,
            a_value_that_is_not_unique_is_shared,
            a_row_keeps_its_own_unique_value,
            a_unique_value_that_was_given_up_is_free,
            two_rows_of_one_change_cannot_take_one_unique_value,
            of_concurrent_changes_of_one_version_one_is_written,
            of_concurrent_rows_with_one_unique_value_one_is_written,
            a_change_sent_many_times_at_once_is_written_once,
            an_event_is_taken_in_once,
        ]);
        $crate::store_suite!(@checks atomicity $attributes $backend => [
            a_version_conflict_at_any_place_leaves_nothing,
            a_taken_value_at_any_place_leaves_nothing,
            a_seen_event_leaves_nothing,
            a_lost_claim_at_any_place_leaves_nothing,
            a_change_without_conflict_is_written_whole,
        ]);
        $crate::store_suite!(@checks directory $attributes $backend => [
            rows_are_listed_by_id_page_by_page,
            a_listing_by_key_finds_what_has_the_key,
            a_listing_gives_at_most_its_limit,
            tenants_never_see_each_others_rows,
            a_row_is_found_across_tenants,
            due_rows_come_earliest_first,
            a_row_put_off_is_not_due,
            all_rows_of_a_kind_come_by_id,
            changes_come_in_the_order_they_were_made,
            what_is_not_written_takes_no_place_in_the_sequence,
            a_reader_beside_writers_misses_no_change,
        ]);
        $crate::store_suite!(@checks ledger $attributes $backend => [
            a_record_is_read_back_as_it_was_written,
            records_are_listed_by_id_page_by_page,
            what_records_count_is_summed_by_segment_and_meter,
            a_record_that_counts_zero_is_kept,
            a_segments_row_is_made_by_its_first_record,
            an_empty_append_answers_nothing,
            a_repeated_record_is_a_duplicate,
            one_record_twice_in_a_batch_counts_once,
            an_event_reported_again_is_a_duplicate,
            an_event_that_says_something_else_is_a_conflict,
            concurrent_appends_of_one_record_give_one_new,
            concurrent_appends_lose_nothing,
            a_sum_that_would_overflow_is_refused,
            tenants_never_see_each_others_use,
        ]);
        $crate::store_suite!(@checks tallies $attributes $backend => [
            a_sum_of_the_greatest_is_the_greatest,
            a_sum_of_the_last_is_what_was_used_last,
            what_was_last_is_never_offered_for_sealing,
            a_value_counts_once,
            a_sum_begins_after_so_many,
            records_tell_how_they_were_tallied,
            a_repeated_record_is_tallied_once,
            tallies_belong_to_a_period_of_a_subscription,
            late_use_is_tallied_with_its_own_period,
            random_use_is_tallied_as_a_plain_count_says,
        ]);
        $crate::store_suite!(@checks closing $attributes $backend => [
            a_segment_without_use_is_closed_all_the_same,
            late_use_is_summed_under_the_successor,
            late_use_passes_over_closed_successors,
            what_comes_after_the_end_stands_in_the_aftermath,
            late_use_finds_its_way_however_the_chain_was_closed,
            late_use_is_unsealed_under_a_successor_that_had_no_row,
            a_batch_may_mix_early_and_late_use,
            closing_a_closed_segment_changes_nothing,
            a_segment_is_kept_as_it_was_closed,
            appends_racing_a_close_land_on_one_side_or_the_other,
        ]);
        $crate::store_suite!(@checks quotas $attributes $backend => [
            a_counter_is_zero_before_its_first_use,
            a_loose_quota_is_counted_without_a_lease,
            a_record_spends_from_its_lease,
            a_lease_cannot_be_overspent,
            a_record_under_an_unknown_lease_is_refused,
            a_lease_covers_no_other_quota,
            a_refused_record_spends_and_counts_nothing,
            a_lease_is_judged_before_a_sum,
            a_counter_that_would_overflow_is_refused,
            quotas_and_windows_are_counted_apart,
            tenants_never_see_each_others_counters,
        ]);
        $crate::store_suite!(@checks leases $attributes $backend => [
            a_block_is_a_quarter_of_what_is_left,
            blocks_shrink_until_all_is_handed_out,
            asking_again_gives_the_same_block,
            a_wish_sent_many_times_at_once_takes_one_block,
            concurrent_takers_spend_exactly_the_limit,
            the_last_unit_goes_to_one_taker,
            settling_frees_exactly_what_was_not_spent,
            settling_again_changes_nothing,
            a_record_under_a_settled_lease_is_refused,
            a_lease_outlives_its_window,
            an_exhausted_quota_tells_what_may_come_back,
            a_settled_block_is_not_outstanding,
            appends_racing_a_settlement_are_counted_or_refused,
            a_lowered_limit_hands_out_nothing_more,
            own_blocks_are_no_orphans,
            committed_never_exceeds_leased_nor_leased_the_limit,
        ]);
        $crate::store_suite!(@checks batches $attributes $backend => [
            a_batch_is_read_back_as_it_was_sealed,
            a_batch_is_found_by_its_id,
            batches_are_claimed_in_the_order_of_sealing,
            a_claimed_batch_is_claimed_again_once_its_claim_lapsed,
            concurrent_claims_share_no_batch,
            a_batch_that_came_to_its_end_is_not_claimed_again,
            a_batch_to_be_sent_again_waits_until_it_is_due,
            a_settlement_under_an_old_fence_changes_nothing,
            a_repeated_settlement_is_recognised,
            held_batches_are_listed_until_they_are_decided_about,
            a_batch_that_is_held_ends_as_somebody_decides,
            a_batch_that_is_sent_again_begins_anew,
            a_batch_may_be_held_back_from_the_beginning,
            tenants_never_see_each_others_batches,
            what_core_invoices_is_never_offered_for_sealing,
        ]);
        $crate::store_suite!(@checks overturning $attributes $backend => [
            a_batch_that_is_refused_later_is_held_with_the_reason,
            a_claim_on_a_batch_that_is_refused_meanwhile_confirms_nothing,
            a_batch_that_is_taken_back_is_written_off_with_the_reason,
            a_batch_that_it_does_not_fit_stays_as_it_is,
            a_batch_that_was_sent_again_is_refused_by_later_news_only,
            a_change_that_is_refused_overturns_nothing,
        ]);
        $crate::store_suite!(@checks sealing $attributes $backend => [
            unsealed_sums_come_by_key_page_by_page,
            a_sealed_sum_is_offered_again_once_it_grows,
            a_repeated_seal_is_recognised,
            a_piece_begins_where_the_last_one_ended,
            what_is_not_there_is_not_sealed,
            concurrent_seals_of_one_piece_seal_it_once,
            of_concurrent_seals_of_overlapping_pieces_one_holds,
            pieces_sealed_beside_appends_add_up_to_the_sum,
        ]);
        $crate::store_suite!(@checks work $attributes $backend => [
            an_operation_is_claimed_once_it_is_due,
            operations_are_claimed_oldest_first,
            an_operation_that_exists_stays_as_it_is,
            a_claimed_operation_is_claimed_again_once_its_claim_lapsed,
            concurrent_claims_share_no_operation,
            an_operation_put_off_waits_until_it_is_due,
            putting_off_under_an_old_fence_changes_nothing,
            an_operation_that_is_done_is_not_claimed_again,
            finishing_without_the_claim_is_refused,
            an_operation_is_finished_once,
            an_operation_given_up_is_listed_with_its_reason,
            an_operation_given_up_is_claimed_once_it_is_resumed,
            nothing_but_an_operation_given_up_is_resumed,
            the_state_of_an_operation_is_told_to_its_tenant_alone,
        ]);
        $crate::store_suite!(@checks jobs $attributes $backend => [
            a_job_that_never_ran_is_none,
            a_job_runs_once_at_a_time,
            of_concurrent_starts_one_runs,
            jobs_of_other_names_and_tenants_run_beside,
            a_job_that_is_kept_holds_its_lease,
            a_job_that_ended_may_be_started_again,
            a_lapsed_job_may_be_taken_over,
            a_job_that_never_ran_is_not_kept,
        ]);
        $crate::store_suite!(@checks strangers $attributes $backend => [
            a_stranger_finds_and_changes_nothing_r_a7,
        ]);
        $crate::store_suite!(@checks clocks $attributes $backend => [
            clocks_that_step_steal_no_claim_and_open_no_window_twice_r_t5,
        ]);
        $crate::store_suite!(@checks writes $attributes $backend => [
            a_store_has_a_name_and_a_sign_of_life,
            an_append_that_is_dropped_is_done_or_not_done,
            a_change_that_is_dropped_is_done_or_not_done,
            a_wish_that_is_dropped_takes_one_block_or_none,
        ]);
    };
    (@model $attributes:tt $backend:expr) => {
        $crate::store_suite!(@checks model $attributes $backend => [
            a_random_run_agrees_with_the_memory_store,
        ]);
    };
    (@reopening $attributes:tt $backend:expr) => {
        $crate::store_suite!(@checks reopening $attributes $backend => [
            what_was_written_is_there,
            repeated_writes_are_recognised,
            blocks_of_a_dead_owner_come_back,
            claims_and_fences_outlive_the_process,
            the_change_sequence_goes_on,
            what_was_closed_stays_closed,
            what_was_tallied_is_remembered,
        ]);
    };
    (@checks $group:ident $attributes:tt $backend:expr => [$($check:ident),+ $(,)?]) => {
        mod $group {
            use super::*;
            $($crate::store_suite!(@check $group $check $attributes $backend);)+
        }
    };
    (@check $group:ident $check:ident [$(#[$attribute:meta])*] $backend:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $check() {
            let bench = $crate::store::Bench::new($backend, |future| {
                drop(tokio::spawn(future));
            });
            $crate::store::$group::$check(&bench).await;
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_check_is_in_the_list() {
        let listed: BTreeSet<&str> = include_str!("store.rs")
            .lines()
            .filter_map(|line| line.trim().strip_suffix(','))
            .collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/store");
        let mut checks = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let names = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn "))
                .filter_map(|line| line.strip_suffix("(bench: &Bench) {"));
            for name in names {
                assert!(listed.contains(name), "{} has {name}", path.display());
                checks += 1;
            }
        }
        assert!(checks > 100, "{checks} checks were found");
    }
}
