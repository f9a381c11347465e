//! What an append has read of the rows that decide about its records, and holds.
//!
//! | read | how it is held | why |
//! |---|---|---|
//! | segments, along their successors | against closing, with other appends | a closed one takes no use of its own |
//! | blocks of quotas | alone | what is left of one is spent once |
//! | tallies | alone | how much a sum grows depends on what was there |
//! | sums and counters, with care | alone | whether they would overflow |
//! | records and events, with care | not at all: the unique indexes do it | which of them are known |
//!
//! Nothing is remembered from one append to the next: other processes write, too.

use std::iter::zip;

use hashbrown::HashMap;
use monetization_core::ids::{LeaseId, RecordId, SegmentId, TenantId, TypedId};
use monetization_core::store::judging::{self, Block, QuotaKey, SegmentState};
use monetization_core::usage::{SumKey, Tallied, TallyKey, UsageRecord};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::convert::Columns;
use crate::error::senseless;
use crate::quotas::{bind_quotas, quota_key};

/// Rows by their keys. What has no row is not in it. The maps are looked up and never walked
/// through, so their order reaches nothing.
///
/// Judging changes a copy of it, so that the same records can be judged again when more is known of
/// them.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    /// Segments of the records, and all that follow those that are closed.
    pub(super) segments: HashMap<(TenantId, SegmentId), KeptSegment>,
    /// Blocks that are spent from.
    pub(super) leases: HashMap<(TenantId, LeaseId), Block>,
    /// What is known of tallies.
    pub(super) tallies: HashMap<TallyKey, Tallied>,
    /// What sums hold. Read with care only; else they are believed to hold little.
    pub(super) totals: HashMap<(TenantId, SumKey), i64>,
    /// What counters have leased. Read with care only.
    pub(super) leased: HashMap<QuotaKey, i64>,
    /// Records that are in the ledger, with the digests of their events.
    pub(super) known: HashMap<(TenantId, RecordId), Option<[u8; 32]>>,
}

/// A row of `segment`.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptSegment {
    /// Whether the engine invoices it.
    pub(super) by_engine: bool,
    /// How far it has come.
    pub(super) state: SegmentState,
}

impl judging::Book for Book {
    fn known(&self, of: (TenantId, RecordId)) -> Option<Option<[u8; 32]>> {
        self.known.get(&of).copied()
    }

    fn segment(&self, of: (TenantId, SegmentId)) -> Option<SegmentState> {
        self.segments.get(&of).map(|kept| kept.state)
    }

    fn segments(&self) -> usize {
        self.segments.len()
    }

    fn block(&self, of: (TenantId, LeaseId)) -> Option<Block> {
        self.leases.get(&of).copied()
    }

    fn leased(&self, of: &QuotaKey) -> i64 {
        self.leased.get(of).copied().unwrap_or_default()
    }

    fn total(&self, of: (TenantId, SumKey)) -> i64 {
        self.totals.get(&of).copied().unwrap_or_default()
    }

    fn tallied(&self, of: &TallyKey) -> Option<Tallied> {
        self.tallies.get(of).copied()
    }
}

