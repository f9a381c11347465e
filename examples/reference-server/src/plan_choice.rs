//! Which plan is meant: a file, and the name of one of its plans.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use monetization_core::money::Currency;
use monetization_core::plan_file::{FilePlan, PlanFile, PlanFileError};

/// A plan on the command line: `FILE`, or `FILE#NAME` where the file has several.
///
/// ```
/// use reference_server::plan_choice::PlanChoice;
///
/// let choice = PlanChoice::new("plans.toml#Pro");
/// assert_eq!(choice.path.to_str(), Some("plans.toml"));
/// assert_eq!(choice.name.as_deref(), Some("Pro"));
/// assert_eq!(PlanChoice::new("plans.toml").name, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanChoice {
    /// The file.
    pub path: PathBuf,
    /// The name of the plan; the only plan of the file if nothing is said.
    pub name: Option<String>,
}

/// Why there is no such plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanChoiceError {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What stands in it is no plan.
    #[error(transparent)]
    File(#[from] PlanFileError),
    /// The plans are not in the currency that is asked for.
    #[error("--currency: {found}: allowed are {allowed}")]
    Currency {
        /// What there is.
        found: String,
        /// The currencies of the plans.
        allowed: String,
    },
}

impl PlanChoice {
    /// Takes a text apart at its last `#`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.rsplit_once('#') {
            Some((path, name)) if !path.is_empty() => Self {
                path: path.into(),
                name: Some(name.to_owned()),
            },
            _ => Self {
                path: text.into(),
                name: None,
            },
        }
    }

    /// Reads the file. Of one that is too large no more is read than shows that it is.
    ///
    /// # Errors
    /// [`PlanChoiceError`].
    pub fn file(&self) -> Result<PlanFile, PlanChoiceError> {
        let most = u64::try_from(PlanFile::BYTES_MAX).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let read = File::open(&self.path)
            .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
        read.map_err(|source| PlanChoiceError::Read {
            path: self.path.clone(),
            source,
        })?;
        Ok(PlanFile::parse(&self.path.display().to_string(), &bytes)?)
    }

    /// The plan that is meant, of its file; in this currency, where one is asked for.
    ///
    /// # Errors
    /// [`PlanChoiceError`] where there is none, or several.
    pub fn plan<'a>(
        &self,
        file: &'a PlanFile,
        currency: Option<Currency>,
    ) -> Result<&'a FilePlan, PlanChoiceError> {
        let Some(currency) = currency else {
            return Ok(file.plan(self.name.as_deref())?);
        };
        let is_meant = |plan: &&FilePlan| {
            let name = self.name.as_deref();
            name.is_none_or(|name| plan.draft.name.as_str() == name)
        };
        let meant = file.plans().iter().filter(is_meant);
        let mut found = meant
            .clone()
            .filter(|plan| plan.terms.currency() == currency);
        match (found.next(), found.next()) {
            (Some(plan), None) => Ok(plan),
            (Some(_), Some(_)) => Ok(file.plan(self.name.as_deref())?),
            (None, _) if meant.clone().next().is_none() => Ok(file.plan(self.name.as_deref())?),
            (None, _) => {
                let mut codes: Vec<&str> = meant.map(|plan| plan.terms.currency().code()).collect();
                codes.sort_unstable();
                codes.dedup();
                Err(PlanChoiceError::Currency {
                    found: format!("no plan is in {currency}, and nothing is converted"),
                    allowed: codes.join(", "),
                })
            }
        }
    }
}
