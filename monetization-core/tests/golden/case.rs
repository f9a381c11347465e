use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{PlanVersionId, SegmentId, SubscriptionId, TypedId};
use monetization_core::invoice::Invoicing;
use monetization_core::money::{Exact, Scale};
use monetization_core::period::{Cycle, Schedule};
use monetization_core::plan::PlanTerms;
use monetization_core::product::Meter;
use monetization_core::rating::{SegmentUse, Used};
use monetization_core::subscription::Segment;
use serde::Deserialize;
use serde_json::{Value, json};

/// The scale of every meter here: the finest there is.
pub(super) const SCALE: u8 = 6;

static SCHEDULE: Schedule = Schedule::new(Timestamp::EPOCH, Cycle::MONTH);

/// One worked example.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) config: Value,
    pub(super) input: Value,
    pub(super) expected: Value,
    #[serde(default)]
    pub(super) core: bool,
}

/// The difference to what is expected, in words.
pub(super) type Checked = Result<(), String>;

pub(super) fn all() -> Vec<Case> {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}

impl Case {
    /// A field of the input.
    pub(super) fn input(&self, name: &str) -> &str {
        text(&self.input[name])
    }

    /// Compares amounts with the expected one of this name.
    pub(super) fn expects(&self, name: &str, actual: Exact) -> Checked {
        same(name, text(&self.expected[name]), actual)
    }
}

pub(super) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

/// The same number, however many zeros it has.
pub(super) fn same(what: &str, expected: &str, actual: Exact) -> Checked {
    if exact(expected) == actual {
        Ok(())
    } else {
        Err(format!("{what} is {actual}, expected {expected}"))
    }
}

pub(super) fn exact(text: &str) -> Exact {
    serde_json::from_value(Value::from(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A quantity of the finest scale.
pub(super) fn quantity(text: &str) -> monetization_core::money::Quantity {
    Scale::try_from(SCALE).unwrap().parse(text).unwrap()
}

/// Compares fields with those that are expected; others are not asked for.
pub(super) fn agree<'a>(
    case: &Case,
    actual: impl IntoIterator<Item = (&'a str, Value)>,
) -> Checked {
    let mut is_asked = false;
    for (name, actual) in actual {
        let expected = &case.expected[name];
        if !expected.is_null() && *expected != actual {
            return Err(format!("{name} is {actual}, expected {expected}"));
        }
        is_asked |= !expected.is_null();
    }
    if is_asked {
        Ok(())
    } else {
        Err("nothing of what is expected was compared".to_owned())
    }
}

/// An instant, or the midnight in UTC with which a date begins.
pub(super) fn instant(text: &str) -> Timestamp {
    let text = text.replace("+00:00", "Z");
    let text = if text.contains('T') {
        text
    } else {
        format!("{text}T00:00:00Z")
    };
    text.parse().unwrap()
}

/// The date in UTC.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string()[..10].to_owned()
}

/// A plan that prices the use of one meter so.
pub(super) fn plan(usage: &Value, meter: Meter) -> PlanTerms {
    let draft = json!({
        "billing": "metered", "currency": "USD", "cycle": "month", "usage": [usage],
    });
    let draft = serde_json::from_value(draft).unwrap();
    PlanTerms::new(draft, &[meter]).unwrap_or_else(|error| panic!("{usage}: {error}"))
}

/// One of `count` segments that share a period.
pub(super) fn used(
    (place, count): (usize, usize),
    terms: &PlanTerms,
    used: Used,
) -> SegmentUse<'_> {
    let instant = |number: usize| Timestamp::from_micros(i64::try_from(number).unwrap());
    SegmentUse {
        segment: Segment {
            id: SegmentId::derived(&[&[u8::try_from(place).unwrap()]]),
            subscription: SubscriptionId::derived(&[b"s"]),
            version: PlanVersionId::derived(&[b"v"]),
            invoicing: Invoicing::ByCore,
            period_index: 0,
            period: Span {
                start: instant(0),
                end: instant(count),
            },
            span: Span {
                start: instant(place),
                end: instant(place + 1),
            },
        },
        schedule: &SCHEDULE,
        terms,
        used,
    }
}
