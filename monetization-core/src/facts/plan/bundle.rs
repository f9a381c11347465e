//! Bundles: calls that are bought in advance.

use serde::{Deserialize, Serialize};

use crate::field::FieldError;
use crate::money::{Currency, Money};
use crate::text::Slug;

/// Calls of one operation that are bought in advance, as often as a subscriber likes.
///
/// A subscriber who has bought bundles of N calls in all gets exactly N calls of that operation through,
/// under whichever billing period; before the first bundle is paid, none. They last until they are
/// used: a subscription that has any left moves to no version of its plan that sells no bundles of that
/// operation. A plan that sells bundles charges for their calls in no other way: it prices no meter of
/// calls that counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Its name, unique in the plan.
    pub name: Slug,
    /// The operation, by its identifier.
    pub resource: Slug,
    /// How many calls; more than none.
    pub calls: u64,
    /// What they cost together.
    pub price: Money,
}

/// A bundle as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleDraft {
    /// Its name, unique in the plan.
    pub name: Slug,
    /// The operation, by its identifier.
    pub resource: Slug,
    /// How many calls, 1 to 1,000,000,000,000.
    pub calls: u64,
    /// What they cost together, in major units, such as `"10.00"`.
    pub price: String,
}

impl BundleDraft {
    const CALLS_MAX: u64 = 1_000_000_000_000;

    /// The bundle, whose resource is known to be there.
    pub(super) fn check(&self, currency: Currency) -> Result<Bundle, FieldError> {
        if !(1..=Self::CALLS_MAX).contains(&self.calls) {
            let problem = format!(
                "{} is no number of calls to sell: allowed are 1 to {}",
                self.calls,
                Self::CALLS_MAX
            );
            return Err(FieldError::new("calls", problem));
        }
        let price = Money::parse(&self.price, currency);
        Ok(Bundle {
            name: self.name.clone(),
            resource: self.resource.clone(),
            calls: self.calls,
            price: price.map_err(|error| FieldError::new("price", error))?,
        })
    }
}

impl From<&Bundle> for BundleDraft {
    fn from(bundle: &Bundle) -> Self {
        Self {
            name: bundle.name.clone(),
            resource: bundle.resource.clone(),
            calls: bundle.calls,
            price: bundle.price.amount(),
        }
    }
}
