//! What is asked of Stripe, byte for byte, and what becomes of its answers.

use monetization_core::consumer::Consumer;
use monetization_core::engine::NewSubscription;
use monetization_core::ids::{ConsumerId, MeterId, PlanVersionId, SubscriptionId, TypedId};
use monetization_core::period::{Cycle, Schedule};
use monetization_core::plan::{Billing, PlanTerms, PlanVersion, TermsDraft, UsageDraft};
use monetization_core::product::Meter;

use crate::tests::{Reply, Seen};

mod changing;
mod charging;
mod ending;
mod feed;
mod invoices;
mod pages;
mod plans;
mod starting;
mod usage;
mod withdrawing;

const START: &str = "2026-01-01T00:00:00Z";
const SUBSCRIBED: &str = "2026-01-15T10:00:00Z";

fn meter() -> Meter {
    Meter::requests(MeterId::derived(&[b"requests"])).unwrap()
}

fn plan_id() -> PlanVersionId {
    PlanVersionId::derived(&[b"gold 1"])
}

/// Gold: 25 dollars a month, 1,000 calls included, a cent for each further one, 10 at the start.
fn gold() -> PlanVersion {
    let mut draft = TermsDraft::new(Billing::Metered, "USD".parse().unwrap(), Cycle::MONTH);
    draft.base_price = Some("25".to_owned());
    draft.setup_fee = Some("10".to_owned());
    draft.usage = vec![UsageDraft {
        included: Some("1000".to_owned()),
        ..UsageDraft::per_unit(Meter::REQUESTS.parse().unwrap(), "0.01".parse().unwrap())
    }];
    PlanVersion {
        id: plan_id(),
        tenant: TypedId::derived(&[b"t"]),
        product: TypedId::derived(&[b"weather"]),
        plan: TypedId::derived(&[b"gold"]),
        number: 1,
        name: "Gold".parse().unwrap(),
        terms: PlanTerms::new(draft, &[meter()]).unwrap(),
        created_at: START.parse().unwrap(),
    }
}

fn consumer() -> Consumer {
    Consumer {
        id: ConsumerId::derived(&[b"c"]),
        tenant: TypedId::derived(&[b"t"]),
        name: "Example Ltd".parse().unwrap(),
        members: Vec::new(),
        grace_days: None,
        created_at: START.parse().unwrap(),
    }
}

fn subscription() -> SubscriptionId {
    SubscriptionId::derived(&[b"s"])
}

fn wanted() -> NewSubscription {
    NewSubscription {
        subscription: subscription(),
        customer: "cus_1".parse().unwrap(),
        plan: "plv_gold".parse().unwrap(),
        schedule: Schedule::new(SUBSCRIBED.parse().unwrap(), Cycle::MONTH),
        is_cancelled: false,
    }
}

/// A subscription at Stripe, with these items and fields.
fn at_stripe(id: &str, ours: &str, items: &[(&str, &str, Option<&str>)], more: &str) -> String {
    let item = |(id, price, meter): &(&str, &str, Option<&str>)| {
        let meter = meter.map_or("null".to_owned(), |meter| format!("\"{meter}\""));
        format!(
            r#"{{"id":"{id}","current_period_start":1768471200,"current_period_end":1771149600,
                "price":{{"id":"{price}","recurring":{{"interval":"month","meter":{meter}}}}}}}"#
        )
    };
    let items: Vec<String> = items.iter().map(item).collect();
    format!(
        r#"{{"id":"{id}","status":"active","customer":"cus_1","created":1768471201,
            "metadata":{{"monetization_subscription":"{ours}"}},
            "items":{{"data":[{}]}}{more}}}"#,
        items.join(",")
    )
}

/// The first invoice of a subscription, in a state.
fn first_invoice(status: &str) -> String {
    format!(
        r#"{{"id":"in_1","status":"{status}","currency":"usd","total":3500,"created":1768471201,
            "billing_reason":"subscription_create","hosted_invoice_url":"https://pay.test/1"}}"#
    )
}

/// The plan on sale with its three prices.
fn selling(seen: &Seen) -> Option<Reply> {
    let price = |id: &str, key: &str, meter: &str| {
        format!(
            r#"{{"id":"{id}","lookup_key":"plv_gold/{key}","recurring":{{"interval":"month","interval_count":1,"meter":{meter}}}}}"#
        )
    };
    if seen.path == "/v1/products/plv_gold" {
        let product = r#"{"id":"plv_gold","active":true,"metadata":{"monetization_prices":"3"}}"#;
        return Some(Reply::ok(product));
    }
    seen.path.starts_with("/v1/prices?").then(|| {
        let (setup, usage, base) = (
            price("price_setup", "setup", "null"),
            price("price_usage", "mtr_1", "\"mtr_1\""),
            price("price_base", "base", "null"),
        );
        Reply::list(&[&setup, &usage, &base])
    })
}
