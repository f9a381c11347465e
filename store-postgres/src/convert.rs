//! Between what the port says and what the columns hold: the one place that knows both.
//!
//! | the port | a column |
//! |---|---|
//! | an id | `uuid` |
//! | an instant | `bigint`, microseconds since 1970-01-01 UTC |
//! | a quantity | `bigint` of its meter's scale |
//! | a version, fence or place in a sequence | `bigint`, never negative |
//! | a kind, index, state or window | `text`, the name its type gives itself |
//! | how a call ended | `smallint`, by [`Ending::code`] |
//! | a fact, an operation | `text`, its JSON |
//!
//! What does not fit is an error, both ways: nothing is cut short or taken for something else.

use std::error::Error;
use std::str::FromStr;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::TypedId;
use monetization_core::intent::{Intent, IntentState, Parking};
use monetization_core::money::Quantity;
use monetization_core::plan::QuotaName;
use monetization_core::reference::{Place, Realm};
use monetization_core::store::{
    Batch, BatchState, Held, Index, JobRun, JobState, Named, Row, RowKey, SentAgain, Unique,
};
use monetization_core::subscription::Segment;
use monetization_core::usage::{Ending, Sum, SumKey};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use uuid::Uuid;

use crate::error::senseless;

/// A number that the port counts without a sign, as the database keeps it.
///
/// # Errors
/// Past 63 bits, which nothing that is counted here ever comes to.
pub(crate) fn signed(number: u64) -> sqlx::Result<i64> {
    i64::try_from(number).map_err(senseless)
}

/// How many rows to ask for. More than the database can count is all there are.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Where a value of an index stands once only: in the tenant's scope or, as the nil id, in that
/// of the whole store. Values that may stand many times are kept by tenant too.
pub(crate) fn scope(index: Index, tenant: impl TypedId) -> Uuid {
    match index.unique() {
        Unique::Everywhere => Uuid::nil(),
        Unique::InTenant | Unique::No => tenant.uuid(),
    }
}

/// Reads columns as what the port calls them.
///
/// Each method names a column of the row, and fails where the row has no such column or its
/// value is no such thing.
pub(crate) trait Columns {
    /// The value as sqlx reads it.
    fn value<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
        &'r self,
        column: &str,
    ) -> sqlx::Result<T>;

    /// An id without a type.
    fn uuid(&self, column: &str) -> sqlx::Result<Uuid> {
        self.value(column)
    }

    /// An id.
    fn id<T: TypedId>(&self, column: &str) -> sqlx::Result<T> {
        self.uuid(column).map(T::from_uuid)
    }

    /// An id, if there is one.
    fn optional_id<T: TypedId>(&self, column: &str) -> sqlx::Result<Option<T>> {
        let uuid: Option<Uuid> = self.value(column)?;
        Ok(uuid.map(T::from_uuid))
    }

    /// Ids, where one row holds those of many.
    fn ids<T: TypedId>(&self, column: &str) -> sqlx::Result<Vec<T>> {
        let uuids: Vec<Uuid> = self.value(column)?;
        Ok(uuids.into_iter().map(T::from_uuid).collect())
    }

    /// A number that is never negative.
    fn unsigned(&self, column: &str) -> sqlx::Result<u64> {
        u64::try_from(self.value::<i64>(column)?).map_err(senseless)
    }

    /// A small number that is never negative.
    fn count(&self, column: &str) -> sqlx::Result<u32> {
        u32::try_from(self.value::<i32>(column)?).map_err(senseless)
    }

    /// An instant.
    fn instant(&self, column: &str) -> sqlx::Result<Timestamp> {
        self.value(column).map(Timestamp::from_micros)
    }

    /// An instant, if there is one.
    fn optional_instant(&self, column: &str) -> sqlx::Result<Option<Timestamp>> {
        let micros: Option<i64> = self.value(column)?;
        Ok(micros.map(Timestamp::from_micros))
    }

    /// A stretch of time, from two columns.
    fn span(&self, start: &str, end: &str) -> sqlx::Result<Span> {
        Ok(Span {
            start: self.instant(start)?,
            end: self.instant(end)?,
        })
    }

    /// A quantity of its meter's scale.
    fn quantity(&self, column: &str) -> sqlx::Result<Quantity> {
        self.value(column).map(Quantity::from_scaled)
    }

    /// What is stored by its name.
    fn named<T: Named>(&self, column: &str) -> sqlx::Result<T> {
        T::named(self.value(column)?).map_err(senseless)
    }

    /// A text that has to be valid as what it is.
    fn text<T: Text>(&self, column: &str) -> sqlx::Result<T> {
        self.value::<&str>(column)?.parse().map_err(senseless)
    }

    /// Such a text, if there is one.
    fn optional_text<T: Text>(&self, column: &str) -> sqlx::Result<Option<T>> {
        let text: Option<&str> = self.value(column)?;
        text.map(str::parse).transpose().map_err(senseless)
    }
}

impl Columns for PgRow {
    fn value<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
        &'r self,
        column: &str,
    ) -> sqlx::Result<T> {
        self.try_get(column)
    }
}

