//! A plan's terms as somebody writes them, and what makes them right.

use serde::{Deserialize, Serialize};

use crate::field::FieldError;
use crate::money::{Currency, Money, Rounding, Scale};
use crate::period::{Alignment, Cycle, CycleUnit, Proration};
use crate::plan::{
    Approval, Billing, Bundle, BundleDraft, Countable, MeteringPolicy, Overage, PastDue, PlanTerms,
    Quota, QuotaCounts, QuotaDraft, QuotaWindow, Rate, Trial, UsagePrice, WhenAway,
};
use crate::product::{Aggregation, Meter, Resource, Source};
use crate::text::{Name, Slug};

pub use percentage::PercentageDraft;
pub use price::{CommitmentDraft, PackageDraft, StepDraft, TierDraft, UsageDraft};

mod percentage;
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
    /// Where the boundaries of billing periods lie: `start`, `calendar`, `day 1` to `day 31` for cycles
    /// of months and years, `monday` to `sunday` for cycles of weeks.
    #[serde(default)]
    pub alignment: Alignment,
    /// What each period costs before any use, in major units, such as `"25.00"`.
    #[serde(default)]
    pub base_price: Option<String>,
    /// What the base price of a part of a cycle is, of a first period that the alignment makes short and
    /// of what is left when the plan changes: `per_second`, `by_days` or `none`.
    #[serde(default)]
    pub proration: Proration,
    /// What the start costs once, in major units.
    #[serde(default)]
    pub setup_fee: Option<String>,
    /// How it is tried before it is paid, such as `{"days": 14, "then": "expire"}`.
    #[serde(default)]
    pub trial: Option<Trial>,
    /// What use costs; for metered plans, a meter each.
    #[serde(default)]
    pub usage: Vec<UsageDraft>,
    /// What the use of a period costs at least and at most, all meters together.
    #[serde(default)]
    pub commitment: CommitmentDraft,
    /// The operations that it covers, by their identifiers; all of the product where none is named.
    #[serde(default)]
    pub resources: Vec<Slug>,
    /// Limits in a short time.
    #[serde(default)]
    pub rates: Vec<Rate>,
    /// What becomes of calls while nobody can say how many others have passed: `share` or `refuse`.
    #[serde(default)]
    pub rates_when_away: WhenAway,
    /// Limits in a long time.
    #[serde(default)]
    pub quotas: Vec<QuotaDraft>,
    /// Bundles of calls that it sells.
    #[serde(default)]
    pub bundles: Vec<BundleDraft>,
    /// The price as people should read it.
    #[serde(default)]
    pub price_label: Option<Name>,
    /// What happens when an invoice is not paid in time, such as `{"grace_days": 3, "cancel": true}`.
    #[serde(default)]
    pub past_due: PastDue,
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
            alignment: Alignment::default(),
            base_price: None,
            proration: Proration::default(),
            setup_fee: None,
            trial: None,
            usage: Vec::new(),
            commitment: CommitmentDraft::default(),
            resources: Vec::new(),
            rates: Vec::new(),
            rates_when_away: WhenAway::default(),
            quotas: Vec::new(),
            bundles: Vec::new(),
            price_label: None,
            past_due: PastDue::default(),
            metering: MeteringPolicy::default(),
            rounding: Rounding::default(),
        }
    }
}

