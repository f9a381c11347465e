//! What must hold in every database, each as one query.
//!
//! A query answers a row for everything it looks at: its `id`, and its `problem` where it has
//! one. Each holds after every transaction of the store, so also while use is published, while a
//! period is being closed, and after a crash anywhere.

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::convert::Columns;

/// What was found of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Its name.
    pub invariant: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// How many rows were looked at.
    pub looked: u64,
    /// How many of them break it.
    pub broken: u64,
    /// The first ten of those.
    pub examples: Vec<Example>,
}

/// A row that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Example {
    /// What it is about, by its id.
    pub id: String,
    /// In which way.
    pub problem: String,
}

impl Finding {
    /// Whether no row breaks it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken == 0
    }
}

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

/// From use over quotas and invoices to what is left to do.
pub(super) const ALL: [Invariant; 21] = [
    invariant!(
        "ledger_equals_sums",
        "records of a segment and meter add up to the sums of that origin"
    ),
    invariant!(
        "sums_have_a_payer",
        "late use stands under a segment that follows the one it was used in"
    ),
    invariant!(
        "events_count_once",
        "a reported event is one record, in one segment"
    ),
    invariant!(
        "quotas_equal_ledger",
        "quotas have committed what records spent, and leased that and what is out"
    ),
    invariant!(
        "leases_equal_ledger",
        "blocks of quotas have committed what records spent of them"
    ),
    invariant!(
        "quotas_within_limit",
        "no more of a strict quota is leased than the plan allows"
    ),
    invariant!(
        "batches_tile_sums",
        "batches of a sum follow each other without gap or overlap"
    ),
    invariant!(
        "use_is_conserved",
        "used = confirmed + under way + held for an operator + not sealed"
    ),
    invariant!(
        "billed_periods_are_closed",
        "no segment of a billed period takes use any more"
    ),
    invariant!(
        "use_is_invoiced_once",
        "use of a billed period is on one line of one invoice, as it was used"
    ),
    invariant!(
        "late_use_is_invoiced_once",
        "late use is on one line of the invoice of the segment that pays"
    ),
    invariant!(
        "one_invoice_an_occasion",
        "a start or a period of a subscription has one invoice"
    ),
    invariant!(
        "lines_equal_total",
        "lines of an invoice add up to its total, in its currency"
    ),
    invariant!(
        "unpaid_is_blocked",
        "who has not paid the first invoice, or is past due without grace, has no access"
    ),
    invariant!(
        "what_is_owed_is_asked_for",
        "what is not at the engine yet has an intent that asks for it"
    ),
    invariant!(
        "credits_are_asked_for",
        "credits of an invoice come to no more than its total, and the engine is asked for each"
    ),
    invariant!(
        "operations_are_asked_once",
        "each operation at an engine has one intent"
    ),
    invariant!(
        "references_are_unique",
        "a subscription or invoice is one object at one engine, and none is two here"
    ),
    invariant!(
        "work_is_fenced",
        "nothing was tried or ended without a claim"
    ),
    invariant!(
        "facts_are_found",
        "facts are found by their keys, and by jobs when they fall due"
    ),
    invariant!(
        "tenants_are_apart",
        "what belongs together belongs to one tenant"
    ),
];
