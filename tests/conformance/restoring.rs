//! What a database that was put back from a back-up is held against.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "counts what a test makes, and stops where that is not so"
)]

use monetization_core::flows::{Monetizer, RestoreReport};
use monetization_core::ids::TenantId;
use monetization_core::store::{Batch, BatchState, JobStart};

use crate::size;

/// Publishes for the first time after the database was put back.
pub async fn publish_restored(monetizer: &Monetizer, tenant: TenantId) -> RestoreReport {
    let started = monetizer.start_publishing(tenant).await.unwrap();
    let run = match started {
        JobStart::Started(run) => Some(run),
        JobStart::Busy(_) => None,
    };
    let published = monetizer.publish_restored(tenant, run.unwrap());
    published.await.unwrap()
}

/// Puts databases back, one for each seed: most of them have to come out exact by themselves.
pub async fn often(set_back: impl AsyncFn(u64) -> bool) {
    let seeds = size(5, 50);
    let mut exact = 0;
    for seed in 0..seeds {
        exact += u64::from(set_back(seed).await);
    }
    assert!(
        exact * 2 > seeds,
        "{exact} of {seeds} are exact by themselves"
    );
}

/// How much of these batches, which are not on their way any more, waits for an operator.
#[must_use]
pub fn left_over(batches: &[Batch]) -> i64 {
    let mut left = 0;
    for batch in batches {
        if batch.state != BatchState::Confirmed {
            let is_unknown = matches!(batch.state, BatchState::Unknown { .. });
            assert!(is_unknown, "{batch:?}");
            left += batch.quantity().unwrap().scaled();
        }
    }
    left
}

/// How much of these batches is of what was used after the first `known` units.
pub fn beyond(known: i64, batches: impl IntoIterator<Item = Batch>) -> i64 {
    let units = batches
        .into_iter()
        .map(|batch| batch.to.scaled() - batch.from.scaled().max(known));
    units.filter(|units| *units > 0).sum()
}
