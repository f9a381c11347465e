use std::fs::File;
use std::io::{self, Read};

use monetization_core::money::Scale;
use monetization_core::plan::TermsDraft;
use monetization_core::plan_file::{PlanFile, PlanFileError};
use monetization_core::product::Resource;
use monetization_core::text::{Name, Slug};

use super::ReplayError;

/// What is offered to everybody: a plan, and what of its product matters for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Offer {
    /// The name of the plan.
    pub name: Name,
    /// The operations of the product; empty for everything.
    pub resources: Vec<Resource>,
    /// What the product counts beside calls.
    pub meters: Vec<(Slug, Scale)>,
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
        let meters = file.meter_drafts().iter();
        Ok(Self {
            name: plan.name.clone(),
            resources: file
                .product()
                .map(|product| product.resources.clone())
                .unwrap_or_default(),
            meters: meters
                .map(|meter| (meter.name.clone(), meter.decimals))
                .collect(),
            terms: plan.terms.clone(),
        })
    }

    /// Reads `FILE` or `FILE#NAME`.
    pub(super) fn read(from: &str) -> Result<Self, ReplayError> {
        let (path, name) = match from.rsplit_once('#') {
            Some((path, name)) => (path, Some(name)),
            None => (from, None),
        };
        let bytes = read(path).map_err(|source| ReplayError::File {
            doing: "read",
            path: path.to_owned(),
            source,
        })?;
        let file = PlanFile::parse(path, &bytes)?;
        Ok(Self::of(&file, name)?)
    }
}

/// What stands in a file, as far as a plan file may go and a byte more.
fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let at_most = u64::try_from(PlanFile::BYTES_MAX).unwrap_or(u64::MAX);
    let file = File::open(path)?;
    file.take(at_most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
