//! The engine suite: what is owed by whatever hands out an
//! [`Engine`].
//!
//! # Running it
//! Write a [`Fixture`]: your engine, and its provider's side (a sandbox, a fake server) as far as
//! the checks need it. Then say in [`engine_suite!`](crate::engine_suite) for each part whether
//! the engine hands it over. What it hands over is checked. What it does not is listed as
//! ignored, with one check that it is indeed missing from the bundle: a part can neither be
//! promised without being tested nor left out without being seen.
//!
//! ```
//! # // The tests this makes are run by the package's own test targets.
//! # struct MyFixture;
//! use monetization_conformance::engine_suite;
//!
//! engine_suite! {
//!     MyFixture => {
//!         usage: yes,
//!         invoicing: yes,
//!         issuing: no,
//!         webhooks: yes,
//!         portal: no,
//!         accounts: no,
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! The tests run on tokio, so the calling package needs tokio with `macros` and `rt`.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a check fails by panicking"
)]

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{Engine, EngineContext, EngineInvoice, IdempotencyKey};
use monetization_core::ids::TenantId;
use monetization_core::reference::ObjectKind;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;

use crate::sample::Sample;

pub use offer::Offer;

pub mod accounts;
pub mod changing;
pub mod crediting;
pub mod customers;
pub mod invoicing;
pub mod issuing;
pub mod models;
pub mod offer;
pub mod plans;
pub mod portal;
pub mod secrets;
pub mod subscriptions;
pub mod trials;
pub mod usage;
pub mod webhooks;

mod steps;

/// An engine and its provider's side. Each check gets one of its own, with a provider that has
/// nothing yet.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// The engine that is checked.
    fn engine(&self) -> Engine;

    /// What the provider's clock says, in whole seconds.
    async fn now(&self) -> Timestamp;

    /// Moves the provider's clock forward; what falls due on the way happens.
    async fn advance(&self, by: Duration);

    /// A customer follows a payment link and pays; nothing happens where that cannot be.
    async fn pay(&self, payment_url: &str);

    /// A customer stores a payment method on the page behind a checkout link; nothing happens where there
    /// is no such page.
    async fn store_method(&self, checkout_url: &str);

    /// Loses one reply: of the calls to come that change something at the provider, `after` pass,
    /// the next is carried out and its reply never arrives.
    async fn lose_reply(&self, after: u32);

    /// Of the reports to come, the provider takes the next one and finds later that it does not count.
    async fn refuse_later(&self);

    /// How many objects of a kind the provider has, gone ones left out.
    async fn count(&self, kind: ObjectKind) -> usize;

    /// An invoice as the provider has it.
    async fn invoice(&self, invoice: &ForeignId) -> Option<EngineInvoice>;

    /// The messages that the provider has sent since it was last asked, oldest first.
    async fn messages(&self) -> Vec<Message>;

    /// One of the secrets that messages are signed with.
    fn webhook_secret(&self) -> Secret;

    /// An account other than the platform's own; `None` where the provider has only that.
    fn account(&self) -> Option<ForeignId>;
}

/// A message as the provider posts it, signed when it was asked for.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a check works with.
pub struct Bench {
    /// The engine and its provider.
    pub fixture: Box<dyn Fixture>,
    /// Where made-up things come from.
    pub sample: Sample,
    /// For whom everything is done.
    pub tenant: TenantId,
    calls: AtomicU32,
}

impl Bench {
    /// A bench for one check.
    #[must_use]
    pub fn new(fixture: impl Fixture) -> Self {
        let sample = Sample::seeded(2);
        Self {
            fixture: Box::new(fixture),
            tenant: sample.id(),
            sample,
            calls: AtomicU32::new(0),
        }
    }

