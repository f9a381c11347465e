//! Facts, and the one way to change them.
//!
//! A fact is a row of `fact`. Its place in the change sequence is given under a lock that every
//! change takes and holds until it is committed, so places are given in the order of the commits,
//! and a reader that has seen one has seen all before it. `fact_key` is the index over facts.
//!
//! A change is written in this order:
//!
//! 1. its own id: it was applied before;
//! 2. the mark of the engine's news: another change has taken it in;
//! 3. the segments that it closes, which wait for appends that are under way;
//! 4. the lock of the change sequence;
//! 5. each fact: it is there, it is not there, or in another version; then each of its keys,
//!    where another fact has the value. A fact sees what those before it in the change have
//!    given up or taken;
//! 6. each operation that it ends: the claim was lost;
//! 7. new operations, and batches that are overturned.
//!
//! A change about one tenant is written in that tenant's name, so that a mistake in it could reach no
//! other; one that also ends operations, or takes in what an engine refuses, names nobody and is
//! written in the worker's.
//!
//! The first thing that stands against it ends it, and all that was written before is undone.

use std::collections::BTreeSet;

use async_trait::async_trait;
use monetization_core::ids::{TenantId, TypedId};
use monetization_core::store::{
    Applied, ChangeSet, Conflict, Expected, Kind, Listing, Overturn, Row, RowKey, Rows, StoreError,
    Unique, Write,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connection::{Done, Role};
use crate::convert::{fact, limit, scope, signed};
use crate::error::senseless;
use crate::{PostgresStore, batches, segments, work};

#[async_trait]
impl Rows for PostgresStore {
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError> {
        let role = role_of(change);
        let write = self.connections.write(
            "apply a change",
            role,
            change.clone(),
            |connection, change| {
                Box::pin(async move {
                    let applied = apply(connection, change).await?;
                    Ok(match applied {
                        Applied::New => Done::Commit(applied),
                        Applied::Again | Applied::Refused(_) => Done::Undo(applied),
                    })
                })
            },
        );
        write.await
    }

    async fn row(&self, tenant: TenantId, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_fact.sql"))
            .bind(kind.as_str())
            .bind(id)
            .bind(tenant.uuid());
        self.read_one("read a row", Role::Tenant(tenant), query, fact)
            .await
    }

    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError> {
        let text = match &listing.key {
            Some(_) => include_str!("../sql/read_facts_by_key.sql"),
            None => include_str!("../sql/read_facts.sql"),
        };
        let mut query = sqlx::query(text)
            .bind(listing.kind.as_str())
            .bind(tenant.uuid())
            .bind(listing.after)
            .bind(limit(listing.limit.min(Listing::LIMIT_MAX)));
        if let Some(key) = &listing.key {
            query = query
                .bind(key.index.as_str())
                .bind(scope(key.index, tenant))
                .bind(key.value.clone());
        }
        self.read_all("read rows", Role::Tenant(tenant), query, fact)
            .await
    }
}

/// In whose name a change is written: that of the one tenant it is about, if it is about one.
fn role_of(change: &ChangeSet) -> Role {
    let mut tenants: BTreeSet<Option<TenantId>> = BTreeSet::new();
    tenants.extend(change.writes.iter().map(|write| Some(write.row.tenant)));
    tenants.extend(change.closings.iter().map(|closing| Some(closing.tenant)));
    tenants.extend(change.intents.iter().map(|intent| Some(intent.tenant)));
    // What is finished names no tenant, and what an engine refuses may be anybody's.
    tenants.extend(change.finished.iter().map(|_| None));
    let overturned = change.overturned.iter();
    tenants.extend(overturned.map(|overturned| match &overturned.overturn {
        Overturn::Rejected { .. } => None,
        Overturn::WrittenOff { tenant, .. } => Some(*tenant),
    }));
    match (tenants.pop_first(), tenants.is_empty()) {
        (Some(Some(tenant)), true) => Role::Tenant(tenant),
        _ => Role::Worker,
    }
}

/// Writes the change as far as nothing stands against it. Whoever calls undoes what was written
/// where the answer is not that all of it was.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn apply(connection: &mut PgConnection, change: &ChangeSet) -> sqlx::Result<Applied> {
    if is_applied(connection, change).await? {
        return Ok(Applied::Again);
    }
    if !mark_inbox(connection, change).await? {
        return Ok(Applied::Refused(Conflict::Seen));
    }
    segments::close(connection, &change.closings).await?;
    if let Some(conflict) = write_facts(connection, change).await? {
        return Ok(Applied::Refused(conflict));
    }
    for finished in &change.finished {
        if !work::finish_intent(connection, finished, change.at).await? {
            let intent = finished.intent;
            return Ok(Applied::Refused(Conflict::Fenced { intent }));
        }
    }
    for intent in &change.intents {
        work::add_intent(connection, intent).await?;
    }
    for overturned in &change.overturned {
        batches::overturn(connection, overturned).await?;
    }
    Ok(Applied::New)
}

