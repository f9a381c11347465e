use std::time::Duration;

use http::StatusCode;
use monetization_core::clock::Timestamp;
use serde_json::Value;

use super::super::story::{Column, Story};
use super::super::{DemoError, World, missing, text};
use super::cast::{Cast, Developer};
use super::{DAY, pay};

/// The month is over and the invoices are made; one of them is paid late.
pub(super) async fn close(
    world: &World,
    start: Timestamp,
    cast: &mut Cast,
    story: &mut Story,
) -> Result<(), DemoError> {
    story.section("The month is over")?;
    let first_of_february = start.saturating_add(DAY.saturating_mul(31));
    // Past the time that core leaves for calls under way and the engine for late reports.
    world
        .travel(first_of_february.saturating_add(Duration::from_secs(2 * 3_600)))
        .await?;
    tell_invoices(cast, story).await?;
    for developer in [&cast.team, &cast.engine_billed] {
        developer.pays_what_is_open(world).await?;
    }
    story.say("")?;
    story.say("developer-2 and developer-4 pay; developer-3 lets it slide")?;
    dun(world, first_of_february, cast, story).await
}

async fn dun(
    world: &World,
    first_of_february: Timestamp,
    cast: &mut Cast,
    story: &mut Story,
) -> Result<(), DemoError> {
    story.section("An invoice falls past due, and is paid")?;
    let january = cast.business.january;
    world
        .travel(first_of_february.saturating_add(DAY.saturating_mul(7)))
        .await?;
    story.say("8 February, a week after the invoice:")?;
    let before = cast.business.call(world).await?;
    story.call("developer-3: GET /weather/today", &before)?;
    world
        .travel(first_of_february.saturating_add(DAY.saturating_mul(15)))
        .await?;
    story.say("16 February, fifteen days after it, with fourteen to pay:")?;
    let unpaid = cast.business.call(world).await?;
    story.call("developer-3: GET /weather/today", &unpaid)?;
    cast.business.pays_what_is_open(world).await?;
    story.say("developer-3 pays at the checkout page; nobody else has to do anything:")?;
    let paid = cast.business.call(world).await?;
    story.call("developer-3: GET /weather/today", &paid)?;
    story.check("before it was due", &StatusCode::OK, &before.status)?;
    story.check("past due", &StatusCode::PAYMENT_REQUIRED, &unpaid.status)?;
    story.check("paid", &StatusCode::OK, &paid.status)?;
    // Those calls are February's.
    cast.business.january = january;
    Ok(())
}

async fn tell_invoices(cast: &Cast, story: &mut Story) -> Result<(), DemoError> {
    let mut rows = Vec::new();
    for developer in cast.all() {
        let mut invoices = developer.invoices().await?;
        invoices.sort_by_key(|invoice| invoice["issued_at"].as_str().map(ToOwned::to_owned));
        for invoice in invoices {
            rows.extend(rows_of(developer, &invoice)?);
        }
    }
    let columns = [
        Column::Left("developer"),
        Column::Left("invoice"),
        Column::Left("line"),
        Column::Right("amount"),
        Column::Left("status"),
    ];
    Ok(story.table(&columns, &rows)?)
}

fn rows_of(developer: &Developer, invoice: &Value) -> Result<Vec<Vec<String>>, DemoError> {
    let lines = invoice["lines"]
        .as_array()
        .ok_or_else(|| missing("lines"))?;
    let what = if invoice["period"].is_null() {
        "start"
    } else {
        "January"
    };
    let mut rows = Vec::new();
    for line in lines {
        rows.push(vec![
            developer.name.to_owned(),
            what.to_owned(),
            text(line, "/description")?.to_owned(),
            text(line, "/amount/amount")?.to_owned(),
            String::new(),
        ]);
    }
    let total = text(invoice, "/total/amount")?;
    let currency = text(invoice, "/total/currency")?;
    rows.push(vec![
        String::new(),
        String::new(),
        format!("total {currency}"),
        total.to_owned(),
        text(invoice, "/status")?.to_owned(),
    ]);
    Ok(rows)
}

impl Developer {
    async fn pays_what_is_open(&self, world: &World) -> Result<(), DemoError> {
        for invoice in self.invoices().await? {
            if let Some(link) = invoice["payment_url"].as_str() {
                pay(world, link).await?;
            }
        }
        Ok(())
    }
}
