use std::collections::{BTreeMap, BTreeSet};

use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{ConsumerId, PlanId, PlanVersionId, ProductId, SubscriptionId};
use monetization_core::invoice::Invoicing;
use monetization_core::key::ApiKey;
use monetization_core::period::TimeZone;
use monetization_core::secret::Secret;
use monetization_core::subscription::{
    BlockReason, PlanChange, Subscription, SubscriptionState, Timeline,
};
use monetization_core::text::{Name, Prose, Slug};
use serde::Serialize;

use super::keys::KeyView;
use super::parties::BuyerDto;

/// A subscription, as those see it whose business it is.
#[derive(Debug, Serialize)]
pub(super) struct SubscriptionView {
    id: SubscriptionId,
    consumer: ConsumerId,
    buyer: BuyerDto,
    application: Option<Name>,
    product: ProductId,
    plan: PlanId,
    /// The version in force now.
    version: PlanVersionId,
    /// Versions that are to follow it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeView>,
    invoicing: Invoicing,
    status: SubscriptionState,
    /// Why calls are refused although it lives.
    blocks: BTreeSet<BlockReason>,
    /// The billing period that is running.
    period: Option<Span>,
    /// The time zone that its billing periods to come go by.
    time_zone: TimeZone,
    ends_at: Option<Timestamp>,
    /// How many calls its paid bundles come to, in all, by operation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    prepaid: BTreeMap<Slug, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_because: Option<Prose>,
    /// Where to pay what is due before the first call.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_url: Option<String>,
    created_at: Timestamp,
    /// In the answer to the order only: the key, with its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyView>,
}

/// Another version comes into force.
#[derive(Debug, Serialize)]
struct ChangeView {
    at: Timestamp,
    version: PlanVersionId,
}

fn to_come(timeline: &Timeline, now: Timestamp) -> Vec<ChangeView> {
    let changes = timeline.changes.iter().filter(|change| change.at > now);
    let view = |change: &PlanChange| ChangeView {
        at: change.at,
        version: change.version,
    };
    changes.map(view).collect()
}

impl SubscriptionView {
    /// As it stands at `now`.
    pub(super) fn new(subscription: Subscription, now: Timestamp) -> Self {
        let timeline = subscription.timeline;
        let unpaid = subscription.state == SubscriptionState::AwaitingPayment;
        Self {
            id: subscription.id,
            consumer: subscription.consumer,
            buyer: subscription.buyer.into(),
            application: subscription.application,
            product: subscription.product,
            plan: subscription.plan,
            version: timeline.version_at(now),
            changes: to_come(&timeline, now),
            invoicing: subscription.invoicing,
            status: subscription.state,
            blocks: subscription.blocks,
            period: timeline.schedule.period_at(now),
            time_zone: timeline.schedule.zone(),
            ends_at: timeline.ends_at,
            prepaid: subscription.prepaid,
            rejected_because: subscription.rejected_because,
            payment_url: subscription.payment_url.filter(|_| unpaid),
            created_at: subscription.created_at,
            key: None,
        }
    }

    /// With the key that was made for it.
    pub(super) fn with_key(mut self, made: Option<(ApiKey, Secret)>) -> Self {
        self.key = made.map(|(key, secret)| KeyView::revealed(key, &secret));
        self
    }
}