/// What is checked when it is read from a text.
pub(crate) trait Text: FromStr<Err: Error + Send + Sync + 'static> {}

impl<T: FromStr<Err: Error + Send + Sync + 'static>> Text for T {}

/// A row of `fact`.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn fact(row: &PgRow) -> sqlx::Result<Row> {
    Ok(Row {
        kind: row.named("kind")?,
        id: row.uuid("id")?,
        tenant: row.id("tenant")?,
        version: row.unsigned("version")?,
        due_at: row.optional_instant("due_at")?,
        keys: RowKey::list_of_text(row.value("keys")?).map_err(senseless)?,
        body: row.value("body")?,
        seq: row.unsigned("change_seq")?,
    })
}

/// A row of `segment`.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn segment(row: &PgRow) -> sqlx::Result<Segment> {
    Ok(Segment {
        id: row.id("id")?,
        subscription: row.id("subscription")?,
        version: row.id("plan_version")?,
        invoicing: row.named("invoicing")?,
        period_index: u32::try_from(row.unsigned("period_index")?).map_err(senseless)?,
        period: row.span("period_start_at", "period_end_at")?,
        span: row.span("start_at", "end_at")?,
    })
}

/// A row of `sum`.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn sum(row: &PgRow) -> sqlx::Result<Sum> {
    Ok(Sum {
        key: sum_key(row)?,
        total: row.quantity("total")?,
        sealed: row.quantity("sealed")?,
    })
}

/// The key of a row that names its segments and meter.
fn sum_key(row: &PgRow) -> sqlx::Result<SumKey> {
    Ok(SumKey {
        segment: row.id("segment")?,
        origin: row.id("origin")?,
        meter: row.id("meter")?,
    })
}

/// A row of `batch`.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn batch(row: &PgRow) -> sqlx::Result<Batch> {
    Ok(Batch {
        id: row.id("id")?,
        tenant: row.id("tenant")?,
        key: sum_key(row)?,
        from: row.quantity("from_total")?,
        to: row.quantity("to_total")?,
        place: Place {
            engine: row.text("engine")?,
            account: row.optional_text("account")?,
        },
        realm: Realm {
            account: row.text("realm")?,
            mode: row.named("mode")?,
        },
        used_at: row.instant("used_at")?,
        body: row.value("body")?,
        state: BatchState::named(row.value("state")?, row.value("reason")?).map_err(senseless)?,
        attempts: row.count("attempts")?,
        first_sent_at: row.optional_instant("first_sent_at")?,
        settled_at: row.optional_instant("settled_at")?,
        fence: row.unsigned("fence")?,
        decided_because: row.value("decided_because")?,
        sent_again: sent_again(row)?,
    })
}

/// That a batch was sent again.
fn sent_again(row: &PgRow) -> sqlx::Result<Option<SentAgain>> {
    let after: Option<&str> = row.value("sent_again_after")?;
    let after = after.map(Held::named).transpose().map_err(senseless)?;
    let decided_at = row.optional_instant("sent_again_at")?;
    Ok(after
        .zip(decided_at)
        .map(|(after, decided_at)| SentAgain { after, decided_at }))
}

/// A row of `intent`.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn intent(row: &PgRow) -> sqlx::Result<Intent> {
    Ok(Intent {
        id: row.id("id")?,
        tenant: row.id("tenant")?,
        operation: serde_json::from_str(row.value("operation")?).map_err(senseless)?,
        due_at: row.instant("due_at")?,
        attempts: row.count("attempts")?,
    })
}

/// How far the operation of a row of `intent` has come.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn intent_state(row: &PgRow) -> sqlx::Result<IntentState> {
    Ok(match row.value("state")? {
        "open" => IntentState::Open,
        "done" => IntentState::Done,
        "parked" => IntentState::Parked(parking(row)?),
        other => return Err(senseless(format!("{other:?} is no state of an operation"))),
    })
}

/// Why the operation of a row of `intent` is parked.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn parking(row: &PgRow) -> sqlx::Result<Parking> {
    Ok(Parking {
        reason: row.value("reason")?,
        parked_at: row.instant("parked_at")?,
    })
}

/// A row of `job`, with whether its lease has `lapsed`.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn job(row: &PgRow) -> sqlx::Result<JobRun> {
    let state: JobState = row.named("state")?;
    let lapsed = state == JobState::Running && row.value("lapsed")?;
    Ok(JobRun {
        fence: row.unsigned("fence")?,
        state: if lapsed { JobState::Lapsed } else { state },
        started_at: row.instant("started_at")?,
        ended_at: row.optional_instant("ended_at")?,
        done: row.unsigned("done")?,
        failed: row.unsigned("failed")?,
    })
}

/// The ending that this code stands for.
///
/// # Errors
/// Where there is none.
pub(crate) fn ending(code: i64) -> sqlx::Result<Ending> {
    Ending::of_code(code).ok_or_else(|| senseless(format!("{code} is no ending of a call")))
}

/// The quota window of this name.
///
/// # Errors
/// Where there is none.
pub(crate) fn quota_name(name: &str) -> sqlx::Result<QuotaName> {
    name.parse().map_err(senseless)
}
