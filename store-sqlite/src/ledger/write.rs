//! Writes what was judged: each row that changes once, in the order of its key.
//!
//! What a thousand records add to one sum is added up first. Rows that are touched in the order
//! of their keys lie on neighbouring pages, and each page that changes is written once a commit.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use monetization_core::ids::{MeterId, TenantId};
use monetization_core::store::judging::QuotaKey;
use monetization_core::subscription::Segment;
use monetization_core::usage::{ForeignEvent, Tallied, TallyKey};
use sqlx::SqliteConnection;

use crate::bulk::Bulk;
use crate::convert::blob;
use crate::error::senseless;
use crate::hot::SumNumbers;
use crate::segments;

/// What is to be written of the records that are taken.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Number and segment, for rows to be made.
    pub(super) new_segments: Vec<(i64, TenantId, Segment)>,
    /// Announced segments that are used now, with the segment as a record of its own has it.
    pub(super) opened: Vec<(i64, Option<Segment>)>,
    /// Number and meter, for rows to be made.
    pub(super) new_meters: Vec<(i64, MeterId)>,
    /// Number and counter, for rows to be made.
    pub(super) new_quotas: Vec<(i64, QuotaKey)>,
    /// A row for each meter of each record.
    pub(super) records: Vec<RecordRow>,
    /// A row for each record that was reported as an event.
    pub(super) events: Vec<EventRow>,
    /// A row for each of the first that made its sum grow by something else than its quantity.
    pub(super) tallied: Vec<TalliedRow>,
    /// What is known of tallies now, with the numbers of their meters.
    pub(super) tallies: BTreeMap<TallyKey, (i64, Tallied)>,
    /// Sum, quantity, and whether the engine invoices it.
    pub(super) sums: Vec<(SumNumbers, i64, bool)>,
    /// Quota, units committed, units leased.
    pub(super) quotas: Vec<(i64, i64, i64)>,
    /// Lease, units committed.
    pub(super) leases: Vec<(i64, i64)>,
}

/// A row of `record`; its columns are explained where the table is made.
#[derive(Debug)]
pub(super) struct RecordRow {
    /// Where it stands in the ledger; the same for all rows of a record.
    pub(super) key: [u8; 16],
    /// The number of the segment it belongs to by its time.
    pub(super) segment: i64,
    /// The number of what it counts.
    pub(super) meter: i64,
    /// How much, in the meter's scale.
    pub(super) quantity: i64,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) occurred_at: i64,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) recorded_at: i64,
    /// The operation of the product.
    pub(super) resource: Option<String>,
    /// The upstream's status, where it gave one.
    pub(super) status: Option<i64>,
    /// How the call ended, where it was one.
    pub(super) ending: Option<i64>,
    /// What the record spent, in the row of its first meter.
    pub(super) spent: Option<String>,
    /// The record's id, where it was reported as an event.
    pub(super) event: Option<[u8; 16]>,
    /// The place of the meter among those of the record, from 0.
    pub(super) position: i64,
}

/// A row of `tallied`.
#[derive(Debug)]
pub(super) struct TalliedRow {
    /// Where the record stands in the ledger.
    pub(super) key: [u8; 16],
    /// The number of the record's segment.
    pub(super) segment: i64,
    /// The number of what it counts.
    pub(super) meter: i64,
    /// By how much more than the quantity the sum grew; mostly by less.
    pub(super) correction: i64,
    /// How that was found, as JSON.
    pub(super) tally: String,
}

/// A row of `event`.
#[derive(Debug)]
pub(super) struct EventRow {
    /// The record's id, which is derived from the event's name.
    pub(super) id: [u8; 16],
    /// The number of the record's segment.
    pub(super) segment: i64,
    /// Where the record stands in the ledger.
    pub(super) key: [u8; 16],
    /// Its name where it comes from, and the digest of what it says.
    pub(super) event: ForeignEvent,
}

impl Draft {
    /// Writes it.
    ///
    /// # Errors
    /// Where the database cannot, or where a counter is not what it was remembered to be. Part
    /// of it is written then: undo the transaction.
    pub(super) async fn write(mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.write_new_rows(connection).await?;
        self.write_records(connection).await?;
        self.write_sums(connection).await?;
        self.write_quotas(connection).await?;
        self.write_leases(connection).await
    }

    /// Rows that others will name by their numbers.
    async fn write_new_rows(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let segments = NEW_SEGMENTS.execute(
            connection,
            &self.new_segments,
            |statement, (number, tenant, segment)| {
                segments::bind(statement.bind(*number), *tenant, segment)
            },
        );
        segments.await?;
        for (number, as_recorded) in &self.opened {
            segments::open(connection, *number, as_recorded.as_ref()).await?;
        }
        let meters = NEW_METERS.execute(connection, &self.new_meters, |statement, (number, id)| {
            statement.bind(*number).bind(blob(*id))
        });
        meters.await?;
        let quotas =
            NEW_QUOTAS.execute(connection, &self.new_quotas, |statement, (number, key)| {
                statement
                    .bind(*number)
                    .bind(blob(key.tenant))
                    .bind(blob(key.subscription))
                    .bind(key.quota.to_string())
                    .bind(key.start.as_micros())
                    .bind(key.end.as_micros())
            });
        quotas.await.map(drop)
    }

