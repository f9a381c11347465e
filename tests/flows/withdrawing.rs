//! Reports that are taken back after something went wrong with that.

use monetization_core::engine::Withdrawal;
use monetization_core::flows::FlowError;
use monetization_core::invoice::Invoicing;
use monetization_core::store::JobState;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::world::World;

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

/// A provider that keeps a failure under the key of its call gave it again for as long as it takes use back.
#[tokio::test]
async fn a_report_is_taken_back_by_the_next_order_whatever_became_of_the_last() {
    let broken = Refusal::new(RefusalKind::Broken, "it failed within");
    for fault in [Fault::Break(broken), Fault::LoseReply] {
        let world = World::new(Invoicing::ByEngine).await;
        let (_, key) = world.subscriber(METERED).await;
        world.calls(&key, 3).await;
        assert_eq!(world.publish().await, JobState::Succeeded);
        let batch = world.batches().await.remove(0);
        let failing = Injection::next(fault).on(Operation::WithdrawUsage);
        world.provider.inject(failing);
        let withdraw = || {
            let monetizer = &world.monetizer;
            monetizer.withdraw_batch(batch.tenant, batch.id, "owner: a test of ours")
        };
        let failed = withdraw().await;
        assert!(matches!(failed, Err(FlowError::Engine(_))), "{failed:?}");
        assert_eq!(withdraw().await.unwrap(), Withdrawal::Withdrawn);
        assert_eq!(world.counted(), 0);
    }
}
