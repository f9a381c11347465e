//! What must hold, as one query each.
//!
//! A query answers a row for everything it looks at: its `id`, and its `problem` where it has
//! one.

use monetization_core::for_each_invariant;
use monetization_core::store::inspection::{Example, Finding};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::convert::Columns;

/// One query, and what it means where it finds nothing wrong.
#[derive(Debug)]
pub(super) struct Invariant {
    pub(super) name: &'static str,
    meaning: &'static str,
    sql: &'static str,
}

impl Invariant {
    /// Looks at every row, and names the first that are wrong where any is.
    ///
    /// # Errors
    /// Where the database cannot, or a sum does not fit 63 bits.
    pub(super) async fn check(&self, snapshot: &mut SqliteConnection) -> sqlx::Result<Finding> {
        let sql = self.sql;
        let count = format!("SELECT count(*) AS looked, count(problem) AS broken FROM ({sql})");
        let counted = sqlx::query(AssertSqlSafe(count))
            .fetch_one(&mut *snapshot)
            .await?;
        let mut finding = Finding {
            invariant: self.name,
            meaning: self.meaning,
            looked: counted.unsigned("looked")?,
            broken: counted.unsigned("broken")?,
            examples: Vec::new(),
        };
        if finding.broken > 0 {
            let name =
                format!("SELECT id, problem FROM ({sql}) WHERE problem IS NOT NULL LIMIT 10");
            let rows = sqlx::query(AssertSqlSafe(name)).fetch_all(snapshot).await?;
            for row in &rows {
                finding.examples.push(Example {
                    id: row.value::<Option<String>>("id")?.unwrap_or_default(),
                    problem: row.value("problem")?,
                });
            }
        }
        Ok(finding)
    }
}

/// The invariants of core, each with the query in the file of its name.
macro_rules! queries {
    ($($name:literal => $meaning:literal,)+) => {
        &[$(Invariant {
            name: $name,
            meaning: $meaning,
            sql: include_str!(concat!("../../sql/check/", $name, ".sql")),
        }),+]
    };
}

/// All of them, in the order of core.
pub(super) const ALL: &[Invariant] = for_each_invariant!(queries);