    /// The evidence.
    async fn write_records(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.records
            .sort_unstable_by_key(|row| (row.key, row.position));
        let records = RECORDS.execute(connection, &self.records, |statement, row| {
            statement
                .bind(row.key.to_vec())
                .bind(row.segment)
                .bind(row.meter)
                .bind(row.quantity)
                .bind(row.occurred_at)
                .bind(row.recorded_at)
                .bind(row.resource.as_deref())
                .bind(row.status)
                .bind(row.ending)
                .bind(row.spent.as_deref())
                .bind(row.event.map(|id| id.to_vec()))
                .bind(row.position)
        });
        records.await?;
        self.events.sort_unstable_by_key(|row| row.id);
        let events = EVENTS.execute(connection, &self.events, |statement, row| {
            statement
                .bind(row.id.to_vec())
                .bind(row.segment)
                .bind(row.key.to_vec())
                .bind(row.event.digest.to_vec())
                .bind(row.event.source.as_str())
                .bind(row.event.id.as_str())
        });
        events.await?;
        self.write_tallies(connection).await
    }

    /// What is known of tallies now, and the evidence of what they made of records.
    async fn write_tallies(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.tallied
            .sort_unstable_by_key(|row| (row.key, row.segment, row.meter));
        let tallied = TALLIED.execute(connection, &self.tallied, |statement, row| {
            statement
                .bind(row.key.to_vec())
                .bind(row.segment)
                .bind(row.meter)
                .bind(row.correction)
                .bind(row.tally.as_str())
        });
        tallied.await?;
        let known: Vec<_> = std::mem::take(&mut self.tallies).into_iter().collect();
        let known = TALLIES.execute(connection, &known, |statement, (key, (meter, known))| {
            statement
                .bind(blob(key.tenant))
                .bind(blob(key.subscription))
                .bind(key.since.as_micros())
                .bind(*meter)
                .bind(key.value.to_vec())
                .bind(known.value.scaled())
                .bind(known.at.as_micros())
        });
        known.await.map(drop)
    }

    /// What the records count, for each sum once.
    async fn write_sums(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.sums.sort_unstable_by_key(|(key, ..)| *key);
        self.sums.dedup_by(|(key, more, _), (kept, quantity, _)| {
            let same = key == kept;
            if same {
                *quantity = quantity.saturating_add(*more);
            }
            same
        });
        // Only what was last can be less than before; the row is there then.
        let (grown, shrunk): (Vec<_>, Vec<_>) = self
            .sums
            .drain(..)
            .partition(|(_, quantity, _)| *quantity >= 0);
        for (key, quantity, _) in shrunk {
            let shrink = "UPDATE sum SET total = total + ?
                WHERE segment = ? AND origin = ? AND meter = ?";
            let shrink = sqlx::query(shrink)
                .bind(quantity)
                .bind(key.segment)
                .bind(key.origin)
                .bind(key.meter);
            all_changed(shrink.execute(&mut *connection).await?.rows_affected(), 1)?;
        }
        let sums = SUMS.execute(
            connection,
            &grown,
            |statement, (key, quantity, by_engine)| {
                statement
                    .bind(key.segment)
                    .bind(key.origin)
                    .bind(key.meter)
                    .bind(*quantity)
                    .bind(*by_engine)
            },
        );
        sums.await.map(drop)
    }

    /// What the records spend, for each counter once.
    async fn write_quotas(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.quotas.sort_unstable();
        self.quotas
            .dedup_by(|(number, more, more_leased), (kept, committed, leased)| {
                let same = number == kept;
                if same {
                    *committed = committed.saturating_add(*more);
                    *leased = leased.saturating_add(*more_leased);
                }
                same
            });
        let quotas = QUOTAS.execute(connection, &self.quotas, |statement, row| {
            statement.bind(row.0).bind(row.1).bind(row.2)
        });
        all_changed(quotas.await?, self.quotas.len())
    }

    /// What the records spend of blocks, for each block once.
    async fn write_leases(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.leases.sort_unstable();
        self.leases.dedup_by(|(number, more), (kept, units)| {
            let same = number == kept;
            if same {
                *units = units.saturating_add(*more);
            }
            same
        });
        let leases = LEASES.execute(connection, &self.leases, |statement, row| {
            statement.bind(row.0).bind(row.1)
        });
        all_changed(leases.await?, self.leases.len())
    }
}

/// What is remembered must be what is there: a counter that is gone, or a lease that was settled
/// behind our back, undoes the transaction.
fn all_changed(changed: u64, wanted: usize) -> sqlx::Result<()> {
    if usize::try_from(changed).is_ok_and(|changed| changed == wanted) {
        Ok(())
    } else {
        Err(senseless(format!(
            "{wanted} counters were to change, {changed} did"
        )))
    }
}

static NEW_SEGMENTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/write_segments.sql"), 11));

static NEW_METERS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/write_meters.sql"), 2));

static NEW_QUOTAS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/write_quotas.sql"), 6));

static RECORDS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/write_records.sql"), 12));

static TALLIED: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/write_tallied.sql"), 5));

static TALLIES: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/write_tallies.sql"), 7));

static EVENTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/write_events.sql"), 6));

static SUMS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/add_to_sums.sql"), 5));

static QUOTAS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/add_to_quotas.sql"), 3));

static LEASES: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../../sql/add_to_leases.sql"), 2));
