//! Statements about many rows at once.
//!
//! A statement costs a trip to the connection's thread and back, tens of microseconds that one
//! row and a thousand rows pay alike. So what an append writes to one table is one statement.
//!
//! Three rows of `INSERT INTO meter (number, id) SELECT * FROM (VALUES {rows}) WHERE column1 IS
//! NOT NULL` are run as
//!
//! ```text
//! INSERT INTO meter (number, id)
//! SELECT * FROM (VALUES (?, ?), (?, ?), (?, ?), (?, ?)) WHERE column1 IS NOT NULL
//! ```
//! with six values; the last two are `NULL`, and three rows are written.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, SqliteConnection};

/// A statement about many rows, in texts for 1, 2, 4, ... 256 of them. Each is prepared once.
///
/// Where rows do not fill a text, its last places are left without values, which SQLite reads
/// as `NULL`: the statement has to pass by rows whose first value is `NULL`. That costs less
/// than to run another statement for the rest.
///
/// More rows than that take more statements. While the connection's thread is busy with one, the
/// values of the next are bound.
pub(crate) struct Bulk(Vec<String>);

/// A statement whose values are being bound.
pub(crate) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Rows of one statement. More would save little, and leave nothing to be bound meanwhile.
const ROWS_MAX: usize = 256;

impl Bulk {
    /// The statement `text`, in which `{rows}` stands for the rows, each of so many values.
    pub(crate) fn new(text: &str, values: usize) -> Self {
        let row = format!("({})", vec!["?"; values].join(", "));
        let sizes = (0..=ROWS_MAX.ilog2()).map(|log2| 1_usize << log2);
        let texts = sizes.map(|size| text.replace("{rows}", &vec![row.as_str(); size].join(", ")));
        Self(texts.collect())
    }

    /// Runs it for all rows and answers how many rows of the database it changed.
    ///
    /// # Errors
    /// As the first statement that fails; those before it have been run.
    pub(crate) async fn execute<R: Sync>(
        &'static self,
        connection: &mut SqliteConnection,
        rows: &[R],
        bind: fn(Statement, &R) -> Statement,
    ) -> sqlx::Result<u64> {
        let mut changed = 0_u64;
        let mut next = self.next(rows, bind);
        while let Some((statement, left)) = next {
            let (done, following) = tokio::join!(
                biased;
                statement.execute(&mut *connection),
                // Bound while the connection's thread is busy with the rows before.
                async { self.next(left, bind) },
            );
            changed = changed.saturating_add(done?.rows_affected());
            next = following;
        }
        Ok(changed)
    }

    /// Runs it for all rows and answers what it found, in no order.
    ///
    /// # Errors
    /// As the first statement that fails.
    pub(crate) async fn fetch<R: Sync>(
        &'static self,
        connection: &mut SqliteConnection,
        rows: &[R],
        bind: fn(Statement, &R) -> Statement,
    ) -> sqlx::Result<Vec<SqliteRow>> {
        let mut found = Vec::new();
        let mut left = rows;
        while let Some((statement, rest)) = self.next(left, bind) {
            found.extend(statement.fetch_all(&mut *connection).await?);
            left = rest;
        }
        Ok(found)
    }

    /// The statement for as many rows as one takes, and the rows that are left; `None` once
    /// there are no more.
    fn next<'r, R>(
        &'static self,
        rows: &'r [R],
        bind: fn(Statement, &R) -> Statement,
    ) -> Option<(Statement, &'r [R])> {
        let (now, rest) = rows.split_at_checked(rows.len().min(ROWS_MAX))?;
        if now.is_empty() {
            return None;
        }
        let size_log2 = now.len().checked_next_power_of_two()?.checked_ilog2()?;
        let text = self.0.get(usize::try_from(size_log2).ok()?)?;
        Some((now.iter().fold(sqlx::query(text.as_str()), bind), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_the_smallest_text_that_holds_them() {
        let bulk: &'static Bulk = Box::leak(Box::new(Bulk::new("VALUES {rows}", 2)));
        assert_eq!(bulk.0[1], "VALUES (?, ?), (?, ?)");
        let left_after = |rows: usize| {
            let rows = vec![(); rows];
            let next = bulk.next(&rows, |statement, ()| statement);
            next.map(|(_, rest)| rest.len())
        };
        assert_eq!(left_after(0), None);
        assert_eq!(left_after(3), Some(0));
        assert_eq!(left_after(256), Some(0));
        assert_eq!(left_after(300), Some(44));
    }
}
