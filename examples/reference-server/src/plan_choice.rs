//! Which plan is meant: a file, and the name of one of its plans.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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
    /// Takes a text apart at the first `#` that a file ends before; where there is none, at the first one, unless
    /// all of it is a file.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let parts = || {
            text.match_indices('#')
                .map(|(place, _)| text.split_at(place))
        };
        let is_file = |(path, _): &(&str, &str)| Path::new(path).is_file();
        let first = parts().next().filter(|_| !Path::new(text).is_file());
        match parts().find(is_file).or(first) {
            Some((path, name)) if !path.is_empty() => Self {
                path: path.into(),
                name: Some(name.chars().skip(1).collect()),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The last one was taken for the end of the file, so that no plan with one in its name could be chosen.
    #[test]
    fn files_and_plans_may_have_a_hash_in_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            path.display().to_string()
        };
        let (plain, hashed) = (file("plans.toml"), file("our#plans.toml"));
        let gone = folder.path().join("gone.toml").display().to_string();
        for (text, path, name) in [
            (format!("{plain}#Tier #1"), &plain, Some("Tier #1")),
            (format!("{hashed}#Tier #1"), &hashed, Some("Tier #1")),
            (hashed.clone(), &hashed, None),
            (format!("{plain}#"), &plain, Some("")),
            (format!("{gone}#Tier #1"), &gone, Some("Tier #1")),
        ] {
            let choice = PlanChoice::new(&text);
            assert_eq!(choice.path.to_str(), Some(path.as_str()), "{text}");
            assert_eq!(choice.name.as_deref(), name, "{text}");
        }
    }
}
