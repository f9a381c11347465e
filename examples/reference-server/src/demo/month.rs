//! A whole month: what is sold, who buys it, what they use, what they owe.

use std::time::Duration;

use http::{Method, StatusCode};
use monetization_core::clock::Timestamp;
use monetization_engine_mock::provider::Rules;
use monetization_store_sqlite::Synchronous;
use serde_json::Value;

use super::story::{Column, Story};
use super::{DemoError, World, WorldOptions, missing, text};
use cast::{Cast, Developer};

mod cast;
mod closing;
mod days;
mod publishing;

const START: &str = "2026-01-01T00:00:00Z";
const DAY: Duration = Duration::from_secs(86_400);

/// Plays the month.
pub(super) async fn play(story: &mut Story) -> Result<(), DemoError> {
    let start: Timestamp = START.parse().map_err(|_| missing("a start"))?;
    let world = World::start(WorldOptions {
        start,
        synchronous: Synchronous::Full,
        rules: Rules::default(),
    })
    .await?;
    story.title("A month of an API that earns money")?;
    story.say(
        "Real HTTP through a gateway to a real upstream on this machine; the clock is moved",
    )?;
    story.say("by hand. Developers and their organisations are invented.")?;
    let mut cast = cast::open_shop(&world, story).await?;
    cast.buy(&world, story).await?;
    days::live(&world, start, &mut cast, story).await?;
    publishing::publish(&world, &cast, story).await?;
    closing::close(&world, start, &mut cast, story).await?;
    check(&world, &cast, story).await?;
    let broken = world.broken_invariants().await?;
    story.check("invariants of the database that do not hold", &0, &broken)?;
    story.check("calls left without a record", &0, &world.end().await)?;
    story.verdict()?;
    Ok(())
}

/// Compares what is billed with what others have counted.
async fn check(world: &World, cast: &Cast, story: &mut Story) -> Result<(), DemoError> {
    story.section("Every figure, counted by those who were there")?;
    let mut rows = Vec::new();
    for developer in cast.all() {
        rows.push(vec![
            developer.name.to_owned(),
            developer.january.received.to_string(),
            developer.january.upstream.to_string(),
            developer.january.ledger.to_string(),
        ]);
    }
    let columns = [
        Column::Left("January, calls answered 2xx"),
        Column::Right("client received"),
        Column::Right("upstream answered"),
        Column::Right("ledger billed"),
    ];
    story.table(&columns, &rows)?;
    story.say("")?;
    for developer in cast.all() {
        let january = &developer.january;
        let what = |who: &str| format!("{}: ledger and {who}", developer.name);
        story.check(&what("upstream"), &january.upstream, &january.ledger)?;
        story.check(&what("client"), &january.received, &january.ledger)?;
    }
    let quota = cast.starter.january.ledger;
    story.check("a strict quota of 100 let through", &100, &quota)?;
    check_invoices(cast, story).await?;
    let counted = publishing::counted_at_engine(world)?;
    story.check(
        "the engine was told of",
        &cast.engine_billed.january.ledger.to_string(),
        &counted,
    )?;
    Ok(())
}

async fn check_invoices(cast: &Cast, story: &mut Story) -> Result<(), DemoError> {
    let none = cast.starter.invoices().await?.len();
    story.check("invoices of the free plan", &0, &none)?;
    let fixed = cast.team.invoice_of_a_period().await?;
    story.check(
        "the fixed plan's month",
        &"49.00",
        &text(&fixed, "/total/amount")?,
    )?;
    let metered = cast.business.invoice_of_a_period().await?;
    let used = usage_line(&metered)?;
    story.check(
        "units on the metered invoice",
        &cast.business.january.ledger.to_string().as_str(),
        &text(used, "/used")?,
    )?;
    // 25.00 and a cent for every call beyond 1,000, counted here by hand.
    let cents = cast
        .business
        .january
        .received
        .saturating_sub(1_000)
        .saturating_add(2_500);
    let expected = format!("{}.{:02}", cents / 100, cents % 100);
    story.check(
        "the metered plan's month",
        &expected.as_str(),
        &text(&metered, "/total/amount")?,
    )?;
    Ok(())
}

fn usage_line(invoice: &Value) -> Result<&Value, DemoError> {
    let lines = invoice["lines"].as_array().into_iter().flatten();
    let mut usage = lines.filter(|line| line["kind"] == "usage");
    usage.next().ok_or_else(|| missing("the line of use"))
}

/// Pays at the checkout page, as a customer would.
async fn pay(world: &World, url: &str) -> Result<(), DemoError> {
    let path = url
        .split_once("/mock/")
        .map(|(_, rest)| format!("/mock/{rest}"));
    let path = path.ok_or_else(|| missing("a payment link"))?;
    let paid = world.owner.ask(Method::POST, &path, &Value::Null).await?;
    if paid.status == StatusCode::OK {
        return Ok(());
    }
    Err(DemoError::Unexpected {
        request: "the checkout page".to_owned(),
        status: paid.status,
        body: String::from_utf8_lossy(&paid.body).into_owned(),
    })
}

impl Developer {
    async fn invoices(&self) -> Result<Vec<Value>, DemoError> {
        let all = self.api.all("/api/v1/invoices").await?;
        Ok(all
            .into_iter()
            .filter(|invoice| invoice["subscription"] == self.subscription)
            .collect())
    }

    /// The invoice of the month, not that of the start.
    async fn invoice_of_a_period(&self) -> Result<Value, DemoError> {
        let invoices = self.invoices().await?.into_iter();
        let mut periods = invoices.filter(|invoice| !invoice["period"].is_null());
        periods
            .next()
            .ok_or_else(|| missing("an invoice of the month"))
    }
}
