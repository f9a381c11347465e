use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use http::HeaderValue;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::super::client::Api;
use super::super::story::Story;
use super::super::{DemoError, World, text};
use super::{SLUG, drive::Tally};
use crate::cli::DemoArgs;

/// Whoever is behind one client address.
pub(super) struct Person {
    pub(super) address: Arc<str>,
    pub(super) consumer: String,
    pub(super) subscription: String,
    pub(super) key: HeaderValue,
    pub(super) tally: Tally,
}

/// Requests to the control plane under way at once.
const AT_ONCE: usize = 16;

/// Puts the site on sale, and subscribes everybody. In the order of their addresses.
pub(super) async fn subscribe(
    args: &DemoArgs,
    world: &World,
    addresses: &[Arc<str>],
    story: &mut Story,
) -> Result<Vec<Person>, DemoError> {
    story.section("Everybody subscribes")?;
    let plan = put_on_sale(args, world, story).await?;
    let bar = bar(addresses.len(), "subscriptions");
    let subscribing = addresses.iter().map(|address| {
        let (api, plan, bar) = (&world.owner, plan.as_str(), &bar);
        async move {
            let person = person(api, plan, address).await;
            bar.inc(1);
            person
        }
    });
    let mut people: Vec<Person> = futures::stream::iter(subscribing)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    bar.finish_and_clear();
    people.sort_by(|left, right| left.address.cmp(&right.address));
    story.figure("consumers with a subscription and a key", people.len())?;
    Ok(people)
}

/// A bar for a terminal; nothing is shown elsewhere.
pub(super) fn bar(length: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("   {msg} {wide_bar} {pos}/{len} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

async fn put_on_sale(
    args: &DemoArgs,
    world: &World,
    story: &mut Story,
) -> Result<String, DemoError> {
    let owner = &world.owner;
    let product = json!({
        "publisher": world.first.publisher, "slug": SLUG, "name": "The site of the log",
        "description": "Whatever was asked for.",
        "gateway_endpoint": format!("http://{}", world.upstream.address()),
    });
    let product = owner.post("/api/v1/products", &product).await?;
    let product = format!("/api/v1/products/{}", text(&product, "/id")?);
    let plan = owner
        .post(&format!("{product}/plans"), &terms(args))
        .await?;
    owner
        .post(&format!("{product}/monetize"), &json!({ "enabled": true }))
        .await?;
    owner
        .patch(&product, &json!({ "status": "active" }))
        .await?;
    story.say(format_args!(
        "plan: {}; only calls answered 2xx are billed",
        text(&plan, "/price_label")?
    ))?;
    story.say(format_args!(
        "rate: {} calls in each calendar minute",
        args.rate
    ))?;
    Ok(text(&plan, "/id")?.to_owned())
}

fn terms(args: &DemoArgs) -> Value {
    json!({
        "name": "By the call",
        "terms": {
            "billing": "metered", "currency": "USD", "cycle": "month",
            "usage": [{
                "meter": "requests", "unit_price": args.price,
                "included": args.included.to_string(), "overage": "loose",
            }],
            "rates": [{ "kind": "calendar", "window": "minute", "max": args.rate }],
        },
    })
}

async fn person(api: &Api, plan: &str, address: &Arc<str>) -> Result<Person, DemoError> {
    let consumer = api
        .post("/api/v1/consumers", &json!({ "name": **address }))
        .await?;
    let consumer = text(&consumer, "/id")?.to_owned();
    let order = json!({
        "consumer": consumer, "plan": plan,
        "buyer": { "user_id": **address, "name": **address },
    });
    let ordered = api.post("/api/v1/subscriptions", &order).await?;
    let mut key = HeaderValue::from_str(text(&ordered, "/key/key")?).map_err(http::Error::from)?;
    key.set_sensitive(true);
    Ok(Person {
        address: Arc::clone(address),
        consumer,
        subscription: text(&ordered, "/id")?.to_owned(),
        key,
        tally: Tally::default(),
    })
}
