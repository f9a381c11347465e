//! A real access log through the gateway: every client address a consumer, every line a call.
//!
//! Lines of a log are not perfectly in order: a call is written when it ends. Business time never
//! goes back, so a line that lies behind the one before it is called at the time that one has
//! reached. Calls of one instant are made at once, over connections that are kept.

use std::sync::Arc;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::money::UnitPrice;
use monetization_core::period::{Cycle, Schedule};
use monetization_engine_mock::provider::{PaymentBehaviour, Rules};
use monetization_store_sqlite::Synchronous;

use super::story::Story;
use super::{DemoError, World, WorldOptions};
use crate::access_log::AccessLog;
use crate::cli::DemoArgs;
use people::Person;

mod bill;
mod drive;
mod people;

/// What the demo's API is called.
const SLUG: &str = "site";
/// After the end of a month, until its invoices are made.
const CLOSING: Duration = Duration::from_secs(3_600);

/// Plays a log.
pub(super) async fn play(
    args: &DemoArgs,
    log: &AccessLog,
    story: &mut Story,
) -> Result<(), DemoError> {
    check_price(args)?;
    story.title("An access log, called through the gateway and billed")?;
    tell_log(log, story)?;
    let times = || log.calls.iter().map(|call| call.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return Err(DemoError::EmptyLog);
    };
    let rules = Rules {
        payment: PaymentBehaviour::Automatically,
        ..Rules::default()
    };
    let world = World::start(WorldOptions {
        start: first,
        // What is thrown away at the end need not survive the power.
        synchronous: Synchronous::Normal,
        rules,
    })
    .await?;
    let mut people = people::subscribe(args, &world, &log.addresses, story).await?;
    let unsendable = drive::drive(&world, log, &mut people, story).await?;
    close(&world, first, last).await?;
    bill::tell(args, &world, &mut people, story).await?;
    bill::check(&world, log, &people, story).await?;
    if unsendable > 0 {
        story.say(format_args!(
            "{unsendable} lines name no target that HTTP could carry"
        ))?;
    }
    story.check("calls left without a record", &0, &world.end().await)?;
    story.verdict()?;
    Ok(())
}

fn check_price(args: &DemoArgs) -> Result<(), DemoError> {
    let price = args.price.parse::<UnitPrice>();
    let refused = price.err().map(|error| DemoError::Option {
        option: "--price",
        problem: error.to_string(),
    });
    refused.map_or(Ok(()), Err)
}

fn tell_log(log: &AccessLog, story: &mut Story) -> Result<(), DemoError> {
    story.section("The log")?;
    story.figure("lines", log.lines)?;
    story.figure("calls", log.calls.len())?;
    story.figure("malformed lines", log.malformed.len())?;
    for (number, error) in log.malformed.iter().take(10) {
        story.say(format_args!("  line {number}: {error}"))?;
    }
    story.figure("client addresses", log.addresses.len())?;
    let behind = log.calls.windows(2).filter(|pair| match pair {
        [before, after] => after.at < before.at,
        _ => false,
    });
    story.figure("calls that lie behind the line before", behind.count())?;
    Ok(())
}

/// Goes to the end of every month that was used, one after the other.
async fn close(world: &World, first: Timestamp, last: Timestamp) -> Result<(), DemoError> {
    let schedule = Schedule::new(first, Cycle::MONTH);
    let until = schedule.index_at(last).unwrap_or(0);
    for index in 0..=until {
        if let Some(period) = schedule.period(index) {
            let closed_at = period.end.saturating_add(CLOSING);
            if closed_at > world.server.monetizer().now() {
                world.travel(closed_at).await?;
            }
        }
    }
    Ok(())
}

/// The person behind an address.
fn person_of<'a>(people: &'a mut [Person], address: &Arc<str>) -> Option<&'a mut Person> {
    let found = people
        .binary_search_by(|person| person.address.cmp(address))
        .ok()?;
    people.get_mut(found)
}
