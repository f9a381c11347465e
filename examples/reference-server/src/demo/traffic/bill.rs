use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::story::{Column, Story};
use super::super::{DemoError, World, missing, text};
use super::people::Person;
use crate::access_log::AccessLog;
use crate::cli::DemoArgs;

/// Consumers that are shown where not all of them are.
const SHOWN: usize = 10;

/// Shows what everybody has used, was refused, and owes.
pub(super) async fn tell(
    args: &DemoArgs,
    world: &World,
    people: &mut [Person],
    story: &mut Story,
) -> Result<(), DemoError> {
    story.section("Invoices")?;
    read_invoices(world, &price(args)?, people).await?;
    let mut order: Vec<&Person> = people.iter().collect();
    order.sort_by_key(|person| Reverse((person.tally.billed, person.tally.calls)));
    let shown = if args.all { order.len() } else { SHOWN };
    let mut rows: Vec<Vec<String>> = order.iter().take(shown).map(|person| row(person)).collect();
    let sum = |of: fn(&Person) -> u64| people.iter().map(of).sum::<u64>().to_string();
    let cents: i64 = people.iter().map(|person| person.tally.cents).sum();
    rows.push(vec![
        format!("all {}", people.len()),
        sum(|person| person.tally.calls),
        sum(|person| person.tally.received),
        sum(|person| person.tally.refused.values().sum()),
        sum(|person| person.tally.billed),
        dollars(cents),
        String::new(),
    ]);
    let columns = [
        Column::Left("consumer"),
        Column::Right("calls"),
        Column::Right("2xx"),
        Column::Right("refused"),
        Column::Right("billed"),
        Column::Right("USD"),
        Column::Left("invoice"),
    ];
    Ok(story.table(&columns, &rows)?)
}

/// Compares what is billed with what others have counted.
pub(super) async fn check(
    world: &World,
    log: &AccessLog,
    people: &[Person],
    story: &mut Story,
) -> Result<(), DemoError> {
    story.section("Every figure, counted by those who were there")?;
    let good = |status: u16| (200..300).contains(&status);
    let logged = log.calls.iter().filter(|call| good(call.status)).count();
    let refused: u64 = people.iter().map(|person| person.tally.refused_good).sum();
    story.figure("lines of the log answered 2xx", logged)?;
    story.figure("of those refused by the gateway", refused)?;
    let sum = |of: fn(&Person) -> u64| people.iter().map(of).sum::<u64>();
    let billed = sum(|person| person.tally.billed);
    let expected = u64::try_from(logged)
        .unwrap_or(u64::MAX)
        .saturating_sub(refused);
    story.check("billed calls and the log's own count", &expected, &billed)?;
    let upstream = |person: &Person| world.upstream.count(&person.consumer).good;
    let answered: u64 = people.iter().map(upstream).sum();
    story.check("billed calls and the upstream's count", &answered, &billed)?;
    story.check(
        "billed calls and the client's count",
        &sum(|person| person.tally.received),
        &billed,
    )?;
    let disagree = people.iter().filter(|person| {
        let (tally, answered) = (&person.tally, upstream(person));
        tally.billed != answered || tally.billed != tally.received
    });
    story.check(
        "consumers for whom any of them differ",
        &0,
        &disagree.count(),
    )?;
    let owed: i64 = people.iter().map(|person| person.tally.owed).sum();
    let cents: i64 = people.iter().map(|person| person.tally.cents).sum();
    story.check(
        "USD invoiced and counted by hand",
        &dollars(owed),
        &dollars(cents),
    )?;
    let unpaid = people.iter().filter(|person| person.tally.status != "paid");
    story.check("invoices that are not paid", &0, &unpaid.count())?;
    Ok(())
}

/// What one consumer owes, calculated apart from the server: in billionths of a cent.
struct Price {
    per_call: i128,
    included: u64,
}

const CENT: i128 = 10_000_000_000;

fn price(args: &DemoArgs) -> Result<Price, DemoError> {
    let (whole, fraction) = args.price.split_once('.').unwrap_or((&args.price, ""));
    let digits = format!("{whole}{fraction:0<12}");
    let per_call = digits.parse().map_err(|_| missing("a price"))?;
    Ok(Price {
        per_call,
        included: u64::from(args.included),
    })
}

impl Price {
    /// Cents for so many calls of one month, a half rounded up.
    fn of(&self, calls: u64) -> i64 {
        let charged = i128::from(calls.saturating_sub(self.included));
        let exact = charged.saturating_mul(self.per_call);
        let cents = exact.saturating_add(CENT / 2) / CENT;
        i64::try_from(cents).unwrap_or(i64::MAX)
    }
}

async fn read_invoices(
    world: &World,
    price: &Price,
    people: &mut [Person],
) -> Result<(), DemoError> {
    let mut by_subscription: BTreeMap<String, &mut Person> = people
        .iter_mut()
        .map(|person| (person.subscription.clone(), person))
        .collect();
    for invoice in world.owner.all("/api/v1/invoices").await? {
        let subscription = text(&invoice, "/subscription")?;
        let person = by_subscription.get_mut(subscription);
        let tally = &mut person.ok_or_else(|| missing("whose an invoice is"))?.tally;
        let amount: String = text(&invoice, "/total/amount")?
            .chars()
            .filter(|letter| *letter != '.')
            .collect();
        let cents: i64 = amount.parse().map_err(|_| missing("an amount"))?;
        tally.cents = tally.cents.saturating_add(cents);
        text(&invoice, "/status")?.clone_into(&mut tally.status);
        let lines = invoice["lines"].as_array().into_iter().flatten();
        for used in lines.filter_map(|line| line["used"].as_str()) {
            let used: u64 = used.parse().map_err(|_| missing("a number of units"))?;
            tally.billed = tally.billed.saturating_add(used);
            tally.owed = tally.owed.saturating_add(price.of(used));
        }
    }
    Ok(())
}

fn row(person: &Person) -> Vec<String> {
    let tally = &person.tally;
    vec![
        person.address.to_string(),
        tally.calls.to_string(),
        tally.received.to_string(),
        tally.refused.values().sum::<u64>().to_string(),
        tally.billed.to_string(),
        dollars(tally.cents),
        tally.status.clone(),
    ]
}

fn dollars(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
