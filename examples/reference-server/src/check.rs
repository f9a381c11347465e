//! The command `check`: whether everything that is kept agrees with itself.

use std::io::{self, Write};

use monetization_core::field::FieldError;
use monetization_core::store::StoreError;
use monetization_core::store::inspection::{Finding, Held};
use serde_json::{Value, json};

use crate::cli::CheckArgs;
use crate::database::Database;
use crate::settings::data_directory;

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It is not known which database is meant.
    #[error("the settings are not valid")]
    Settings(#[from] FieldError),
    /// There is no database, or it cannot be read.
    #[error("failed to check {place}")]
    Store {
        /// The database.
        place: String,
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
    let database = Database::chosen(&args.database, &data_directory(args.data_directory))?;
    let found = look(&database).await;
    let (findings, held) = found.map_err(|source| CheckError::Store {
        place: database.to_string(),
        source,
    })?;
    if args.json {
        writeln!(out, "{}", document(&findings, &held))?;
    } else {
        tell(&findings, &mut out)?;
        tell_held(&held, &mut out)?;
    }
    Ok(findings.iter().all(Finding::holds))
}

/// What was found of each invariant, and the newest of each kind that waits for an operator.
async fn look(database: &Database) -> Result<(Vec<Finding>, Vec<Held>), StoreError> {
    let mut inspection = database.inspect().await?;
    let findings = inspection.check().await?;
    Ok((findings, inspection.held(1).await?))
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

/// What waits breaks no invariant, and goes on for nobody who does not know of it.
fn tell_held(held: &[Held], out: &mut impl Write) -> io::Result<()> {
    for of in held {
        let (kind, count, id) = (&of.kind, of.of_its_kind, &of.id);
        writeln!(
            out,
            "waits for an operator: {kind}, {count} in all, the newest {id}: {}",
            of.reason
        )?;
    }
    Ok(())
}

fn verdict(finding: &Finding) -> &'static str {
    if finding.holds() { "ok" } else { "BROKEN" }
}

fn document(findings: &[Finding], held: &[Held]) -> Value {
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
    let waiting = |of: &Held| {
        json!({
            "kind": of.kind,
            "count": of.of_its_kind,
            "newest": { "id": of.id, "reason": of.reason },
        })
    };
    json!({
        "holds": findings.iter().all(Finding::holds),
        "invariants": findings.iter().map(finding).collect::<Vec<_>>(),
        "held": held.iter().map(waiting).collect::<Vec<_>>(),
    })
}
