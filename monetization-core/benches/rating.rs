//! What rating costs, against the same calculation with `rust_decimal`, in one run.
//!
//! An invoice has ten lines with five graduated tiers each: those of two periods of five meters. Both sides run in turns;
//! a figure is the median of its rounds, and both come to the same cents.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{MeterId, PlanVersionId, SegmentId, SubscriptionId, TypedId};
use monetization_core::invoice::Invoicing;
use monetization_core::money::{Quantity, Rounding, Scale};
use monetization_core::period::{Cycle, Schedule};
use monetization_core::plan::{PlanTerms, Price, UsagePrice};
use monetization_core::pricing::{Priced, price};
use monetization_core::product::{Meter, MeterDraft};
use monetization_core::rating::{SegmentUse, Used, total, usage_lines};
use monetization_core::subscription::Segment;

/// Meters of a plan, which may have eight at most: an invoice has the lines of two periods.
const METERS: i64 = 5;
const PERIODS: i64 = 2;
const ROUNDS: usize = 15;
const INVOICES: i64 = 5_000;
const GOAL_PER_SECOND: f64 = 500_000.0;

fn main() {
    let terms = terms();
    let peer = Peer::of(&terms);
    for invoice in 0..1_000 {
        let ours = both(invoice, |period| amount(&terms, period));
        let theirs = both(invoice, |period| peer.amount(period));
        let lines = both(invoice, |period| lines_amount(&terms, period));
        assert_eq!([ours, ours], [theirs, lines], "invoice {invoice}");
    }
    let [mut ours, mut lines, mut theirs] = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        ours.push(timed(|period| amount(&terms, period)));
        theirs.push(timed(|period| peer.amount(period)));
        lines.push(timed(|period| lines_amount(&terms, period)));
    }
    let theirs = median(theirs);
    for (name, ns) in [
        ("amounts of 10 lines with 5 tiers", median(ours)),
        ("the same as lines of an invoice, with texts", median(lines)),
    ] {
        let rate = 1e9 / ns;
        let verdict = if rate >= GOAL_PER_SECOND {
            "met"
        } else {
            "MISSED"
        };
        println!(
            "{name:<46} {ns:>7.0} ns, rust_decimal {theirs:>7.0} ns, ratio {:.2}; {rate:>9.0} a second, \
             goal {GOAL_PER_SECOND:.0}: {verdict}",
            ns / theirs
        );
    }
}

/// Cents of an invoice.
fn both(invoice: i64, amount: impl Fn(i64) -> i64) -> i64 {
    (0..PERIODS)
        .map(|period| amount(invoice * PERIODS + period))
        .sum()
}

/// Nanoseconds an invoice.
fn timed(amount: impl Fn(i64) -> i64) -> f64 {
    let began = Instant::now();
    for invoice in 0..INVOICES {
        black_box(both(black_box(invoice), &amount));
    }
    began.elapsed().as_nanos() as f64 / INVOICES as f64
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn terms() -> PlanTerms {
    let names = (0..METERS).map(|line| format!("meter-{line}"));
    let meters: Vec<Meter> = names
        .map(|name| {
            let id = MeterId::derived(&[name.as_bytes()]);
            MeterDraft::new(name.parse().unwrap()).check(id).unwrap()
        })
        .collect();
    let mut usage = String::new();
    for line in 0..METERS {
        let comma = if line > 0 { "," } else { "" };
        write!(
            usage,
            r#"{comma}{{"meter": "meter-{line}", "graduated": [
                {{"up_to": "1000", "unit_price": "0.0{line}5"}},
                {{"up_to": "10000", "unit_price": "0.0043", "flat": "1.5"}},
                {{"up_to": "100000", "unit_price": "0.00327", "flat": "2"}},
                {{"up_to": "1000000", "unit_price": "0.002119"}},
                {{"unit_price": "0.0011"}}]}}"#
        )
        .unwrap();
    }
    let draft = format!(
        r#"{{"billing": "metered", "currency": "USD", "cycle": "month", "usage": [{usage}]}}"#
    );
    PlanTerms::new(serde_json::from_str(&draft).unwrap(), meters.as_slice()).unwrap()
}

/// What a line of a period has used: mostly beyond the fourth tier.
fn used(period: i64, line: i64) -> i64 {
    800_000 + (period * 7_919 + line * 104_729) % 4_000_000
}

/// Cents, each line rounded once.
fn amount(terms: &PlanTerms, period: i64) -> i64 {
    let lines = terms.usage().iter().zip(0..);
    lines
        .map(|(usage, line)| {
            let by = Priced {
                by: &usage.price,
                scale: Scale::WHOLE,
                zero_use: usage.zero_use,
            };
            let exact = price(&by, Quantity::from_scaled(used(period, line))).unwrap();
            let rounded = exact.round(terms.currency(), Rounding::HalfAwayFromZero);
            rounded.unwrap().minor()
        })
        .sum()
}

/// The same by way of the lines that are kept, with their steps and texts.
fn lines_amount(terms: &PlanTerms, period: i64) -> i64 {
    let (start, end) = (
        Timestamp::from_micros(0),
        Timestamp::from_micros(2_678_400_000_000),
    );
    let schedule = Schedule::new(start, Cycle::MONTH);
    let of_line = |(usage, line): (&UsagePrice, i64)| {
        (usage.meter.id, Quantity::from_scaled(used(period, line)))
    };
    let segment = SegmentUse {
        segment: Segment {
            id: SegmentId::from_uuid(Uuid::nil()),
            subscription: SubscriptionId::from_uuid(Uuid::nil()),
            version: PlanVersionId::from_uuid(Uuid::nil()),
            invoicing: Invoicing::ByCore,
            period_index: 0,
            period: Span { start, end },
            span: Span { start, end },
        },
        schedule: &schedule,
        terms,
        used: terms.usage().iter().zip(0..).map(of_line).collect::<Used>(),
    };
    let lines = usage_lines(&[segment]).unwrap();
    total(terms, &lines).unwrap().minor()
}

/// The tiers as numbers of `rust_decimal`, read beforehand.
struct Peer {
    lines: Vec<Vec<(Option<Decimal>, Decimal, Decimal)>>,
}

impl Peer {
    fn of(terms: &PlanTerms) -> Self {
        let tiers = |price: &Price| match price {
            Price::Graduated { tiers } => tiers.clone(),
            other => panic!("{other:?} is not graduated"),
        };
        let lines = terms.usage().iter().map(|usage| {
            let tiers = tiers(&usage.price).into_iter().map(|tier| {
                let up_to = tier.up_to.map(|up_to| Decimal::from(up_to.scaled()));
                (up_to, tier.unit_price.decimal(), tier.flat.decimal())
            });
            tiers.collect()
        });
        Self {
            lines: lines.collect(),
        }
    }

    fn amount(&self, period: i64) -> i64 {
        let lines = self.lines.iter().zip(0..);
        let cents = lines.map(|(tiers, line)| {
            let quantity = Decimal::from(used(period, line));
            let (mut floor, mut sum) = (Decimal::ZERO, Decimal::ZERO);
            for (up_to, unit_price, flat) in tiers {
                if quantity <= floor && floor > Decimal::ZERO {
                    break;
                }
                let reached = up_to.map_or(quantity, |up_to| up_to.min(quantity));
                sum += (reached - floor) * *unit_price + *flat;
                floor = reached.max(up_to.unwrap_or(reached));
            }
            let rounded = sum.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
            i64::try_from(rounded * Decimal::ONE_HUNDRED).unwrap()
        });
        cents.sum()
    }
}
