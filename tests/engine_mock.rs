//! The engine suite, run over the mock, in this process and over HTTP; and proof that it catches
//! engines with a flaw.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use monetization_conformance::engine::{self, Bench};
use monetization_conformance::engine_suite;
use monetization_core::engine::Engine;

use engine_mock::broken::{Broken, Flaw};
use engine_mock::fixture::MockFixture;

mod engine_mock {
    pub(crate) mod broken;
    pub(crate) mod fixture;
}

engine_suite! {
    MockFixture::new() => {
        usage: yes,
        invoicing: yes,
        issuing: yes,
        webhooks: yes,
        portal: yes,
        accounts: yes,
    }
}

mod over_http {
    use super::{MockFixture, engine_suite};

    engine_suite! {
        MockFixture::over_http().await => {
            usage: yes,
            invoicing: yes,
            issuing: yes,
            webhooks: yes,
            portal: yes,
            accounts: yes,
        }
    }
}

#[tokio::test]
async fn a_part_that_is_not_handed_over_is_seen_to_be_missing() {
    let whole = Bench::new(MockFixture::new());
    let bare = Bench::new(MockFixture::wrapped(|engine| Engine {
        usage: None,
        invoices: None,
        statements: None,
        portal: None,
        webhooks: None,
        ..engine
    }));
    for part in ["usage", "invoicing", "issuing", "webhooks", "portal"] {
        assert!(engine::hands_over(&whole, part), "{part}");
        assert!(!engine::hands_over(&bare, part), "{part}");
    }
}

/// Each flaw and a check that catches it.
macro_rules! caught {
    ($($test:ident: $flaw:ident by $group:ident::$check:ident;)+) => {$(
        #[tokio::test]
        async fn $test() {
            let sound = Bench::new(MockFixture::new());
            engine::$group::$check(&sound).await;
            let flawed = Bench::new(MockFixture::wrapped(|engine| Broken::around(engine, Flaw::$flaw)));
            let checked = AssertUnwindSafe(engine::$group::$check(&flawed)).catch_unwind().await;
            assert!(checked.is_err(), "the suite does not catch {:?}", Flaw::$flaw);
        }
    )+};
}

caught! {
    an_engine_that_forgets_keys_is_caught: ForgetsKeys by issuing::an_invoice_issued_twice_under_one_key_is_one;
    an_engine_that_makes_plans_anew_is_caught: ForgetsKeys by plans::another_plan_under_a_used_key_is_a_conflict;
    an_engine_that_loses_a_cent_is_caught: LosesACent by issuing::an_invoice_is_issued_with_exactly_its_lines_and_total;
    an_engine_with_binary_fractions_is_caught: PricesAsFloats by invoicing::the_providers_rating_agrees_with_ours;
    an_engine_that_prices_in_cents_is_caught: PricesInCents by invoicing::a_price_below_a_cent_is_exact;
    an_engine_that_believes_every_signature_is_caught: BelievesEverySignature by webhooks::a_tampered_message_is_refused;
    an_engine_that_takes_old_messages_is_caught: IgnoresAge by webhooks::a_stale_message_is_refused;
    an_engine_that_tries_one_secret_is_caught: TriesOneSecret by webhooks::any_of_the_secrets_will_do;
    an_engine_that_counts_duplicates_is_caught: CountsDuplicates by usage::a_record_sent_again_is_a_duplicate;
    an_engine_that_counts_twice_after_a_lost_reply_is_caught: CountsDuplicates by usage::reports_whose_reply_was_lost_count_once;
    an_engine_that_stops_at_a_bad_record_is_caught: StopsAtABadRecord by usage::a_bad_record_does_not_spoil_the_others;
    an_engine_that_dates_use_late_is_caught: DatesUseLate by invoicing::use_of_the_last_second_belongs_to_the_old_period;
    an_engine_that_deletes_first_is_caught: DeletesFirst by plans::an_update_that_is_interrupted_leaves_a_plan_on_sale;
    an_engine_that_takes_lost_for_refused_is_caught: TakesLostForRefused by subscriptions::a_subscription_whose_reply_was_lost_is_started_once;
    an_engine_that_cannot_end_the_missing_is_caught: CannotEndTheMissing by subscriptions::cancelling_what_is_unknown_finds_it_gone;
    an_engine_that_enables_anew_is_caught: EnablesAnew by plans::enabling_twice_finds_everything_there;
    an_engine_that_ignores_accounts_is_caught: IgnoresAccounts by accounts::an_account_sees_nothing_of_another;
    an_engine_that_voids_with_words_is_caught: VoidsWithWords by issuing::a_paid_invoice_is_not_voided;
    an_engine_that_credits_anew_is_caught: CreditsAnew by crediting::a_credit_given_twice_is_one;
    an_engine_that_shows_secrets_is_caught: Talkative by secrets::nothing_shows_the_credentials;
}
