//! One product, its plan, one subscriber and a key.

use std::collections::BTreeSet;

use monetization_core::clock::Timestamp;
use monetization_core::consumer::Buyer;
use monetization_core::entropy::Entropy;
use monetization_core::ids::{ApiKeyId, MeterId, ProductId};
use monetization_core::invoice::Invoicing;
use monetization_core::key::{ApiKey, KeyKind, Pepper, PresentedKey};
use monetization_core::period::{Cycle, Schedule};
use monetization_core::plan::{
    Billing, MeteringPolicy, PlanTerms, PlanVersion, QuotaDraft, Rate, TermsDraft,
};
use monetization_core::product::{Meter, Product, ProductState, Resource};
use monetization_core::subscription::{Subscription, SubscriptionState, Timeline};

/// What is sold.
pub(crate) struct Offer {
    /// When the subscription began.
    pub(crate) anchor: Timestamp,
    pub(crate) rates: Vec<Rate>,
    pub(crate) quotas: Vec<QuotaDraft>,
    pub(crate) metering: MeteringPolicy,
    pub(crate) resources: Vec<Resource>,
    /// What is counted beside calls.
    pub(crate) meters: Vec<Meter>,
    pub(crate) endpoint: String,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            anchor: "2024-01-01T00:00:00Z".parse().unwrap(),
            rates: Vec::new(),
            quotas: Vec::new(),
            metering: MeteringPolicy::default(),
            resources: Vec::new(),
            meters: Vec::new(),
            endpoint: "http://upstream.internal:9000/v1".to_owned(),
        }
    }
}

pub(crate) fn facts(offer: &Offer, entropy: &Entropy) -> (Product, PlanVersion, Subscription) {
    let now = offer.anchor;
    let tenant = entropy.id(now);
    let product_id: ProductId = entropy.id(now);
    let requests = Meter::requests(entropy.id::<MeterId>(now)).unwrap();
    let product = Product {
        id: product_id,
        tenant,
        publisher: entropy.id(now),
        slug: "weather".parse().unwrap(),
        name: "Weather".parse().unwrap(),
        description: "".parse().unwrap(),
        gateway_endpoint: offer.endpoint.parse().unwrap(),
        state: ProductState::Active,
        meters: [vec![requests], offer.meters.clone()].concat(),
        resources: offer.resources.clone(),
        monetization: None,
        created_at: now,
    };
    let mut draft = TermsDraft::new(Billing::Free, "EUR".parse().unwrap(), Cycle::MONTH);
    draft.rates.clone_from(&offer.rates);
    draft.quotas.clone_from(&offer.quotas);
    draft.metering = offer.metering;
    let plan = entropy.id(now);
    let version = PlanVersion {
        id: entropy.id(now),
        tenant,
        product: product_id,
        plan,
        number: 1,
        name: "Plan".parse().unwrap(),
        terms: PlanTerms::new(draft, &product).unwrap(),
        created_at: now,
    };
    let schedule = Schedule::new(now, Cycle::MONTH);
    let subscription = Subscription {
        id: entropy.id(now),
        tenant,
        consumer: entropy.id(now),
        buyer: Buyer {
            user_id: "user-17".parse().unwrap(),
            name: "ada".parse().unwrap(),
        },
        application: None,
        product: product_id,
        plan,
        plan_changes: 0,
        invoicing: Invoicing::ByCore,
        state: SubscriptionState::Active,
        blocks: BTreeSet::new(),
        timeline: Timeline::starting(schedule, version.id),
        closed_periods: 0,
        request_key: None,
        rejected_because: None,
        prepaid: std::collections::BTreeMap::new(),
        payment_url: None,
        created_at: now,
    };
    (product, version, subscription)
}

/// A key to the subscription, and its text.
pub(crate) fn key_to(of: &Subscription, entropy: &Entropy, pepper: &Pepper) -> (ApiKey, String) {
    let id: ApiKeyId = entropy.id(of.created_at);
    let presented = PresentedKey::generate(KeyKind::Live, id, entropy);
    let key = ApiKey {
        id,
        tenant: of.tenant,
        consumer: of.consumer,
        subscriptions: vec![of.id],
        digest: presented.digest(pepper),
        hint: presented.hint(),
        created_at: of.created_at,
        revoked_at: None,
    };
    (key, presented.reveal().reveal().to_owned())
}