/// Whether the change was applied before; it is marked as applied from here on.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn is_applied(connection: &mut PgConnection, change: &ChangeSet) -> sqlx::Result<bool> {
    let mark = "INSERT INTO change_set (id, decided_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let marked = sqlx::query(mark)
        .bind(change.id.uuid())
        .bind(change.at.as_micros())
        .execute(connection)
        .await?;
    Ok(marked.rows_affected() == 0)
}

/// Whether the engine's news, if the change takes any in, is new.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn mark_inbox(connection: &mut PgConnection, change: &ChangeSet) -> sqlx::Result<bool> {
    let Some((engine, event)) = &change.inbox else {
        return Ok(true);
    };
    let mark = "INSERT INTO inbox (engine, event, change_set) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING";
    let marked = sqlx::query(mark)
        .bind(engine.as_str())
        .bind(event.as_str())
        .bind(change.id.uuid())
        .execute(connection)
        .await?;
    Ok(marked.rows_affected() == 1)
}

/// Writes the facts at the next places of the change sequence, or answers the first thing that
/// stands against one of them.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn write_facts(
    connection: &mut PgConnection,
    change: &ChangeSet,
) -> sqlx::Result<Option<Conflict>> {
    if change.writes.is_empty() {
        return Ok(None);
    }
    let many = limit(change.writes.len());
    let last: i64 = sqlx::query_scalar(include_str!("../sql/next_change.sql"))
        .bind(many)
        .fetch_one(&mut *connection)
        .await?;
    let mut place = last.saturating_sub(many);
    for write in &change.writes {
        place = place.saturating_add(1);
        if let Some(conflict) = write_row(connection, write, place).await? {
            return Ok(Some(conflict));
        }
    }
    Ok(None)
}

/// Writes a fact and its keys, or answers what stands against it.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn write_row(
    connection: &mut PgConnection,
    write: &Write,
    place: i64,
) -> sqlx::Result<Option<Conflict>> {
    let row = &write.row;
    let (kind, id) = (row.kind, row.id);
    if !write_fact(connection, write, place).await? {
        return Ok(Some(Conflict::Version { kind, id }));
    }
    for key in &row.keys {
        if let Some(holder) = add_key(connection, row, key).await? {
            return Ok(Some(Conflict::Taken {
                index: key.index,
                value: key.value.clone(),
                holder,
            }));
        }
    }
    Ok(None)
}

/// Writes a fact that is not there, or replaces one of the version that is expected and takes its
/// keys away; `false` where another stands there, or another tenant's.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn write_fact(
    connection: &mut PgConnection,
    write: &Write,
    place: i64,
) -> sqlx::Result<bool> {
    let row = &write.row;
    let text = match write.expected {
        Expected::Absent => include_str!("../sql/insert_fact.sql"),
        Expected::Version(_) => include_str!("../sql/replace_fact.sql"),
    };
    let mut statement = sqlx::query(text)
        .bind(place)
        .bind(row.kind.as_str())
        .bind(row.id)
        .bind(row.tenant.uuid())
        .bind(signed(row.version)?)
        .bind(row.due_at.map(|due_at| due_at.as_micros()))
        .bind(&row.body)
        .bind(RowKey::list_to_text(&row.keys).map_err(senseless)?);
    if let Expected::Version(version) = write.expected {
        statement = statement.bind(signed(version)?);
    }
    let written = statement.execute(&mut *connection).await?;
    if written.rows_affected() == 0 {
        return Ok(false);
    }
    if let Expected::Version(_) = write.expected {
        sqlx::query("DELETE FROM fact_key WHERE kind = $1 AND id = $2 AND tenant = $3")
            .bind(row.kind.as_str())
            .bind(row.id)
            .bind(row.tenant.uuid())
            .execute(connection)
            .await?;
    }
    Ok(true)
}

/// Writes a key, or answers who has its value already.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn add_key(
    connection: &mut PgConnection,
    row: &Row,
    key: &RowKey,
) -> sqlx::Result<Option<Uuid>> {
    let scope = scope(key.index, row.tenant);
    let added = sqlx::query(include_str!("../sql/insert_key.sql"))
        .bind(key.index.as_str())
        .bind(scope)
        .bind(&key.value)
        .bind(row.kind.as_str())
        .bind(row.id)
        .bind(row.tenant.uuid())
        .bind(key.index.unique() != Unique::No)
        .execute(&mut *connection)
        .await?;
    if added.rows_affected() == 1 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT key_holder($1, $2, $3, $4, $5)")
        .bind(key.index.as_str())
        .bind(scope)
        .bind(&key.value)
        .bind(row.kind.as_str())
        .bind(row.id)
        .fetch_one(connection)
        .await
}
