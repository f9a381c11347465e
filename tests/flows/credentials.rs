//! Credentials that are exchanged for those of another account, or of another mode.

use monetization_core::invoice::Invoicing;
use monetization_core::reference::{Mode, Realm};
use monetization_core::store::{BatchState, Decision, Fate, JobState};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::transport::Operation;

use crate::world::{HOUR, World, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

fn realm(account: &str, mode: Mode) -> Realm {
    let account = text(account);
    Realm { account, mode }
}

#[tokio::test]
async fn what_was_sealed_for_one_account_and_mode_is_sent_with_no_other_credentials_r_p11() {
    let ours = realm("acct_ours", Mode::Live);
    let accounts = ["acct_ours", "acct_other"];
    for (account, mode) in accounts
        .map(|it| [(it, Mode::Live), (it, Mode::Test)])
        .concat()
    {
        let theirs = realm(account, mode);
        let mut world = World::new(Invoicing::ByEngine).await;
        let wire = world.tap();
        wire.exchange_credentials(ours.clone());
        let (_, key) = world.subscriber(METERED).await;
        world.calls(&key, 3).await;
        let away = Injection::next(Fault::NotSent).on(Operation::TakeUsage);
        world.provider.inject(away);
        assert_eq!(world.publish().await, JobState::Incomplete);
        assert_eq!(world.batches().await[0].realm, ours);

        wire.exchange_credentials(theirs.clone());
        world.restart(2);
        world.pass(HOUR).await;
        let state = world.publish().await;
        if theirs == ours {
            assert_eq!((state, world.counted()), (JobState::Succeeded, 3));
            continue;
        }
        assert_eq!((state, world.counted()), (JobState::Incomplete, 0));
        assert_eq!(wire.sent().len(), 1, "{theirs}: nothing was sent with them");
        let batch = world.batches().await.remove(0);
        let reason = batch.state.reason().unwrap();
        assert!(matches!(batch.state, BatchState::Parked { .. }), "{reason}");
        assert!(reason.contains("acct_ours (live)"), "{reason}");
        assert!(reason.contains(&theirs.to_string()), "{reason}");

        wire.exchange_credentials(ours.clone());
        world.restart(3);
        let right = Decision::new(Fate::SendAgain, "owner-1: the credentials are right again");
        let (tenant, monetizer) = (world.tenant_id(), &world.monetizer);
        let decided = monetizer.decide_batch(tenant, batch.id, &right);
        decided.await.unwrap();
        assert_eq!(world.publish().await, JobState::Succeeded);
        assert_eq!(world.counted(), 3);
        let sent = wire.sent();
        assert!(sent.iter().all(|it| it.account == batch.place.account));
    }
}
