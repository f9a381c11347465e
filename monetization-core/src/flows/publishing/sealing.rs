//! Pieces of sums become batches, each exactly once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter::successors;
use std::time::Duration;

use super::Progress;
use crate::clock::Timestamp;
use crate::engine::{Engine, UsageReport};
use crate::flows::operations::{chain, last_instant, unable};
use crate::flows::references::thing;
use crate::flows::{FlowError, Monetizer};
use crate::ids::{SubscriptionId, TenantId};
use crate::money::Quantity;
use crate::product::{Meter, Product};
use crate::reference::{ObjectKind, Place, Realm};
use crate::store::{Batch, BatchState, Listing, Sealed, UnsealedSum};
use crate::subscription::{Segment, Subscription};
use crate::text::ForeignId;
use crate::usage::Sum;

/// By how much our clock may be ahead of the engine's.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(600);

/// What becomes of a piece that is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sealing {
    /// It is sent, unless it looks like a mistake.
    ToSend,
    /// The engine may have it, under whichever name it had before the store was restored.
    AfterRestore,
}

/// Seals pieces for one engine.
pub(super) struct Sealer<'a> {
    engine: &'a Engine,
    realm: &'a Realm,
    sealing: Sealing,
    /// When the store was last put back from a back-up.
    restored_at: Option<Timestamp>,
    known: BTreeMap<SubscriptionId, Known>,
}

impl<'a> Sealer<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        realm: &'a Realm,
        sealing: Sealing,
        restored_at: Option<Timestamp>,
    ) -> Self {
        Self {
            engine,
            realm,
            sealing,
            restored_at,
            known: BTreeMap::new(),
        }
    }
}

/// What a subscription is at its engine.
pub(in crate::flows) struct Known {
    fact: Subscription,
    pub(in crate::flows) place: Place,
    pub(in crate::flows) subscription: ForeignId,
    customer: ForeignId,
    pub(in crate::flows) meters: Vec<Meter>,
}

const RESTORED: &str =
    "the store was restored, and the engine may have been told of it under another name";

impl Monetizer {
    /// Seals every sum that holds more than is sealed. One that cannot be is in the report and does not
    /// keep the others from being sealed.
    pub(super) async fn seal_all(
        &self,
        tenant: TenantId,
        mut sealer: Sealer<'_>,
        progress: &mut Progress,
    ) -> Result<(), FlowError> {
        let held_back = match sealer.sealing {
            Sealing::ToSend => self.held_back(tenant).await?,
            Sealing::AfterRestore => BTreeMap::new(),
        };
        let mut after = None;
        loop {
            let page = self
                .store
                .unsealed(tenant, after, Listing::LIMIT_MAX)
                .await?;
            for unsealed in &page {
                after = Some(unsealed.sum.key);
                if let Some(batch) = held_back.get(&unsealed.sum.key) {
                    progress
                        .unsealed
                        .push(format!("{batch} is held back, and so is what follows it"));
                    continue;
                }
                match self.seal(tenant, unsealed, &mut sealer).await {
                    Ok(late) => progress.late = progress.late.saturating_add(u64::from(late)),
                    Err(FlowError::Store(error)) => return Err(error.into()),
                    Err(error) => {
                        let subscription = unsealed.segment.subscription;
                        progress
                            .unsealed
                            .push(format!("{subscription}: {}", chain(&error)));
                    }
                }
            }
            if page.len() < Listing::LIMIT_MAX {
                return Ok(());
            }
        }
    }

