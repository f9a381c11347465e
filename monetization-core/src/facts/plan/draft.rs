//! A plan's terms as somebody writes them, and what makes them right.

use serde::{Deserialize, Serialize};

use crate::field::FieldError;
use crate::money::{Currency, Money, Rounding};
use crate::period::Cycle;
use crate::plan::{
    Approval, Billing, MeteringPolicy, Overage, PlanTerms, Quota, QuotaWindow, Rate, UsagePrice,
};
use crate::product::Meter;
use crate::text::Name;

pub use price::{CommitmentDraft, PackageDraft, StepDraft, TierDraft, UsageDraft};

mod price;

/// A plan as somebody writes it, in JSON and in plan files. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDraft {
    /// Its name.
    pub name: Name,
    /// How subscriptions come into force; at once if nothing is said.
    #[serde(default)]
    pub approval: Approval,
    /// What it costs and allows.
    pub terms: TermsDraft,
}

/// A plan's terms as somebody writes them: what is left out is nothing, or the default.
///
/// Unknown fields are refused. Amounts are texts in major units of the plan's currency.
///
/// ```
/// use monetization_core::period::Cycle;
/// use monetization_core::plan::{Billing, PlanTerms, TermsDraft};
///
/// let draft = TermsDraft {
///     base_price: Some("9.90".to_owned()),
///     ..TermsDraft::new(Billing::Fixed, "EUR".parse()?, Cycle::MONTH)
/// };
/// assert_eq!(PlanTerms::new(draft, &[])?.base_price().minor(), 990);
/// assert!(serde_json::from_str::<TermsDraft>(r#"{"billing":"free","price":"1"}"#).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsDraft {
    /// Free, fixed or metered.
    pub billing: Billing,
    /// Three letters of ISO 4217.
    pub currency: Currency,
    /// `day`, `week`, `month` or `year`, in any case, or so many of them: `"3 months"`.
    pub cycle: Cycle,
    /// What each period costs before any use, in major units, such as `"25.00"`.
    #[serde(default)]
    pub base_price: Option<String>,
    /// What the start costs once, in major units.
    #[serde(default)]
    pub setup_fee: Option<String>,
    /// What use costs; for metered plans, a meter each.
    #[serde(default)]
    pub usage: Vec<UsageDraft>,
    /// What the use of a period costs at least and at most, all meters together.
    #[serde(default)]
    pub commitment: CommitmentDraft,
    /// Limits in a short time.
    #[serde(default)]
    pub rates: Vec<Rate>,
    /// Limits in a long time.
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// The price as people should read it.
    #[serde(default)]
    pub price_label: Option<Name>,
    /// Which calls are billed.
    #[serde(default)]
    pub metering: MeteringPolicy,
    /// How a line's amount is rounded.
    #[serde(default)]
    pub rounding: Rounding,
}

impl TermsDraft {
    /// Terms that cost nothing and allow everything: what a draft starts from.
    #[must_use]
    pub fn new(billing: Billing, currency: Currency, cycle: Cycle) -> Self {
        Self {
            billing,
            currency,
            cycle,
            base_price: None,
            setup_fee: None,
            usage: Vec::new(),
            commitment: CommitmentDraft::default(),
            rates: Vec::new(),
            quotas: Vec::new(),
            price_label: None,
            metering: MeteringPolicy::default(),
            rounding: Rounding::default(),
        }
    }
}

/// Checks amounts first, then what the kind of plan may have, then usage, then limits; the first
/// problem found is the answer.
pub(super) fn check(draft: TermsDraft, meters: &[Meter]) -> Result<PlanTerms, FieldError> {
    let price = |field: &str, text: Option<&String>| {
        let text = text.map_or("0", String::as_str);
        Money::parse(text, draft.currency).map_err(|error| FieldError::new(field, error))
    };
    let base_price = price("base_price", draft.base_price.as_ref())?;
    let setup_fee = price("setup_fee", draft.setup_fee.as_ref())?;
    check_billing(&draft, base_price, setup_fee)?;
    let usage = check_usage(&draft, meters)?;
    let commitment = draft.commitment.check("commitment", draft.currency)?;
    check_limits(&draft, &usage)?;
    let TermsDraft {
        billing,
        cycle,
        rates,
        quotas,
        price_label,
        metering,
        rounding,
        ..
    } = draft;
    let terms = PlanTerms {
        billing,
        cycle,
        base_price,
        setup_fee,
        usage,
        commitment,
        rates,
        quotas,
        price_label,
        metering,
        rounding,
    };
    terms
        .due_at_start()
        .map_err(|error| FieldError::new("base_price", error))?;
    Ok(terms)
}