/// Checks amounts first, then what the kind of plan may have, then usage, then limits; the first
/// problem found is the answer.
pub(super) fn check(draft: TermsDraft, of: &Countable<'_>) -> Result<PlanTerms, FieldError> {
    let price = |field: &str, text: Option<&String>| {
        let text = text.map_or("0", String::as_str);
        Money::parse(text, draft.currency).map_err(|error| FieldError::new(field, error))
    };
    let base_price = price("base_price", draft.base_price.as_ref())?;
    let setup_fee = price("setup_fee", draft.setup_fee.as_ref())?;
    check_billing(&draft, base_price, setup_fee)?;
    check_alignment(&draft)?;
    check_trial(&draft)?;
    check_resources(&draft, of)?;
    let usage = check_usage(&draft, of)?;
    let commitment = draft.commitment.check("commitment", draft.currency)?;
    let quotas = check_limits(&draft, &usage, of)?;
    let bundles = check_bundles(&draft, (&usage, &quotas), of)?;
    let TermsDraft {
        billing,
        cycle,
        alignment,
        proration,
        trial,
        resources,
        rates,
        rates_when_away,
        price_label,
        past_due,
        metering,
        rounding,
        ..
    } = draft;
    Ok(PlanTerms {
        billing,
        cycle,
        alignment,
        base_price,
        proration,
        setup_fee,
        trial,
        usage,
        commitment,
        resources,
        rates,
        rates_when_away,
        quotas,
        bundles,
        price_label,
        past_due,
        metering,
        rounding,
    })
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

fn check_alignment(draft: &TermsDraft) -> Result<(), FieldError> {
    if draft.alignment.fits(draft.cycle) {
        return Ok(());
    }
    let allowed = match draft.cycle.unit() {
        CycleUnit::Day => "start and calendar",
        CycleUnit::Week => "start, calendar and monday to sunday",
        CycleUnit::Month | CycleUnit::Year => "start, calendar and day 1 to day 31",
    };
    let problem = format!(
        "periods of a {} cannot be aligned to {}: allowed are {allowed}",
        draft.cycle, draft.alignment
    );
    Err(FieldError::new("alignment", problem))
}

fn check_trial(draft: &TermsDraft) -> Result<(), FieldError> {
    let Some(trial) = draft.trial else {
        return Ok(());
    };
    if draft.billing == Billing::Free {
        let problem = "a free plan has nothing to try: leave it out, or choose fixed or metered";
        return Err(FieldError::new("trial", problem));
    }
    if trial.days == 0 || trial.days > Trial::DAYS_MAX {
        let problem = format!("allowed are 1 to {}", Trial::DAYS_MAX);
        return Err(FieldError::new("trial.days", problem));
    }
    Ok(())
}

/// Each names an operation of the product, once.
fn check_resources(draft: &TermsDraft, of: &Countable<'_>) -> Result<(), FieldError> {
    for (index, resource) in draft.resources.iter().enumerate() {
        let field = format!("resources[{index}]");
        Resource::known(of.resources, resource, &field)?;
        if draft.resources.iter().take(index).any(|it| it == resource) {
            let problem = "the operation is named twice: allowed is once";
            return Err(FieldError::new(field, problem));
        }
    }
    Ok(())
}

/// Refuses an operation that the plan does not cover: no call of it is ever let through.
fn check_covered(draft: &TermsDraft, resource: &Slug, field: &str) -> Result<(), FieldError> {
    let covered = &draft.resources;
    if covered.is_empty() || covered.contains(resource) {
        return Ok(());
    }
    let covered: Vec<&str> = covered.iter().map(Slug::as_str).collect();
    let problem = format!(
        "{:?} is none of the resources that the plan covers: allowed are {}",
        resource.as_str(),
        covered.join(", ")
    );
    Err(FieldError::new(field, problem))
}

fn check_usage(draft: &TermsDraft, of: &Countable<'_>) -> Result<Vec<UsagePrice>, FieldError> {
    if draft.usage.len() > PlanTerms::USAGE_MAX {
        let problem = format!("too many meters: allowed are {}", PlanTerms::USAGE_MAX);
        return Err(FieldError::new("usage", problem));
    }
    let mut usage: Vec<UsagePrice> = Vec::with_capacity(draft.usage.len());
    for (index, priced) in draft.usage.iter().enumerate() {
        let field = |name: &str| format!("usage[{index}].{name}");
        let meter = Meter::named(of.meters, &priced.meter, &field("meter"))?;
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

/// Rates that the limiter can keep together, and at most one quota of the same thing for each window,
/// those counted that strict included units make.
fn check_limits(
    draft: &TermsDraft,
    usage: &[UsagePrice],
    of: &Countable<'_>,
) -> Result<Vec<Quota>, FieldError> {
    let mut limits = Vec::with_capacity(draft.rates.len());
    for (index, rate) in draft.rates.iter().enumerate() {
        let limit = rate.limit();
        limits.push(limit.map_err(|error| error.within(&format!("rates[{index}]")))?);
    }
    monetization_rate_limiter::Limits::new(limits)
        .map_err(|error| FieldError::new("rates", error))?;
    if draft.quotas.len() > PlanTerms::QUOTAS_MAX {
        let problem = format!("too many: allowed are {}", PlanTerms::QUOTAS_MAX);
        return Err(FieldError::new("quotas", problem));
    }
    let mut quotas: Vec<Quota> = Vec::with_capacity(draft.quotas.len());
    for (index, quota) in draft.quotas.iter().enumerate() {
        let quota = of.quota(quota, &format!("quotas[{index}]"))?;
        if let QuotaCounts::Resource(resource) = &quota.counts {
            check_covered(draft, resource, &format!("quotas[{index}].resource"))?;
        }
        let same = |other: &Quota| other.counts == quota.counts && other.window == quota.window;
        if quotas.iter().any(same) {
            let problem = format!(
                "there are two quotas for the {}: allowed is one",
                quota.window.as_str()
            );
            return Err(FieldError::new(format!("quotas[{index}].window"), problem));
        }
        quotas.push(quota);
    }
    for (index, usage) in usage.iter().enumerate() {
        if usage.overage != Overage::Strict {
            continue;
        }
        let field = format!("usage[{index}].overage");
        check_limited(&usage.meter).map_err(|problem| FieldError::new(field, problem))?;
        let included = usage.included_quota();
        let same =
            |other: &Quota| other.counts == included.counts && other.window == included.window;
        if quotas.iter().any(same) {
            let problem = "included units with strict overage are a quota of the period already";
            return Err(FieldError::new("quotas", problem));
        }
    }
    Ok(quotas)
}

/// Bundles with names of their own, of calls that nothing else limits for ever or charges for: what was
/// paid is a quota for ever.
fn check_bundles(
    draft: &TermsDraft,
    (usage, quotas): (&[UsagePrice], &[Quota]),
    of: &Countable<'_>,
) -> Result<Vec<Bundle>, FieldError> {
    if draft.billing == Billing::Free && !draft.bundles.is_empty() {
        let problem = "a free plan sells nothing: leave it out, or choose fixed or metered";
        return Err(FieldError::new("bundles", problem));
    }
    if draft.bundles.len() > PlanTerms::BUNDLES_MAX {
        let problem = format!("too many: allowed are {}", PlanTerms::BUNDLES_MAX);
        return Err(FieldError::new("bundles", problem));
    }
    let mut bundles: Vec<Bundle> = Vec::with_capacity(draft.bundles.len());
    for (index, bundle) in draft.bundles.iter().enumerate() {
        let path = format!("bundles[{index}]");
        let field = format!("{path}.resource");
        Resource::known(of.resources, &bundle.resource, &field)?;
        check_covered(draft, &bundle.resource, &field)?;
        let is_limited = quotas.iter().any(|quota| {
            quota.window == QuotaWindow::Ever
                && quota.counts == QuotaCounts::Resource(bundle.resource.clone())
        });
        if is_limited {
            let problem = "a quota for ever limits its calls already: leave one of both out";
            return Err(FieldError::new(format!("{path}.resource"), problem));
        }
        let mut priced = usage.iter().map(|usage| &usage.meter);
        let counts = |meter: &Meter| {
            meter.source == Source::Calls && meter.filter.covers(Some(&bundle.resource))
        };
        if let Some(meter) = priced.find(|meter| counts(meter)) {
            let problem = format!(
                "the plan charges for its calls by the meter {}, and they would be paid twice: leave one of both out",
                meter.name
            );
            return Err(FieldError::new(format!("{path}.resource"), problem));
        }
        if bundles.iter().any(|other| other.name == bundle.name) {
            let problem = "there are two of this name: allowed is one";
            return Err(FieldError::new(format!("{path}.name"), problem));
        }
        let bundle = bundle.check(draft.currency);
        bundles.push(bundle.map_err(|error| error.within(&path))?);
    }
    Ok(bundles)
}

impl Countable<'_> {
    fn quota(&self, draft: &QuotaDraft, field: &str) -> Result<Quota, FieldError> {
        let counts = match (&draft.resource, &draft.meter) {
            (None, None) => QuotaCounts::Calls,
            (Some(_), Some(_)) => {
                let problem = "it counts a resource or a meter: leave one out";
                return Err(FieldError::new(field, problem));
            }
            (Some(identifier), None) => {
                Resource::known(self.resources, identifier, &format!("{field}.resource"))?;
                QuotaCounts::Resource(identifier.clone())
            }
            (None, Some(name)) => {
                let field = format!("{field}.meter");
                let meter = Meter::named(self.meters, name, &field)?;
                check_limited(meter).map_err(|problem| FieldError::new(field, problem))?;
                if meter.name.as_str() == Meter::REQUESTS {
                    QuotaCounts::Calls
                } else {
                    QuotaCounts::Meter(meter.clone())
                }
            }
        };
        Ok(Quota {
            counts,
            window: draft.window,
            max: draft.max,
            overage: draft.overage,
        })
    }
}

/// Whether a meter can be limited: what cannot be added up in whole units can not.
fn check_limited(meter: &Meter) -> Result<(), &'static str> {
    if meter.scale != Scale::WHOLE {
        return Err("a meter with decimals cannot be limited: allowed are those of whole units");
    }
    match meter.aggregation {
        Aggregation::Sum | Aggregation::Count => Ok(()),
        Aggregation::Max | Aggregation::Last | Aggregation::Unique => {
            Err("only what is added up can be limited: allowed are meters with sum and count")
        }
    }
}