    /// What a call carries, with a key that no other call has.
    #[must_use]
    pub fn cx(&self) -> EngineContext {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        EngineContext {
            tenant: self.tenant,
            credentials: Some(Secret::new(CANARY)),
            account: None,
            key: IdempotencyKey::new(format!("check:{call}")),
            repeated: false,
            timeout: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Bench")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// The credentials of every call: nothing may show them.
pub const CANARY: &str = "sk_test_canary6c1f";

/// Makes one test of each check, for one engine.
///
/// `engine_suite!(fixture => { usage: yes, .. })`: `fixture` is an expression that is evaluated
/// once for each check. Plans, customers and subscriptions are owed by every engine; for each
/// other part `yes` or `no` says whether this one hands it over.
#[macro_export]
macro_rules! engine_suite {
    ($fixture:expr => {
        usage: $usage:ident,
        invoicing: $invoicing:ident,
        issuing: $issuing:ident,
        webhooks: $webhooks:ident,
        portal: $portal:ident,
        accounts: $accounts:ident $(,)?
    }) => {
        $crate::engine_suite!(@checks yes plans $fixture => [
            a_plan_made_twice_under_one_key_is_one_plan,
            another_plan_under_a_used_key_is_a_conflict,
            a_plan_whose_reply_was_lost_is_made_once,
            an_update_puts_the_next_version_in_the_place_of_the_one_before,
            an_update_that_is_interrupted_leaves_a_plan_on_sale,
            an_update_leaves_running_subscriptions_alone,
            removing_a_plan_again_finds_it_gone,
            a_plan_with_subscribers_is_archived,
            the_mapping_is_what_was_enabled,
            enabling_twice_finds_everything_there,
            a_plan_added_later_is_the_only_one_created,
            enabling_after_a_lost_reply_makes_nothing_twice,
            a_disabled_product_has_nothing_on_sale,
        ]);
        $crate::engine_suite!(@checks yes customers $fixture => [
            a_consumer_is_one_customer_however_often_asked,
            a_customer_whose_reply_was_lost_is_made_once,
            two_consumers_are_two_customers,
            another_consumer_under_a_used_key_is_a_conflict,
        ]);
        $crate::engine_suite!(@checks yes subscriptions $fixture => [
            nothing_due_at_the_start_needs_no_payment,
            something_due_at_the_start_waits_for_its_payment,
            a_subscription_started_twice_under_one_key_is_one,
            another_subscription_under_a_used_key_is_a_conflict,
            a_subscription_whose_reply_was_lost_is_started_once,
            a_subscription_stands_as_it_was_started,
            an_unknown_subscription_is_none,
            a_period_follows_the_one_before,
            cancelling_again_changes_nothing,
            a_cancellation_whose_reply_was_lost_happens_once,
            cancelling_what_is_unknown_finds_it_gone,
            a_subscription_cancelled_to_the_periods_end_lives_until_then,
            changing_the_plan_keeps_the_subscription,
        ]);
        $crate::engine_suite!(@checks $usage usage $fixture => [
            each_record_has_its_receipt_in_order,
            a_record_sent_again_is_a_duplicate,
            an_identifier_stands_for_one_record,
            a_bad_record_does_not_spoil_the_others,
            reports_whose_reply_was_lost_count_once,
            use_too_long_ago_is_rejected,
            use_too_far_ahead_is_rejected,
            a_summary_counts_by_the_time_of_use,
            current_usage_names_the_period_and_what_it_costs,
            a_negative_quantity_is_not_counted,
            use_of_nobody_is_rejected,
            use_that_is_refused_later_is_told_by_its_report_r_p7,
            use_that_is_taken_back_is_not_counted_and_stays_known,
        ]);
        $crate::engine_suite!(@checks $invoicing invoicing $fixture => [
            the_first_invoice_has_the_setup_fee_and_the_second_has_not,
            base_included_units_and_overage_add_up,
            use_of_the_last_second_belongs_to_the_old_period,
            use_of_an_invoiced_period_is_refused,
            a_price_below_a_cent_is_exact,
            amounts_have_the_decimals_of_their_currency,
            halves_are_rounded_as_the_plan_names,
            the_providers_rating_agrees_with_ours,
            a_preview_equals_the_invoice_that_follows,
            cancelling_now_invoices_what_was_used,
            an_end_that_is_told_late_bills_nothing_of_what_begins_then,
            the_last_invoice_has_no_next_base_price,
            cancelling_before_the_first_payment_voids_its_invoice,
            an_invoice_over_nothing_is_paid,
        ]);
        $crate::engine_suite!(@checks $invoicing changing $fixture => [
            a_changed_plan_holds_from_the_next_period_on,
            a_plan_changed_now_is_prorated,
            a_change_of_plan_is_taken_back,
            a_change_that_is_told_late_holds_from_its_boundary_on,
        ]);
        $crate::engine_suite!(@checks $invoicing trials $fixture => [
            a_trial_costs_nothing_and_what_follows_is_billed_whole,
            a_change_that_waits_does_not_end_the_trial,
            a_trial_that_is_cancelled_ends_and_costs_nothing,
        ]);
        $crate::engine_suite!(@checks $invoicing models $fixture => [
            every_model_of_price_is_rated_as_the_plan_says,
        ]);
        $crate::engine_suite!(@checks $issuing issuing $fixture => [
            an_invoice_is_issued_with_exactly_its_lines_and_total,
            an_invoice_issued_twice_under_one_key_is_one,
            another_invoice_under_a_used_key_is_a_conflict,
            an_invoice_that_has_moved_on_is_still_the_same,
            an_invoice_whose_reply_was_lost_is_issued_once,
            lines_that_do_not_add_up_are_refused,
            an_issued_invoice_over_nothing_is_paid,
            a_fresh_link_pays_an_invoice_whenever_it_is_asked_for,
            an_unpaid_invoice_is_voided_once,
            a_paid_invoice_is_not_voided,
            voiding_what_is_unknown_finds_it_gone,
        ]);
        $crate::engine_suite!(@checks $issuing crediting $fixture => [
            a_credit_given_twice_is_one,
            a_credit_whose_reply_was_lost_is_given_once,
            an_invoice_that_is_credited_whole_is_paid,
            more_than_is_left_is_not_credited,
            what_was_taken_back_is_not_credited,
            what_was_paid_and_credited_pays_for_the_next_invoice,
            a_payment_is_given_back,
        ]);
        $crate::engine_suite!(@checks $portal portal $fixture => [
            each_page_has_a_link,
            what_is_stored_is_told_and_charged_from_then_on,
            who_has_stored_a_method_is_charged_for_their_subscriptions,
            nothing_stored_is_nothing_charged,
            a_page_of_nobody_is_refused,
        ]);
        $crate::engine_suite!(@checks $webhooks webhooks $fixture => [
            a_fresh_signed_message_is_verified,
            a_missing_or_foreign_signature_is_refused,
            a_tampered_message_is_refused,
            a_stale_message_is_refused,
            any_of_the_secrets_will_do,
            a_payment_is_told,
            news_of_one_object_carries_growing_versions,
            the_end_of_a_subscription_is_told,
            news_are_read_to_the_newest_and_no_further,
            nonsense_is_no_news,
        ]);
        $crate::engine_suite!(@checks $accounts accounts $fixture => [
            an_account_sees_nothing_of_another,
            one_key_in_two_accounts_is_two_calls,
        ]);
        $crate::engine_suite!(@checks yes secrets $fixture => [nothing_shows_the_credentials]);
    };
    (@checks yes $group:ident $fixture:expr => [$($check:ident),+ $(,)?]) => {
        mod $group {
            use super::*;
            $(
                #[tokio::test]
                async fn $check() {
                    let bench = $crate::engine::Bench::new($fixture);
                    $crate::engine::$group::$check(&bench).await;
                }
            )+
        }
    };
    (@checks no $group:ident $fixture:expr => [$($check:ident),+ $(,)?]) => {
        mod $group {
            use super::*;
            $(
                #[test]
                #[ignore = "the engine does not hand this over"]
                fn $check() {}
            )+

            #[tokio::test]
            async fn it_is_indeed_not_handed_over() {
                let bench = $crate::engine::Bench::new($fixture);
                assert!(!$crate::engine::hands_over(&bench, stringify!($group)));
            }
        }
    };
}

/// Whether the engine hands over what the checks of this part need.
#[must_use]
pub fn hands_over(bench: &Bench, part: &str) -> bool {
    let engine = bench.fixture.engine();
    match part {
        "usage" => engine.usage.is_some(),
        "invoicing" | "changing" | "trials" => {
            engine.usage.is_some() && engine.statements.is_some()
        }
        "issuing" | "crediting" => engine.invoices.is_some(),
        "portal" => {
            engine.portal.is_some() && engine.invoices.is_some() && engine.statements.is_some()
        }
        "webhooks" => engine.webhooks.is_some(),
        "accounts" => bench.fixture.account().is_some(),
        _ => true,
    }
}