    /// Seals what a sum holds beyond its last batch, in pieces that an engine can count; answers whether
    /// it is late use.
    async fn seal(
        &self,
        tenant: TenantId,
        unsealed: &UnsealedSum,
        sealer: &mut Sealer<'_>,
    ) -> Result<bool, FlowError> {
        let UnsealedSum { sum, segment } = unsealed;
        let engine = sealer.engine;
        let reporting = engine
            .usage
            .as_ref()
            .ok_or_else(|| unable(engine, "take use"))?;
        let of = match sealer.known.entry(segment.subscription) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(self.known_at(tenant, engine, segment.subscription).await?)
            }
        };
        let meter = of.meters.iter().find(|meter| meter.id == sum.key.meter);
        let meter = meter.ok_or_else(|| FlowError::NotFound {
            id: sum.key.meter.to_string(),
        })?;
        let used_at = self.reported_as_used_at(segment);
        let whole = sum.total.checked_sub(sum.sealed)?;
        let (state, settled_at) = match sealer.sealing {
            Sealing::AfterRestore => {
                let reason = RESTORED.to_owned();
                (BatchState::Unknown { reason }, sealer.restored_at)
            }
            Sealing::ToSend => {
                let suspicion = self.suspicion(&of.fact, segment, meter, whole);
                match suspicion.await? {
                    Some(reason) => (BatchState::Parked { reason }, None),
                    None => (BatchState::Sealed, None),
                }
            }
        };
        for (from, to) in pieces(sum) {
            let id = Batch::identity(sum.key, (from, to), sealer.restored_at);
            let report = UsageReport {
                batch: id,
                subscription: of.subscription.clone(),
                customer: of.customer.clone(),
                meter: meter.clone(),
                quantity: to.checked_sub(from)?,
                used_at,
            };
            let batch = Batch {
                id,
                tenant,
                key: sum.key,
                from,
                to,
                place: of.place.clone(),
                realm: sealer.realm.clone(),
                used_at,
                body: reporting.serialise(&report)?,
                state: state.clone(),
                attempts: 0,
                first_sent_at: None,
                settled_at,
                fence: 0,
                decided_because: None,
                sent_again: None,
            };
            // A sum that somebody else has sealed further is theirs to send; the rest waits for the
            // next run. So does what follows a piece that is held back: deciding about that decides
            // whether more is suspicious.
            let sealed = self.store.seal(&batch).await?;
            if sealed == Sealed::Moved || matches!(batch.state, BatchState::Parked { .. }) {
                break;
            }
        }
        Ok(sum.key.origin != sum.key.segment)
    }

    /// The engine takes no use from its future, and its clock may be behind ours.
    fn reported_as_used_at(&self, segment: &Segment) -> Timestamp {
        let by_their_clock = self.now().saturating_sub(CLOCKS_APART_MAX);
        by_their_clock
            .min(last_instant(segment.span.end))
            .max(segment.span.start)
    }

    pub(in crate::flows) async fn known_at(
        &self,
        tenant: TenantId,
        engine: &Engine,
        id: SubscriptionId,
    ) -> Result<Known, FlowError> {
        let subscription = self.must::<Subscription>(tenant, id).await?.fact;
        let product = self
            .must::<Product>(tenant, subscription.product)
            .await?
            .fact;
        let place = self.place(tenant, engine, product.id).await?;
        let missing = || FlowError::NotFound {
            id: format!("{id} at engine {}", place.engine),
        };
        let external = self
            .reference(&place, thing(tenant, ObjectKind::Subscription, id))
            .await?;
        let customer = self
            .reference(
                &place,
                thing(tenant, ObjectKind::Customer, subscription.consumer),
            )
            .await?;
        Ok(Known {
            subscription: external.ok_or_else(missing)?,
            customer: customer.ok_or_else(missing)?,
            place,
            meters: product.meters,
            fact: subscription,
        })
    }
}

/// What of a sum is to be sealed, in pieces of at most [`Quantity::REPORTED_MAX`].
fn pieces(sum: &Sum) -> impl Iterator<Item = (Quantity, Quantity)> + use<> {
    let (sealed, total) = (sum.sealed, sum.total);
    let piece = move |from: Quantity| {
        let furthest = from.checked_add(Quantity::REPORTED_MAX);
        (from < total).then(|| (from, furthest.unwrap_or(total).min(total)))
    };
    successors(piece(sealed), move |(_, to)| piece(*to))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{MeterId, SegmentId, TypedId};
    use crate::money::Scale;
    use crate::usage::SumKey;

    /// Sums near powers of ten and of two, where digits and doubles come to their ends, and any others.
    fn totals() -> impl Strategy<Value = i64> {
        let near = |powers: Vec<i64>| {
            let beside = (prop::sample::select(powers), -2_i64..=2);
            beside.prop_map(|(power, beside)| power + beside)
        };
        prop_oneof![
            near((1..=17).map(|digits| 10_i64.pow(digits)).collect()),
            near((2..=57).map(|bits| 1_i64 << bits).collect()),
            0_i64..1 << 57,
        ]
    }

    proptest! {
        #[test]
        fn what_leaves_has_fifteen_digits_at_most_and_none_is_lost_r_v7(
            (one, other) in (totals(), totals()),
            before in prop::sample::select(vec![0, i64::MAX - (1 << 58)]),
            decimals in 0..=Scale::DECIMALS_MAX,
        ) {
            let (sealed, total) = (before + one.min(other), before + one.max(other));
            let segment = SegmentId::derived(&[b"s"]);
            let meter = MeterId::derived(&[b"m"]);
            let sum = Sum {
                key: SumKey { segment, origin: segment, meter },
                sealed: Quantity::from_scaled(sealed),
                total: Quantity::from_scaled(total),
            };
            let scale = Scale::try_from(decimals).unwrap();
            let (mut reached, mut count) = (sum.sealed, 0_i64);
            for (from, to) in pieces(&sum) {
                prop_assert_eq!(from, reached);
                let quantity = to.checked_sub(from).unwrap();
                prop_assert!(quantity > Quantity::ZERO && quantity.scaled() < 1 << 53);
                let text = scale.render(quantity);
                prop_assert_eq!(scale.parse(&text), Ok(quantity));
                // A double of its digits is the same number.
                let double: f64 = quantity.scaled().to_string().parse().unwrap();
                prop_assert_eq!(format!("{double:.0}"), quantity.scaled().to_string());
                (reached, count) = (to, count + 1);
            }
            prop_assert_eq!(reached, sum.total);
            let needed = (total - sealed) / Quantity::REPORTED_MAX.scaled();
            prop_assert!(count <= needed + 1, "{count} pieces");
        }
    }
}
