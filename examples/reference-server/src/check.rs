//! The command `check`: whether everything that is kept agrees with itself.

use std::io::{self, Write};

use monetization_core::store::StoreError;
use monetization_store_sqlite::{Finding, Inspection};
use serde_json::{Value, json};

use crate::cli::CheckArgs;
use crate::data_directory::DataDirectory;
use crate::settings;

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no database, or it cannot be read.
    #[error("failed to check {}", path.display())]
    Store {
        /// The database.
        path: std::path::PathBuf,
        /// Why not.
        source: StoreError,
    },
    /// Nothing can be printed.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
}

/// Checks every invariant of a database and tells `out` what was found; answers whether all hold.
/// A server may be serving from it meanwhile.
///
/// # Errors
/// [`CheckError`].
pub async fn check(args: CheckArgs, mut out: impl Write) -> Result<bool, CheckError> {
    let directory = args
        .data_directory
        .unwrap_or_else(|| settings::DATA_DIRECTORY.into());
    let path = DataDirectory::at(&directory).database();
    let findings = findings(&path).await;
    let findings = findings.map_err(|source| CheckError::Store { path, source })?;
    if args.json {
        writeln!(out, "{}", document(&findings))?;
    } else {
        tell(&findings, &mut out)?;
    }
    Ok(findings.iter().all(Finding::holds))
}

async fn findings(path: &std::path::Path) -> Result<Vec<Finding>, StoreError> {
    Inspection::open(path).await?.check().await
}

fn tell(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for finding in findings {
        let (verdict, name) = (verdict(finding), finding.invariant);
        writeln!(
            out,
            "{verdict:<6}  {name:<25}  {:>9}  {}",
            finding.looked, finding.meaning
        )?;
        for example in &finding.examples {
            writeln!(out, "        {}: {}", example.id, example.problem)?;
        }
        let named = u64::try_from(finding.examples.len()).unwrap_or(u64::MAX);
        let further = finding.broken.saturating_sub(named);
        if further > 0 {
            writeln!(out, "        and {further} more")?;
        }
    }
    let broken = findings.iter().filter(|finding| !finding.holds()).count();
    let all = findings.len();
    if broken == 0 {
        writeln!(out, "\nall {all} invariants hold")
    } else {
        writeln!(out, "\n{broken} of {all} invariants do not hold")
    }
}

fn verdict(finding: &Finding) -> &'static str {
    if finding.holds() { "ok" } else { "BROKEN" }
}

fn document(findings: &[Finding]) -> Value {
    let finding = |finding: &Finding| {
        let examples = finding.examples.iter();
        let examples = examples.map(|it| json!({ "id": it.id, "problem": it.problem }));
        json!({
            "name": finding.invariant,
            "meaning": finding.meaning,
            "holds": finding.holds(),
            "looked": finding.looked,
            "broken": finding.broken,
            "examples": examples.collect::<Vec<_>>(),
        })
    };
    json!({
        "holds": findings.iter().all(Finding::holds),
        "invariants": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
