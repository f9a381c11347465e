//! Writes what was judged: one statement a table, its rows as columns of arrays, in the order of
//! their keys.
//!
//! Events and records come first, because their unique indexes tell what is known; what follows from
//! those that are new is added then. A row that several processes add to is written last, so that it is held
//! for as short as can be: sums, counters, blocks, tallies.

use std::collections::{BTreeMap, BTreeSet};

use monetization_core::ids::{LeaseId, MeterId, RecordId, SegmentId, TenantId, TypedId};
use monetization_core::store::judging::QuotaKey;
use monetization_core::subscription::Segment;
use monetization_core::usage::{ForeignEvent, SumKey, Tallied, TallyKey};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::convert::Columns;
use crate::error::senseless;
use crate::quotas::bind_quotas;
use crate::segments;

/// What is to be written of the records that are taken.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Rows to be made.
    pub(super) new_segments: BTreeMap<(TenantId, SegmentId), Segment>,
    /// Announced segments that are used now, with the segment as a record of its own has it.
    pub(super) opened: BTreeMap<(TenantId, SegmentId), Option<Segment>>,
    /// A row for each meter of each record.
    pub(super) records: Vec<RecordRow>,
    /// A row for each record that was reported as an event.
    pub(super) events: Vec<EventRow>,
    /// A row for each of the first that made its sum grow by something else than its quantity.
    pub(super) tallied: Vec<TalliedRow>,
    /// What is known of tallies now.
    pub(super) tallies: BTreeMap<TallyKey, Tallied>,
    /// Quantity, and whether the engine invoices it.
    sums: BTreeMap<(TenantId, SumKey), (i64, bool)>,
    /// Units committed, units leased.
    quotas: BTreeMap<QuotaKey, (i64, i64)>,
    /// Units committed.
    pub(super) leases: BTreeMap<(TenantId, LeaseId), i64>,
}

/// A row of `record`; its columns are explained where the table is made.
#[derive(Debug)]
pub(super) struct RecordRow {
    /// Whose record it is.
    pub(super) tenant: TenantId,
    /// Which record.
    pub(super) id: RecordId,
    /// Where it stands in the ledger; the same for all rows of a record.
    pub(super) key: Uuid,
    /// The segment it belongs to by its time.
    pub(super) segment: SegmentId,
    /// What it counts.
    pub(super) meter: MeterId,
    /// How much, in the meter's scale.
    pub(super) quantity: i64,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) occurred_at: i64,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) recorded_at: i64,
    /// The record's id, where it was reported as an event.
    pub(super) event: Option<Uuid>,
    /// The place of the meter among those of the record, from 0.
    pub(super) position: i16,
    /// The upstream's status, where it gave one.
    pub(super) status: Option<i16>,
    /// How the call ended, where it was one.
    pub(super) ending: Option<i16>,
    /// The operation of the product.
    pub(super) resource: Option<String>,
    /// What the record spent, in the row of its first meter.
    pub(super) spent: Option<String>,
}

/// A row of `tallied`.
#[derive(Debug)]
pub(super) struct TalliedRow {
    /// Whose record it is.
    pub(super) tenant: TenantId,
    /// Where the record stands in the ledger.
    pub(super) key: Uuid,
    /// The place of what it counts.
    pub(super) position: i16,
    /// By how much more than the quantity the sum grew; mostly by less.
    pub(super) correction: i64,
    /// How that was found, as JSON.
    pub(super) tally: String,
}

/// A row of `event`.
#[derive(Debug)]
pub(super) struct EventRow {
    /// Whose event it is.
    pub(super) tenant: TenantId,
    /// The record's id, which is derived from the event's name.
    pub(super) id: RecordId,
    /// The record's segment.
    pub(super) segment: SegmentId,
    /// Where the record stands in the ledger.
    pub(super) key: Uuid,
    /// Its name where it comes from, and the digest of what it says.
    pub(super) event: ForeignEvent,
}

/// Writes the events that are new, and answers those that are not.
///
/// # Errors
/// Where the database cannot.
pub(super) async fn events(
    connection: &mut PgConnection,
    events: &[EventRow],
) -> sqlx::Result<Vec<(TenantId, RecordId)>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<&EventRow> = events.iter().collect();
    rows.sort_unstable_by_key(|row| (row.id, row.tenant));
    let written = sqlx::query(include_str!("../../sql/write_events.sql"))
        .bind(column(&rows, |row| row.tenant.uuid()))
        .bind(column(&rows, |row| row.id.uuid()))
        .bind(column(&rows, |row| row.segment.uuid()))
        .bind(column(&rows, |row| row.key))
        .bind(column(&rows, |row| row.event.digest.to_vec()))
        .bind(column(&rows, |row| row.event.source.as_str()))
        .bind(column(&rows, |row| row.event.id.as_str()))
        .fetch_all(connection)
        .await?;
    if written.len() == rows.len() {
        return Ok(Vec::new());
    }
    let mut left: BTreeSet<(TenantId, RecordId)> =
        rows.iter().map(|row| (row.tenant, row.id)).collect();
    for row in &written {
        left.remove(&(row.id("tenant")?, row.id("id")?));
    }
    Ok(left.into_iter().collect())
}

