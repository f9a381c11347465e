//! Facts, and the one way to change them.
//!
//! A fact is a row of `fact`, whose key is its place in the change sequence: each change of it
//! moves it to the end. As there is one writer, places are given in the order of the commits,
//! and a reader that has seen one has seen all before it. `fact_key` is the index over facts.
//!
//! A change is written in the order in which something may stand against it:
//!
//! 1. its own id: it was applied before;
//! 2. the mark of the engine's news: another change has taken it in;
//! 3. each fact: it is there, it is not there, or in another version; then each of its keys,
//!    where another fact has the value. A fact sees what those before it in the change have
//!    given up or taken;
//! 4. each operation that it ends: the claim was lost.
//!
//! The first of these ends it, and all that was written before is undone. What follows, closings,
//! new operations and batches that are overturned, nothing can stand against.

use async_trait::async_trait;
use monetization_core::ids::TenantId;
use monetization_core::store::{
    Applied, ChangeSet, Conflict, Expected, Kind, Listing, Row, RowKey, Rows, StoreError, Unique,
    Write,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::connection::{Done, Transaction};
use crate::convert::{Columns, blob, bytes, fact, limit, scope, signed};
use crate::error::senseless;
use crate::{SqliteStore, batches, segments, work};

#[async_trait]
impl Rows for SqliteStore {
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError> {
        let change = change.clone();
        let job = self.writer.write("apply a change", |transaction| {
            Box::pin(async move {
                let applied = apply(transaction, &change).await?;
                Ok(match applied {
                    Applied::New => Done::Commit(applied),
                    Applied::Again | Applied::Refused(_) => Done::Undo(applied),
                })
            })
        });
        job.await
    }

    async fn row(&self, tenant: TenantId, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query("SELECT * FROM fact WHERE kind = ? AND id = ? AND tenant = ?")
            .bind(kind.as_str())
            .bind(bytes(id))
            .bind(blob(tenant));
        self.read_one("read a row", query, fact).await
    }

    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError> {
        let query = match &listing.key {
            Some(key) => sqlx::query(include_str!("../sql/read_facts_by_key.sql"))
                .bind(key.index.as_str())
                .bind(scope(key.index, tenant))
                .bind(&key.value),
            None => sqlx::query(
                "SELECT * FROM fact WHERE kind = ? AND id > ? AND tenant = ? ORDER BY id LIMIT ?",
            ),
        };
        let query = query
            .bind(listing.kind.as_str())
            .bind(listing.after.map(bytes).unwrap_or_default())
            .bind(blob(tenant))
            .bind(limit(listing.limit.min(Listing::LIMIT_MAX)));
        self.read_all("read rows", query, fact).await
    }
}

/// Writes the change as far as nothing stands against it. Whoever calls undoes what was written
/// where the answer is not that all of it was.
async fn apply(transaction: Transaction<'_>, change: &ChangeSet) -> sqlx::Result<Applied> {
    let Transaction { connection, hot } = transaction;
    if is_applied(connection, change).await? {
        return Ok(Applied::Again);
    }
    if let Some(conflict) = write_facts(connection, change).await? {
        return Ok(Applied::Refused(conflict));
    }
    for closing in &change.closings {
        segments::close(connection, hot, closing).await?;
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
async fn is_applied(connection: &mut SqliteConnection, change: &ChangeSet) -> sqlx::Result<bool> {
    let mark = "INSERT INTO change_set (id, decided_at) VALUES (?, ?) ON CONFLICT DO NOTHING";
    let marked = sqlx::query(mark)
        .bind(blob(change.id))
        .bind(change.at.as_micros())
        .execute(connection)
        .await?;
    Ok(marked.rows_affected() == 0)
}

/// Everything that something may stand against; the first that does is answered.
async fn write_facts(
    connection: &mut SqliteConnection,
    change: &ChangeSet,
) -> sqlx::Result<Option<Conflict>> {
    if !mark_inbox(connection, change).await? {
        return Ok(Some(Conflict::Seen));
    }
    for write in &change.writes {
        if let Some(conflict) = write_row(connection, write).await? {
            return Ok(Some(conflict));
        }
    }
    for finished in &change.finished {
        if !work::finish_intent(connection, finished, change.at).await? {
            let intent = finished.intent;
            return Ok(Some(Conflict::Fenced { intent }));
        }
    }
    Ok(None)
}

/// Whether the engine's news, if the change takes any in, is new.
async fn mark_inbox(connection: &mut SqliteConnection, change: &ChangeSet) -> sqlx::Result<bool> {
    let Some((engine, event)) = &change.inbox else {
        return Ok(true);
    };
    let mark = "INSERT INTO inbox (engine, event, change_set) VALUES (?, ?, ?)
        ON CONFLICT DO NOTHING";
    let marked = sqlx::query(mark)
        .bind(engine.as_str())
        .bind(event.as_str())
        .bind(blob(change.id))
        .execute(connection)
        .await?;
    Ok(marked.rows_affected() == 1)
}

/// Writes a fact and its keys, or answers what stands against it.
async fn write_row(
    connection: &mut SqliteConnection,
    write: &Write,
) -> sqlx::Result<Option<Conflict>> {
    let row = &write.row;
    let (kind, id) = (row.kind, row.id);
    let fits = match write.expected {
        Expected::Absent => insert(connection, row).await?,
        Expected::Version(version) => replace(connection, row, version).await?,
    };
    if !fits {
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

/// Writes a fact that is not there; `false` where it is.
async fn insert(connection: &mut SqliteConnection, row: &Row) -> sqlx::Result<bool> {
    let inserted = sqlx::query(include_str!("../sql/insert_fact.sql"))
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .bind(blob(row.tenant))
        .bind(signed(row.version)?)
        .bind(row.due_at.map(|due_at| due_at.as_micros()))
        .bind(&row.body)
        .bind(RowKey::list_to_text(&row.keys).map_err(senseless)?)
        .execute(connection)
        .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Replaces a fact of this version and takes its keys away; `false` where it has another
/// version, or is another tenant's.
async fn replace(
    connection: &mut SqliteConnection,
    row: &Row,
    expected: u64,
) -> sqlx::Result<bool> {
    let replaced = sqlx::query(include_str!("../sql/replace_fact.sql"))
        .bind(signed(row.version)?)
        .bind(row.due_at.map(|due_at| due_at.as_micros()))
        .bind(&row.body)
        .bind(RowKey::list_to_text(&row.keys).map_err(senseless)?)
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .bind(blob(row.tenant))
        .bind(signed(expected)?)
        .execute(&mut *connection)
        .await?;
    if replaced.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM fact_key WHERE kind = ? AND id = ?")
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .execute(connection)
        .await?;
    Ok(true)
}

/// Writes a key, or answers who has its value already.
async fn add_key(
    connection: &mut SqliteConnection,
    row: &Row,
    key: &RowKey,
) -> sqlx::Result<Option<Uuid>> {
    let scope = scope(key.index, row.tenant);
    let insert = "INSERT INTO fact_key (index_name, scope, value, kind, id, once)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let added = sqlx::query(insert)
        .bind(key.index.as_str())
        .bind(scope.clone())
        .bind(&key.value)
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .bind(key.index.unique() != Unique::No)
        .execute(&mut *connection)
        .await?;
    if added.rows_affected() == 1 {
        return Ok(None);
    }
    let holder = sqlx::query(include_str!("../sql/find_key_holder.sql"))
        .bind(key.index.as_str())
        .bind(scope)
        .bind(&key.value)
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .fetch_optional(connection)
        .await?;
    holder.map(|row| row.uuid("id")).transpose()
}
