//! What must hold, as one query each.
//!
//! A query answers a row for everything it looks at: its `id`, and its `problem` where it has
//! one.

use monetization_core::for_each_invariant;
use monetization_core::store::inspection::{Example, Finding};
use sqlx::{AssertSqlSafe, PgConnection};

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
    /// Where the database cannot, or a value in it makes no sense.
    pub(super) async fn check(&self, snapshot: &mut PgConnection) -> sqlx::Result<Finding> {
        let sql = self.sql;
        let count =
            format!("SELECT count(*) AS looked, count(problem) AS broken FROM ({sql}) AS found");
        let counted = sqlx::query(AssertSqlSafe(count))
            .persistent(false)
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
            let name = format!(
                "SELECT id, problem FROM ({sql}) AS found WHERE problem IS NOT NULL LIMIT 10"
            );
            let name = sqlx::query(AssertSqlSafe(name)).persistent(false);
            for row in &name.fetch_all(snapshot).await? {
                finding.examples.push(Example {
                    id: row.value::<Option<String>>("id")?.unwrap_or_default(),
                    problem: row.value("problem")?,
                });
            }
        }
        Ok(finding)
    }
}

/// The invariant of this name, whose query is in the file of that name.
macro_rules! invariant {
    ($name:literal, $meaning:literal) => {
        Invariant {
            name: $name,
            meaning: $meaning,
            sql: include_str!(concat!("../../sql/check/", $name, ".sql")),
        }
    };
}

/// The invariants of core, and those of tables that only this store has.
macro_rules! queries {
    ($($name:literal => $meaning:literal,)+) => {
        &[
            $(invariant!($name, $meaning),)+
            invariant!(
                "unsealed_use_is_found",
                "publishing finds all use that is to be sealed, and no other"
            ),
        ]
    };
}

/// All of them, in the order of core.
pub(super) const ALL: &[Invariant] = for_each_invariant!(queries);