/// Writes the records that are new, and answers those that are not.
///
/// # Errors
/// Where the database cannot.
pub(super) async fn records(
    connection: &mut PgConnection,
    records: &[RecordRow],
) -> sqlx::Result<Vec<(TenantId, RecordId)>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<&RecordRow> = records.iter().collect();
    rows.sort_unstable_by_key(|row| (row.key, row.tenant, row.position));
    let written = sqlx::query(include_str!("../../sql/write_records.sql"))
        .bind(column(&rows, |row| row.tenant.uuid()))
        .bind(column(&rows, |row| row.key))
        .bind(column(&rows, |row| row.segment.uuid()))
        .bind(column(&rows, |row| row.meter.uuid()))
        .bind(column(&rows, |row| row.quantity))
        .bind(column(&rows, |row| row.occurred_at))
        .bind(column(&rows, |row| row.recorded_at))
        .bind(column(&rows, |row| row.event))
        .bind(column(&rows, |row| row.position))
        .bind(column(&rows, |row| row.status))
        .bind(column(&rows, |row| row.ending))
        .bind(column(&rows, |row| row.resource.as_deref()))
        .bind(column(&rows, |row| row.spent.as_deref()))
        .fetch_one(connection)
        .await?;
    let keys: Vec<Uuid> = written.value("keys")?;
    if keys.len() == rows.len() {
        return Ok(Vec::new());
    }
    let firsts = rows.iter().filter(|row| row.position == 0);
    let mut left: BTreeMap<(TenantId, Uuid), RecordId> =
        firsts.map(|row| ((row.tenant, row.key), row.id)).collect();
    for (tenant, key) in written.ids("tenants")?.into_iter().zip(keys) {
        left.remove(&(tenant, key));
    }
    let known = left.into_iter().map(|((tenant, _), id)| (tenant, id));
    Ok(known.collect())
}

impl Draft {
    /// Adds to what a sum is to grow by.
    pub(super) fn add_to_sum(&mut self, key: (TenantId, SumKey), added: i64, by_engine: bool) {
        let (quantity, _) = self.sums.entry(key).or_insert((0, by_engine));
        *quantity = quantity.saturating_add(added);
    }

    /// Adds to what a counter is to have committed and leased.
    pub(super) fn add_to_quota(&mut self, key: QuotaKey, (committed, leased): (i64, i64)) {
        let more = self.quotas.entry(key).or_default();
        *more = (
            more.0.saturating_add(committed),
            more.1.saturating_add(leased),
        );
    }

    /// Writes all that follows from records and events; `false` where a segment that begins with
    /// them has begun with others meanwhile. Undo the transaction then, as after an error.
    ///
    /// # Errors
    /// Where the database cannot, or a counter or block is not what it was believed to be.
    pub(super) async fn write(&self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        if !self.write_segments(connection).await? {
            return Ok(false);
        }
        for (key, as_recorded) in &self.opened {
            segments::open(connection, *key, as_recorded.as_ref()).await?;
        }
        self.write_sums(connection).await?;
        self.write_quotas(connection).await?;
        self.write_leases(connection).await?;
        self.write_tallies(connection).await?;
        Ok(true)
    }