impl Book {
    /// Reads and holds what decides about these records, but for what only rarely does.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    pub(super) async fn load(
        connection: &mut PgConnection,
        records: &[UsageRecord],
    ) -> sqlx::Result<Self> {
        let mut book = Self::default();
        let segments = records.iter().map(|it| (it.tenant, it.segment.id));
        book.load_segments(connection, segments.collect()).await?;
        let leases = records.iter().flat_map(|record| {
            let leases = record.spent.iter().filter_map(|spent| spent.lease);
            leases.map(|lease| (record.tenant, lease))
        });
        book.load_leases(connection, leases.collect()).await?;
        let tallies = records.iter().flat_map(|record| {
            let counted = record.counted.iter();
            counted.filter_map(|counted| TallyKey::of(record, counted))
        });
        book.load_tallies(connection, tallies.collect()).await?;
        Ok(book)
    }

    /// Reads what is not read where all is believed to be new and to fit: which records are in the
    /// ledger, and what sums and counters hold.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    pub(super) async fn load_what_is_known(
        &mut self,
        connection: &mut PgConnection,
        records: &[UsageRecord],
    ) -> sqlx::Result<()> {
        let ids: Vec<(TenantId, RecordId)> = records.iter().map(|it| (it.tenant, it.id)).collect();
        self.learn_events(connection, &ids).await?;
        let rows = by_ids(include_str!("../../sql/find_records.sql"), &ids);
        for row in rows.fetch_all(&mut *connection).await? {
            self.known.insert((row.id("tenant")?, row.id("id")?), None);
        }
        let payers = self.segments.keys().copied().collect();
        self.load_totals(connection, payers).await?;
        let quotas = records.iter().flat_map(|record| {
            let spent = record.spent.iter();
            spent.map(|spent| QuotaKey::of_record(record, spent))
        });
        self.load_quotas(connection, quotas.collect()).await
    }

    /// Takes in what is known of these events, as far as they are in the ledger.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    pub(super) async fn learn_events(
        &mut self,
        connection: &mut PgConnection,
        ids: &[(TenantId, RecordId)],
    ) -> sqlx::Result<()> {
        let rows = by_ids(include_str!("../../sql/find_events.sql"), ids);
        for row in rows.fetch_all(connection).await? {
            let digest: &[u8] = row.value("digest")?;
            let digest = digest.try_into().map_err(senseless)?;
            let id = (row.id("tenant")?, row.id("id")?);
            self.known.insert(id, Some(digest));
        }
        Ok(())
    }

    /// Takes in that these records of our own are in the ledger.
    pub(super) fn learn_records(&mut self, ids: Vec<(TenantId, RecordId)>) {
        self.known.extend(ids.into_iter().map(|id| (id, None)));
    }

    /// Successors are followed one step a statement, all chains at once. A chain is as long as the
    /// number of segments that were closed since the use that comes late; most have length nought.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn load_segments(
        &mut self,
        connection: &mut PgConnection,
        mut asked: Vec<(TenantId, SegmentId)>,
    ) -> sqlx::Result<()> {
        loop {
            asked.sort_unstable();
            asked.dedup();
            asked.retain(|key| !self.segments.contains_key(key));
            if asked.is_empty() {
                return Ok(());
            }
            let held = by_ids(include_str!("../../sql/load_segments.sql"), &asked);
            let held = kept_segments(&held.fetch_one(&mut *connection).await?)?;
            asked.clear();
            for (key, segment) in held {
                self.segments.insert(key, segment);
                if let SegmentState::Closed(successor) = segment.state {
                    asked.push((key.0, successor));
                }
            }
        }
    }

    /// Blocks that are unknown, or another tenant's, stay unknown: records that spend from them are
    /// refused.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn load_leases(
        &mut self,
        connection: &mut PgConnection,
        mut asked: Vec<(TenantId, LeaseId)>,
    ) -> sqlx::Result<()> {
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return Ok(());
        }
        let rows = by_ids(include_str!("../../sql/load_leases.sql"), &asked);
        for row in rows.fetch_all(connection).await? {
            let (units, committed): (i64, i64) = (row.value("units")?, row.value("committed")?);
            let lease = Block {
                quota: quota_key(&row)?,
                unspent: units.saturating_sub(committed),
                open: row.value("open")?,
            };
            self.leases
                .insert((row.id("tenant")?, row.id("id")?), lease);
        }
        Ok(())
    }

    /// Tallies that have no row get one of which nothing is known, so that it can be held.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn load_tallies(
        &mut self,
        connection: &mut PgConnection,
        mut asked: Vec<TallyKey>,
    ) -> sqlx::Result<()> {
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return Ok(());
        }
        let tenants: Vec<Uuid> = asked.iter().map(|key| key.tenant.uuid()).collect();
        let subscriptions: Vec<Uuid> = asked.iter().map(|key| key.subscription.uuid()).collect();
        let since: Vec<i64> = asked.iter().map(|key| key.since.as_micros()).collect();
        let meters: Vec<Uuid> = asked.iter().map(|key| key.meter.uuid()).collect();
        let values: Vec<&[u8]> = asked.iter().map(|key| key.value.as_slice()).collect();
        let bind = |text: &'static str| {
            sqlx::query(text)
                .bind(&tenants)
                .bind(&subscriptions)
                .bind(&since)
                .bind(&meters)
                .bind(&values)
        };
        bind(include_str!("../../sql/hold_tallies.sql"))
            .execute(&mut *connection)
            .await?;
        let rows = bind(include_str!("../../sql/load_tallies.sql"));
        for row in rows.fetch_all(connection).await? {
            let known: Option<i64> = row.value("known")?;
            if known.is_none() {
                continue;
            }
            let value: &[u8] = row.value("value")?;
            let key = TallyKey {
                tenant: row.id("tenant")?,
                subscription: row.id("subscription")?,
                since: row.instant("since_at")?,
                meter: row.id("meter")?,
                value: value.try_into().map_err(senseless)?,
            };
            let known = Tallied {
                value: row.quantity("known")?,
                at: row.instant("used_at")?,
            };
            self.tallies.insert(key, known);
        }
        Ok(())
    }

    /// What the sums hold that these segments pay for.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn load_totals(
        &mut self,
        connection: &mut PgConnection,
        mut asked: Vec<(TenantId, SegmentId)>,
    ) -> sqlx::Result<()> {
        asked.sort_unstable();
        let rows = by_ids(include_str!("../../sql/load_totals.sql"), &asked);
        for row in rows.fetch_all(connection).await? {
            let key = SumKey {
                segment: row.id("segment")?,
                origin: row.id("origin")?,
                meter: row.id("meter")?,
            };
            self.totals
                .insert((row.id("tenant")?, key), row.value("total")?);
        }
        Ok(())
    }

    /// What these counters have leased.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn load_quotas(
        &mut self,
        connection: &mut PgConnection,
        mut asked: Vec<QuotaKey>,
    ) -> sqlx::Result<()> {
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return Ok(());
        }
        let rows = bind_quotas(
            sqlx::query(include_str!("../../sql/load_quotas.sql")),
            &asked,
        );
        for row in rows.fetch_all(connection).await? {
            self.leased.insert(quota_key(&row)?, row.value("leased")?);
        }
        Ok(())
    }
}

