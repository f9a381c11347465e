use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, SqliteConnection};

/// A statement about many rows, in texts for 1, 2, 4, ... 1024 of them. Each is prepared once.
///
/// Each statement costs a trip to the connection's thread, so any number of rows takes as few
/// as can be: where they do not fill a text, its last rows are left without values, which SQLite
/// reads as `NULL`. The statement has to pass by rows whose first value is `NULL`.
pub(crate) struct Bulk(Vec<String>);

/// A statement whose values are being bound.
pub(crate) type Statement = Query<'static, Sqlite, SqliteArguments>;

const ROWS_MAX: usize = 1024;

impl Bulk {
    /// `before`, one `row` for each row with commas between them, `after`.
    pub(crate) fn new(before: &str, row: &str, after: &str) -> Self {
        let sizes = (0..=ROWS_MAX.ilog2()).map(|log2| 1_usize << log2);
        let texts = sizes.map(|size| {
            let rows = vec![row; size].join(", ");
            format!("{before} {rows} {after}")
        });
        Self(texts.collect())
    }

    /// Runs it for all rows and answers how many rows of the database it changed.
    pub(crate) async fn execute<R: Sync>(
        &'static self,
        connection: &mut SqliteConnection,
        rows: &[R],
        bind: fn(Statement, &R) -> Statement,
    ) -> sqlx::Result<u64> {
        let mut changed = 0_u64;
        let mut left = rows;
        while let Some((statement, rest)) = self.next(left, bind) {
            let done = statement.execute(&mut *connection).await?;
            changed = changed.saturating_add(done.rows_affected());
            left = rest;
        }
        Ok(changed)
    }

    /// Runs it for all rows and answers what it found.
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

    fn next<'r, R>(
        &'static self,
        rows: &'r [R],
        bind: fn(Statement, &R) -> Statement,
    ) -> Option<(Statement, &'r [R])> {
        let (now, rest) = rows.split_at_checked(rows.len().min(ROWS_MAX))?;
        let size_log2 = now.len().checked_next_power_of_two()?.checked_ilog2()?;
        let text = self.0.get(usize::try_from(size_log2).ok()?)?;
        let statement = || now.iter().fold(sqlx::query(text.as_str()), bind);
        (!now.is_empty()).then(|| (statement(), rest))
    }
}