    /// Segments that begin; `false` where one of them has begun meanwhile.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn write_segments(&self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        if self.new_segments.is_empty() {
            return Ok(true);
        }
        let rows: Vec<(&(TenantId, SegmentId), &Segment)> = self.new_segments.iter().collect();
        let written = sqlx::query(include_str!("../../sql/write_segments.sql"))
            .bind(column(&rows, |((tenant, _), _)| tenant.uuid()))
            .bind(column(&rows, |(_, it)| it.id.uuid()))
            .bind(column(&rows, |(_, it)| it.subscription.uuid()))
            .bind(column(&rows, |(_, it)| it.version.uuid()))
            .bind(column(&rows, |(_, it)| it.invoicing.as_str()))
            .bind(column(&rows, |(_, it)| i64::from(it.period_index)))
            .bind(column(&rows, |(_, it)| it.period.start.as_micros()))
            .bind(column(&rows, |(_, it)| it.period.end.as_micros()))
            .bind(column(&rows, |(_, it)| it.span.start.as_micros()))
            .bind(column(&rows, |(_, it)| it.span.end.as_micros()))
            .execute(connection)
            .await?;
        Ok(changed(written.rows_affected(), rows.len()))
    }

    /// What the records count, for each sum once.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn write_sums(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        // Only what was last can be less than before; the row is there then.
        let is_less = |(_, (quantity, _)): &(_, &(i64, bool))| *quantity < 0;
        for ((tenant, key), (quantity, _)) in self.sums.iter().filter(is_less) {
            let shrunk = sqlx::query(include_str!("../../sql/shrink_sum.sql"))
                .bind(tenant.uuid())
                .bind(key.segment.uuid())
                .bind(key.origin.uuid())
                .bind(key.meter.uuid())
                .bind(*quantity)
                .execute(&mut *connection)
                .await?;
            all_changed(shrunk.rows_affected(), 1)?;
        }
        let grown = self.sums.iter().filter(|row| !is_less(row)).collect();
        let grown: Vec<SumRow<'_>> = grown;
        let add = sum_keys(include_str!("../../sql/add_to_sums.sql"), &grown)
            .bind(column(&grown, |(_, (quantity, _))| *quantity))
            .bind(column(&grown, |(_, (_, by_engine))| *by_engine));
        add.execute(&mut *connection).await?;
        let is_to_be_sealed = |row: &SumRow<'_>| matches!(row, (_, (1.., true)));
        let unsealed: Vec<SumRow<'_>> = grown.into_iter().filter(is_to_be_sealed).collect();
        if !unsealed.is_empty() {
            sum_keys(include_str!("../../sql/note_unsealed.sql"), &unsealed)
                .execute(connection)
                .await?;
        }
        Ok(())
    }

    /// What the records spend, for each counter once. A counter of which a part was leased before
    /// has its row; others may begin now.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn write_quotas(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let (loose, leased): (Vec<QuotaRow<'_>>, Vec<QuotaRow<'_>>) = self
            .quotas
            .iter()
            .partition(|(_, (committed, leased))| committed == leased);
        for (text, rows) in [
            (include_str!("../../sql/add_to_quotas.sql"), loose),
            (include_str!("../../sql/add_to_leased_quotas.sql"), leased),
        ] {
            if rows.is_empty() {
                continue;
            }
            let keys = column(&rows, |(key, _)| **key);
            let added = bind_quotas(sqlx::query(text), &keys)
                .bind(column(&rows, |(_, (committed, _))| *committed))
                .bind(column(&rows, |(_, (_, leased))| *leased))
                .execute(&mut *connection)
                .await?;
            all_changed(added.rows_affected(), rows.len())?;
        }
        Ok(())
    }

    /// What the records spend of blocks, for each block once.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn write_leases(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.leases.is_empty() {
            return Ok(());
        }
        let rows: Vec<(&(TenantId, LeaseId), &i64)> = self.leases.iter().collect();
        let added = sqlx::query(include_str!("../../sql/add_to_leases.sql"))
            .bind(column(&rows, |((tenant, _), _)| tenant.uuid()))
            .bind(column(&rows, |((_, id), _)| id.uuid()))
            .bind(column(&rows, |(_, units)| **units))
            .execute(connection)
            .await?;
        all_changed(added.rows_affected(), rows.len())
    }

    /// What is known of tallies now, and the evidence of what they made of records.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn write_tallies(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.tallied.is_empty() {
            return Ok(());
        }
        sqlx::query(include_str!("../../sql/write_tallied.sql"))
            .bind(column(&self.tallied, |row| row.tenant.uuid()))
            .bind(column(&self.tallied, |row| row.key))
            .bind(column(&self.tallied, |row| row.position))
            .bind(column(&self.tallied, |row| row.correction))
            .bind(column(&self.tallied, |row| row.tally.as_str()))
            .execute(&mut *connection)
            .await?;
        let rows: Vec<(&TallyKey, &Tallied)> = self.tallies.iter().collect();
        let written = sqlx::query(include_str!("../../sql/write_tallies.sql"))
            .bind(column(&rows, |(key, _)| key.tenant.uuid()))
            .bind(column(&rows, |(key, _)| key.subscription.uuid()))
            .bind(column(&rows, |(key, _)| key.since.as_micros()))
            .bind(column(&rows, |(key, _)| key.meter.uuid()))
            .bind(column(&rows, |(key, _)| key.value.to_vec()))
            .bind(column(&rows, |(_, known)| known.value.scaled()))
            .bind(column(&rows, |(_, known)| known.at.as_micros()))
            .execute(connection)
            .await?;
        all_changed(written.rows_affected(), rows.len())
    }
}

/// A sum, what it grows by, and whether the engine invoices it.
type SumRow<'a> = (&'a (TenantId, SumKey), &'a (i64, bool));

/// A counter, and what it is to have committed and leased more.
type QuotaRow<'a> = (&'a QuotaKey, &'a (i64, i64));

/// A statement about these sums.
fn sum_keys(text: &'static str, rows: &[SumRow<'_>]) -> crate::Statement {
    sqlx::query(text)
        .bind(column(rows, |((tenant, _), _)| tenant.uuid()))
        .bind(column(rows, |((_, key), _)| key.segment.uuid()))
        .bind(column(rows, |((_, key), _)| key.origin.uuid()))
        .bind(column(rows, |((_, key), _)| key.meter.uuid()))
}

/// One column of rows.
fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Whether as many rows were changed as were to be.
fn changed(changed: u64, wanted: usize) -> bool {
    usize::try_from(changed).is_ok_and(|changed| changed == wanted)
}

/// What is believed must be what is there: a counter that is gone, or a lease that was settled
/// behind our back, undoes the transaction.
fn all_changed(rows: u64, wanted: usize) -> sqlx::Result<()> {
    if changed(rows, wanted) {
        Ok(())
    } else {
        Err(senseless(format!(
            "{wanted} counters were to change, {rows} did"
        )))
    }
}
