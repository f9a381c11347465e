use std::time::Duration;

use http::Method;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::transport::Operation;
use serde_json::Value;

use super::super::story::Story;
use super::super::{DemoError, World, missing, text};
use super::cast::Cast;

const PUBLISH: &str = "/api/v1/monetization/publish-usage";
const STATUS: &str = "/api/v1/monetization/publish-usage/status";
/// How often the status is asked for while a run lasts, and how often at most.
const ASK_EVERY: Duration = Duration::from_millis(20);
const ASK_TIMES_MAX: usize = 500;

/// Reports use to the engine that invoices it itself.
pub(super) async fn publish(
    world: &World,
    cast: &Cast,
    story: &mut Story,
) -> Result<(), DemoError> {
    story.section("Use is published to the engine that makes the invoices")?;
    let owner = &cast.other_owner;
    let mock = world
        .server
        .mock()
        .ok_or_else(|| missing("the mock engine"))?;
    let before = owner.get(STATUS).await?;
    tell_status("before the first run", &before, story)?;
    // The engine takes its time, so that somebody can ask twice.
    mock.inject(Injection::next(Fault::Hold).on(Operation::TakeUsage));
    let first = owner.ask(Method::POST, PUBLISH, &Value::Null).await?;
    story.call("POST .../monetization/publish-usage", &first)?;
    story.say(String::from_utf8_lossy(&first.body))?;
    let second = owner.ask(Method::POST, PUBLISH, &Value::Null).await?;
    story.call("POST .../monetization/publish-usage, again", &second)?;
    mock.release();
    mock.clear_faults();
    for _ in 0..ASK_TIMES_MAX {
        let status = owner.get(STATUS).await?;
        if text(&status, "/state")? == "COMPLETED" {
            tell_status("after the run", &status, story)?;
            story.check(
                "publishing ended",
                &"SUCCESSFUL",
                &text(&status, "/status")?,
            )?;
            return Ok(());
        }
        // A call of the engine that came after the release would be held as well.
        mock.release();
        tokio::time::sleep(ASK_EVERY).await;
    }
    Err(missing("the end of publishing"))
}

fn tell_status(when: &str, status: &Value, story: &mut Story) -> Result<(), DemoError> {
    let (state, result) = (text(status, "/state")?, text(status, "/status")?);
    Ok(story.say(format_args!("status {when}: {state}, {result}"))?)
}

/// What the mock engine has counted of its one subscription that it invoices itself.
pub(super) fn counted_at_engine(world: &World) -> Result<String, DemoError> {
    let mock = world
        .server
        .mock()
        .ok_or_else(|| missing("the mock engine"))?;
    let subscriptions = mock.subscriptions();
    let subscription = subscriptions
        .first()
        .ok_or_else(|| missing("a subscription"))?;
    let counted = subscription
        .records
        .iter()
        .map(|record| record.quantity.scaled());
    Ok(counted.sum::<i64>().to_string())
}