fn check_billing(draft: &TermsDraft, base: Money, setup: Money) -> Result<(), FieldError> {
    let refuse = |field: &str, problem: &str| Err(FieldError::new(field, problem));
    match draft.billing {
        Billing::Free if !base.is_zero() => refuse(
            "base_price",
            "a free plan has no price: leave it out, or choose fixed or metered",
        ),
        Billing::Free if !setup.is_zero() => refuse(
            "setup_fee",
            "a free plan has no price: leave it out, or choose fixed or metered",
        ),
        Billing::Free | Billing::Fixed if !draft.usage.is_empty() => refuse(
            "usage",
            "only a metered plan prices use: leave it out, or choose metered",
        ),
        Billing::Metered if draft.usage.is_empty() => refuse(
            "usage",
            "a metered plan needs the price of at least one meter",
        ),
        Billing::Free | Billing::Fixed if draft.commitment != CommitmentDraft::default() => refuse(
            "commitment",
            "only the use of a metered plan can be committed to: leave it out, or choose metered",
        ),
        Billing::Free | Billing::Fixed | Billing::Metered => Ok(()),
    }
}

fn check_usage(draft: &TermsDraft, meters: &[Meter]) -> Result<Vec<UsagePrice>, FieldError> {
    if draft.usage.len() > PlanTerms::USAGE_MAX {
        let problem = format!("too many meters: allowed are {}", PlanTerms::USAGE_MAX);
        return Err(FieldError::new("usage", problem));
    }
    let mut usage: Vec<UsagePrice> = Vec::with_capacity(draft.usage.len());
    for (index, priced) in draft.usage.iter().enumerate() {
        let field = |name: &str| format!("usage[{index}].{name}");
        let Some(meter) = meters.iter().find(|meter| meter.name == priced.meter) else {
            let known: Vec<&str> = meters.iter().map(|meter| meter.name.as_str()).collect();
            let problem = format!(
                "{:?} is no meter of the product: allowed are {}",
                priced.meter,
                known.join(", ")
            );
            return Err(FieldError::new(field("meter"), problem));
        };
        if usage.iter().any(|other| other.meter.id == meter.id) {
            return Err(FieldError::new(
                field("meter"),
                "the meter is priced twice: allowed is once",
            ));
        }
        let path = format!("usage[{index}]");
        usage.push(priced.check(&path, meter, draft.currency)?);
    }
    Ok(usage)
}

/// Rates that the limiter can keep together, and at most one quota for each window, those counted
/// that strict included units make.
fn check_limits(draft: &TermsDraft, usage: &[UsagePrice]) -> Result<(), FieldError> {
    let mut limits = Vec::with_capacity(draft.rates.len());
    for (index, rate) in draft.rates.iter().enumerate() {
        let limit = rate.limit();
        limits.push(limit.map_err(|error| FieldError::new(format!("rates[{index}]"), error))?);
    }
    monetization_rate_limiter::Limits::new(limits)
        .map_err(|error| FieldError::new("rates", error))?;
    for (index, quota) in draft.quotas.iter().enumerate() {
        let earlier = draft
            .quotas
            .iter()
            .take(index)
            .any(|other| other.window == quota.window);
        if earlier {
            let problem = format!(
                "there are two quotas for the {}: allowed is one",
                quota.window.as_str()
            );
            return Err(FieldError::new(format!("quotas[{index}].window"), problem));
        }
    }
    let strict = usage.iter().any(|usage| usage.overage == Overage::Strict);
    if strict
        && draft
            .quotas
            .iter()
            .any(|quota| quota.window == QuotaWindow::Period)
    {
        let problem = "included units with strict overage are a quota of the period already";
        return Err(FieldError::new("quotas", problem));
    }
    Ok(())
}
