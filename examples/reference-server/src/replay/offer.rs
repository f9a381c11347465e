use monetization_core::plan::TermsDraft;
use monetization_core::plan_file::{PlanFile, PlanFileError};
use monetization_core::product::{MeterDraft, Resource};
use monetization_core::text::Name;

use crate::plan_choice::{PlanChoice, PlanChoiceError};

/// What is offered to everybody: a plan, and what of its product matters for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Offer {
    /// The name of the plan.
    pub name: Name,
    /// The operations of the product; empty for everything.
    pub resources: Vec<Resource>,
    /// What the product counts beside calls.
    pub meters: Vec<MeterDraft>,
    /// What it costs and allows.
    pub terms: TermsDraft,
}

impl Offer {
    /// The plan of this name in a plan file; where no name is given, the only one there is. A plan
    /// that asks for approval is offered as if that had been given.
    ///
    /// # Errors
    /// [`PlanFileError`] with the names there are.
    pub fn of(file: &PlanFile, name: Option<&str>) -> Result<Self, PlanFileError> {
        let plan = &file.plan(name)?.draft;
        Ok(Self {
            name: plan.name.clone(),
            resources: file
                .product()
                .map(|product| product.resources.clone())
                .unwrap_or_default(),
            meters: file.meter_drafts().to_vec(),
            terms: plan.terms.clone(),
        })
    }

    /// The plan that is chosen.
    pub(super) fn chosen(choice: &PlanChoice) -> Result<Self, PlanChoiceError> {
        Ok(Self::of(&choice.file()?, choice.name.as_deref())?)
    }
}
