//! Credentials that are exchanged for those of another account, or of another mode.

use monetization_core::flows::ReconcileReport;
use monetization_core::ids::BatchId;
use monetization_core::invoice::Invoicing;
use monetization_core::reference::{Mode, Realm};
use monetization_core::store::{BatchState, Decision, Fate, JobState};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::world::{HOUR, START, World, text};

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
        let (tenant, monetizer) = (world.tenant_id(), &world.monetizer);
        let because = "owner-1: the credentials are right again";
        let right = Decision::new(Fate::SendAgain, because, monetizer.now());
        let decided = monetizer.decide_batch(tenant, batch.id, &right);
        decided.await.unwrap();
        assert_eq!(world.publish().await, JobState::Succeeded);
        assert_eq!(world.counted(), 3);
        let sent = wire.sent();
        assert!(sent.iter().all(|it| it.account == batch.place.account));
    }
}

/// The engine may have it, and sent again it would be counted twice: what was counted decides, and only
/// the count of the account that it was sent to.
#[tokio::test]
async fn what_may_have_been_sent_is_unknown_under_other_credentials_r_p11() {
    let (ours, theirs) = (
        realm("acct_ours", Mode::Live),
        realm("acct_other", Mode::Live),
    );
    let mut world = World::new(Invoicing::ByEngine).await;
    let wire = world.tap();
    wire.exchange_credentials(ours.clone());
    let (_, key) = world.subscriber(METERED).await;
    world.calls(&key, 3).await;
    let lost = Injection::next(Fault::LoseReply).on(Operation::TakeUsage);
    world.provider.inject(lost);
    assert_eq!(world.publish().await, JobState::Incomplete);

    wire.exchange_credentials(theirs);
    world.restart(2);
    world.pass(HOUR).await;
    assert_eq!(world.publish().await, JobState::Incomplete);
    unknown_because(&world, "acct_ours (live)").await;
    let elsewhere = reconciled(&world).await;
    assert_eq!((elsewhere.compared, elsewhere.decided), (0, vec![]));

    wire.exchange_credentials(ours);
    world.restart(3);
    let batch = unknown_because(&world, "acct_ours (live)").await;
    let decided = reconciled(&world).await.decided;
    assert_eq!(decided, [(batch, Fate::Confirmed)]);
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(world.counted(), 3);
}

/// Of the first call nobody knows; the second is refused for good.
#[tokio::test]
async fn what_may_have_been_sent_is_unknown_when_the_engine_refuses_the_next_call_r_p7() {
    let world = World::new(Invoicing::ByEngine).await;
    let (_, key) = world.subscriber(METERED).await;
    world.calls(&key, 3).await;
    let lost = Injection::next(Fault::LoseReply).on(Operation::TakeUsage);
    world.provider.inject(lost);
    assert_eq!(world.publish().await, JobState::Incomplete);
    world.pass(HOUR).await;
    let no = Refusal::new(RefusalKind::Permanent, "the key was revoked");
    let refused = Injection::next(Fault::Refuse(no)).on(Operation::TakeUsage);
    world.provider.inject(refused);
    assert_eq!(world.publish().await, JobState::Incomplete);
    let batch = unknown_because(&world, "the key was revoked").await;
    let decided = reconciled(&world).await.decided;
    assert_eq!(decided, [(batch, Fate::Confirmed)]);
    assert_eq!(world.counted(), 3);
}

/// The only batch, which is unknown for a reason that says this.
async fn unknown_because(world: &World, says: &str) -> BatchId {
    let batch = world.batches().await.remove(0);
    let reason = batch.state.reason().unwrap();
    assert!(
        matches!(batch.state, BatchState::Unknown { .. }),
        "{:?}",
        batch.state
    );
    assert!(reason.contains(says), "{reason}");
    batch.id
}

async fn reconciled(world: &World) -> ReconcileReport {
    let reconciled = world.monetizer.reconcile(world.tenant_id(), text(START));
    let report = reconciled.await.unwrap();
    assert_eq!(report.failed, []);
    report
}
