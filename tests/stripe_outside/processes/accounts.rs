//! Accounts that are kept apart by somebody else: stripe-stateful-mock.

use monetization_conformance::engine::{CANARY, Offer, accounts};
use monetization_conformance::sample::text;
use monetization_core::engine::{EngineContext, EngineErrorKind, Removal};
use monetization_core::secret::Secret;

use crate::stripe_outside::stateful::{CONNECTED, Stateful};

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn what_is_in_one_account_is_in_no_other_h7() {
    let (bench, _) = Stateful::bench().await;
    accounts::one_key_in_two_accounts_is_two_calls(&bench).await;
    let billing = bench.fixture.engine().billing;
    let plan = bench.version(&bench.product(), Offer::FIXED);
    let there = EngineContext {
        account: Some(text(CONNECTED)),
        ..bench.cx()
    };
    let made = billing.create_billing_plan(&there, &plan).await.unwrap();
    let removed = billing.delete_billing_plan(&bench.cx(), &made).await;
    assert_eq!(removed.unwrap(), Removal::AlreadyGone);
    // The same plan under the same key, in another account: nothing is told again.
    let here = EngineContext {
        account: None,
        ..there
    };
    let also = billing.create_billing_plan(&here, &plan).await;
    assert_eq!(also.unwrap(), made);
}

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn an_account_that_is_not_connected_and_a_key_of_nobody_are_refused_h7() {
    let (bench, relay) = Stateful::bench().await;
    let billing = bench.fixture.engine().billing;
    let plan = bench.version(&bench.product(), Offer::FIXED);
    let stranger = EngineContext {
        account: Some(text("acct_stranger")),
        ..bench.cx()
    };
    let nobody = EngineContext {
        credentials: Some(Secret::new("rk_test_of_nobody")),
        ..bench.cx()
    };
    for cx in [stranger, nobody] {
        let refused = billing.create_billing_plan(&cx, &plan).await.unwrap_err();
        assert_eq!(*refused.kind(), EngineErrorKind::Unauthorized);
        let shown = format!("{refused} {refused:?}");
        assert!(
            !shown.contains("sk_test") && !shown.contains("rk_test"),
            "{shown}"
        );
        assert!(
            !shown.contains(CANARY.trim_start_matches("sk_test_")),
            "{shown}"
        );
    }
    assert_eq!(relay.writes(), 2);
}
