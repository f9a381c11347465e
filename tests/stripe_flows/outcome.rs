//! What there is in the end, without names and times: the same whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};

use monetization_conformance::asked::one_key_for_each_wish;
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::store::BatchState;
use serde_json::Value;

use crate::database::Kept;
use crate::outside::Base;
use crate::shop::Shop;

/// What there is here and at Stripe.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    subscription: String,
    invoices: Vec<(i64, InvoiceState)>,
    credited: Vec<i64>,
    used: u64,
    at_stripe: AtStripe,
}

#[derive(Debug, PartialEq, Eq)]
struct AtStripe {
    /// How many there are of each kind.
    counts: BTreeMap<&'static str, usize>,
    subscriptions: Vec<String>,
    /// State and total, what is left to pay and what was credited, and the amounts of the lines.
    invoices: Vec<(String, i64, [i64; 3], Vec<i64>)>,
    /// What customers are owed.
    balances: Vec<i64>,
    counted: u64,
}

impl Outcome {
    /// Looks at all there is of the only subscription, which has to be whole.
    pub async fn of(shop: &Shop, subscription: SubscriptionId, story: &str) -> Self {
        is_whole(shop, subscription, story).await;
        let of = shop.subscription(subscription).await;
        let now = shop.outside.clock.now();
        let in_force = of.timeline.versions_from(now).count();
        let invoices = shop.invoices(subscription).await;
        let credits = invoices.iter().flat_map(|it| &it.credits);
        let mut outcome = Self {
            subscription: format!(
                "{:?} of plan {:?}, {:?}, versions from now on: {in_force}, changes: {}",
                of.state,
                shop.plans.iter().position(|plan| *plan == of.plan),
                of.blocks,
                of.plan_changes,
            ),
            credited: credits.map(|it| it.amount.minor()).collect(),
            invoices: invoices
                .iter()
                .map(|it| (it.total.minor(), it.state))
                .collect(),
            used: shop.recorded(subscription).await,
            at_stripe: AtStripe::of(shop),
        };
        outcome
            .invoices
            .sort_unstable_by_key(|(total, state)| (*total, state.as_str()));
        outcome
    }
}

impl AtStripe {
    fn of(shop: &Shop) -> Self {
        let kinds = ["customer", "product", "price", "subscription", "invoice"];
        let fake = shop.stripe().fake();
        let counts = kinds.map(|kind| (kind, fake.objects(kind).len()));
        let subscriptions = fake.objects("subscription").into_iter();
        let subscriptions = subscriptions.map(|it| {
            let items = it["items"]["data"].as_array().unwrap().iter();
            let mut prices: Vec<String> = items
                .map(|item| format!("{}", item["price"]["unit_amount_decimal"]))
                .collect();
            prices.sort_unstable();
            let ends = &it["cancel_at_period_end"];
            format!("{} {ends} {prices:?}", it["status"])
        });
        let mut invoices: Vec<_> = fake.objects("invoice").iter().map(told).collect();
        invoices.sort_unstable();
        let customers = fake.objects("customer").into_iter();
        let balances = customers.map(|it| it["balance"].as_i64().unwrap());
        let balances = balances.collect();
        let subscriptions = subscriptions.collect();
        drop(fake);
        Self {
            counts: counts.into(),
            subscriptions,
            invoices,
            balances,
            counted: shop.counted(),
        }
    }
}

fn told(invoice: &Value) -> (String, i64, [i64; 3], Vec<i64>) {
    let number = |value: &Value| value.as_i64().unwrap();
    let lines = invoice["lines"]["data"].as_array().unwrap().iter();
    let mut lines: Vec<i64> = lines.map(|line| number(&line["amount"])).collect();
    lines.sort_unstable();
    (
        invoice["status"].as_str().unwrap().to_owned(),
        number(&invoice["total"]),
        [
            "amount_remaining",
            "pre_payment_credit_notes_amount",
            "post_payment_credit_notes_amount",
        ]
        .map(|name| number(&invoice[name])),
        lines,
    )
}

/// One customer, at most one subscription, one invoice for each occasion; usage as in the ledger, and
/// nothing that waits for somebody.
async fn is_whole(shop: &Shop, of: SubscriptionId, story: &str) {
    let store = &shop.process().store;
    let parked = store.parked_intents(shop.tenant, None, 10).await.unwrap();
    assert_eq!(parked, [], "{story}");
    assert_eq!(shop.held().await, [], "{story}");
    for batch in shop.batches(of).await {
        assert_eq!(batch.state, BatchState::Confirmed, "{story}");
    }
    let by_engine = shop.invoicing == Invoicing::ByEngine;
    let at_stripe = AtStripe::of(shop);
    assert_eq!(at_stripe.counts["customer"], 1, "{story}");
    assert_eq!(
        at_stripe.counts["subscription"],
        usize::from(by_engine),
        "{story}"
    );
    if by_engine {
        assert_eq!(at_stripe.counted, shop.recorded(of).await, "{story}");
    }
    let invoices = shop.invoices(of).await;
    let occasions: BTreeSet<String> = invoices
        .iter()
        .map(|it| format!("{:?}", it.occasion))
        .collect();
    assert_eq!(occasions.len(), invoices.len(), "{story}: {invoices:?}");
    let mut here: Vec<i64> = invoices
        .iter()
        .filter(|it| it.state != InvoiceState::Void)
        .map(|it| it.total.minor())
        .collect();
    let at_stripe = at_stripe.invoices.iter().filter(|it| it.0 != "void");
    let mut there: Vec<i64> = at_stripe.map(|it| it.1).collect();
    here.sort_unstable();
    there.sort_unstable();
    assert_eq!(here, there, "{story}");
    if let Base::File(database) = &shop.outside.base {
        assert_eq!(database.broken().await, Vec::<String>::new(), "{story}");
    }
    one_key_for_each_wish(&shop.stripe().requests(), story);
}
