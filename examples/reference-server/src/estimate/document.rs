//! An estimate for programs: the same document on the command line and over REST.

use monetization_core::clock::Span;
use monetization_core::estimate::{Estimate, EstimatedLine, Period, Reason, Usage};
use monetization_core::plan::PlanTerms;
use monetization_core::product::Meter;
use monetization_core::text::Name;
use serde_json::{Value, json};

/// An estimate with what it is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimated<'a> {
    /// The plan; none where terms are written out.
    pub(crate) name: Option<&'a Name>,
    /// Its terms.
    pub(crate) terms: &'a PlanTerms,
    /// What the product counts.
    pub(crate) meters: &'a [Meter],
    /// What is used in each period.
    pub(crate) used: &'a Usage,
    /// From when until when, where that was said.
    pub(crate) span: Option<Span>,
    /// What it costs.
    pub(crate) estimate: &'a Estimate,
}

impl Estimated<'_> {
    /// Meters that are used and have no price, with their quantities.
    pub(super) fn unpriced(&self) -> Vec<(&Meter, String)> {
        let meters = self.meters.iter();
        let meters = meters.filter(|meter| self.terms.price_of(meter.id).is_none());
        let used = meters.filter_map(|meter| Some((meter, self.used.get(&meter.id)?)));
        used.map(|(meter, used)| (meter, meter.scale.render(used.quantity)))
            .collect()
    }
}

/// The document of an estimate.
pub(crate) fn document(estimated: &Estimated<'_>) -> Value {
    let periods = estimated.estimate.periods.iter();
    let unpriced = estimated.unpriced().into_iter();
    let unpriced =
        unpriced.map(|(meter, quantity)| json!({ "meter": meter.name, "quantity": quantity }));
    json!({
        "plan": estimated.name,
        "price_label": estimated.terms.label(),
        "currency": estimated.terms.currency(),
        "cycle": estimated.terms.cycle(),
        "periods": periods.map(|it| period(it, estimated.span.is_some())).collect::<Vec<_>>(),
        "unpriced": unpriced.collect::<Vec<_>>(),
        "total": estimated.estimate.total,
    })
}

fn period(period: &Period, is_dated: bool) -> Value {
    json!({
        "from": is_dated.then_some(period.span.start),
        "to": is_dated.then_some(period.span.end),
        "lines": period.lines.iter().map(line).collect::<Vec<_>>(),
        "total": period.total,
    })
}

fn line(line: &EstimatedLine) -> Value {
    json!({
        "what": line.what,
        "quantity": line.quantity,
        "amount": line.amount,
        "reasons": line.reasons.iter().map(reason).collect::<Vec<_>>(),
    })
}

/// A reason in fields and in words.
fn reason(reason: &Reason) -> Value {
    let mut fields = json!(reason);
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("text".to_owned(), reason.to_string().into());
    }
    fields
}