/// Rows of `segment`, which come as columns.
fn kept_segments(row: &PgRow) -> sqlx::Result<Vec<((TenantId, SegmentId), KeptSegment)>> {
    let keys = zip(row.ids("tenants")?, row.ids("ids")?);
    let successors: Vec<Option<Uuid>> = row.value("successors")?;
    let states: Vec<String> = row.value("states")?;
    let by_engine: Vec<bool> = row.value("by_engine")?;
    let kept = zip(zip(states, successors), by_engine).map(|((state, successor), by_engine)| {
        let state = match (state.as_str(), successor) {
            ("announced", None) => SegmentState::Announced,
            ("open", None) => SegmentState::Open,
            ("closed", Some(successor)) => SegmentState::Closed(SegmentId::from_uuid(successor)),
            _ => return Err(senseless("a segment is closed without a successor")),
        };
        Ok(KeptSegment { by_engine, state })
    });
    zip(keys, kept)
        .map(|(key, kept)| Ok((key, kept?)))
        .collect()
}

/// A statement about the rows of these ids, each of its tenant.
fn by_ids<T: TypedId>(text: &'static str, ids: &[(TenantId, T)]) -> crate::Statement {
    let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) = ids
        .iter()
        .map(|(tenant, id)| (tenant.uuid(), id.uuid()))
        .unzip();
    sqlx::query(text).bind(tenants).bind(ids)
}
