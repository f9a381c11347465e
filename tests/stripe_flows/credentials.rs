//! Keys of another account, or of the other mode.

use monetization_conformance::stripe::fake::PLATFORM;
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::invoice::Invoicing;
use monetization_core::reference::Mode;
use monetization_core::store::{BatchState, Decision, Fate, JobState};

use crate::outside::Outside;
use crate::shop::{EVENTS, HOUR, METERED, Shop};

const OTHER: &str = "acct_1SomebodyElses0";
/// A key, the account that it opens, and in which mode.
const KEYS: [(&str, &str, Mode); 4] = [
    ("sk_test_ours5e1c", PLATFORM, Mode::Test),
    ("sk_live_ours0b7a", PLATFORM, Mode::Live),
    ("sk_test_theirs93fd", OTHER, Mode::Test),
    ("sk_live_theirs44a2", OTHER, Mode::Live),
];

/// A shop with a report that was sealed and has not arrived.
async fn with_a_report_to_send() -> Shop {
    let shop = Shop::open(Outside::in_memory(3).await, Invoicing::ByEngine, &[METERED]).await;
    for (key, account, _) in KEYS {
        shop.stripe().fake().add_key(key, account);
    }
    let of = shop.subscriber().await;
    shop.use_units(of, 5).await;
    shop.stripe()
        .plan(Plan::before(Fault::Unavailable).on("POST", EVENTS));
    assert_eq!(shop.published().await, JobState::Incomplete);
    shop.pass(HOUR);
    shop
}

impl Shop {
    /// Another process signs in with this key, and takes keys of this mode.
    async fn exchange(&mut self, key: &str, mode: Mode) {
        self.outside.sign_in(self.tenant, key);
        self.outside.mode = mode;
        self.restart().await;
    }

    fn reports(&self) -> usize {
        let seen = self.stripe().requests();
        seen.iter().filter(|it| it.path == EVENTS).count()
    }
}

#[tokio::test]
async fn what_was_sealed_for_one_account_of_stripe_is_sent_with_no_other_key_r_p11() {
    for (key, account, mode) in KEYS {
        let mut shop = with_a_report_to_send().await;
        let before = shop.reports();
        shop.exchange(key, mode).await;
        let state = shop.published().await;
        if (account, mode) == (PLATFORM, Mode::Test) {
            assert_eq!((state, shop.counted()), (JobState::Succeeded, 5));
            continue;
        }
        assert_eq!(state, JobState::Incomplete);
        assert_eq!(
            shop.reports(),
            before,
            "{account} {mode:?}: something was sent"
        );
        let [batch] = shop.held().await.try_into().unwrap();
        let reason = batch.state.reason().unwrap();
        assert!(
            matches!(batch.state, BatchState::Unknown { .. }),
            "{reason}"
        );
        let named = [PLATFORM, account].map(|it| reason.contains(it));
        assert_eq!(named, [true; 2], "{reason}");

        shop.exchange(KEYS[0].0, Mode::Test).await;
        let now = shop.monetizer().now();
        let right = Decision::new(Fate::SendAgain, "owner-1: the key is right again", now);
        let decided = shop.monetizer().decide_batch(shop.tenant, batch.id, &right);
        decided.await.unwrap();
        assert_eq!(
            (shop.published().await, shop.counted()),
            (JobState::Succeeded, 5)
        );
    }
}

/// A process that takes test keys alone asks Stripe nothing with another one, and nothing is lost by it.
#[tokio::test]
async fn a_live_key_where_test_keys_are_taken_asks_stripe_nothing_r_p11() {
    let mut shop = with_a_report_to_send().await;
    let before = shop.stripe().requests().len();
    for key in [KEYS[1].0, KEYS[3].0] {
        shop.exchange(key, Mode::Test).await;
        let refused = shop.try_to_publish().await.unwrap_err();
        assert!(!format!("{refused:?}").contains(key), "{refused:?}");
    }
    assert_eq!(shop.stripe().requests().len(), before);
    shop.exchange(KEYS[0].0, Mode::Test).await;
    assert_eq!(
        (shop.published().await, shop.counted()),
        (JobState::Succeeded, 5)
    );
}
