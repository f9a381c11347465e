//! Reports that look like a mistake rather than use: a unit that is counted in thousandths, an import
//! that ran twice. What an engine has taken cannot be taken back, so they are held before they leave.

use std::collections::BTreeMap;

use crate::flows::operations::last_instant;
use crate::flows::{FlowError, Monetizer, Suspicious};
use crate::ids::{BatchId, TenantId};
use crate::money::Quantity;
use crate::product::Meter;
use crate::store::{BatchState, Held};
use crate::subscription::{Segment, Subscription};
use crate::usage::SumKey;

impl Monetizer {
    /// Sums whose last piece was held back before it was ever sent, and that piece.
    pub(super) async fn held_back(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<SumKey, BatchId>, FlowError> {
        let held = self.held(tenant).await?.into_iter();
        let suspicious =
            held.filter(|batch| batch.state.held() == Some(Held::Parked) && batch.fence == 0);
        Ok(suspicious.map(|batch| (batch.key, batch.id)).collect())
    }

    /// Why a piece of a sum looks like a mistake; `None` where it does not.
    pub(super) async fn suspicion(
        &self,
        of: &Subscription,
        segment: &Segment,
        meter: &Meter,
        quantity: Quantity,
    ) -> Result<Option<String>, FlowError> {
        let Suspicious { units_min, times } = self.settings.suspicious;
        if meter
            .scale
            .whole(units_min)
            .is_none_or(|least| quantity <= least)
        {
            return Ok(None);
        }
        let mut largest = Quantity::ZERO;
        let before = of.segment_at(last_instant(segment.span.start));
        for id in before
            .map(|before| before.id)
            .into_iter()
            .chain([segment.id])
        {
            for batch in self.store.batches(of.tenant, id).await? {
                if batch.key.meter == meter.id && batch.state == BatchState::Confirmed {
                    largest = largest.max(batch.quantity()?);
                }
            }
        }
        let most = largest.scaled().saturating_mul(i64::from(times));
        let render = |quantity| meter.scale.render(quantity);
        Ok((quantity.scaled() > most).then(|| {
            format!(
                "it reports {} of {}, and the most that was confirmed at once is {}: decide whether \
                 that is right",
                render(quantity),
                meter.name,
                render(largest)
            )
        }))
    }
}
