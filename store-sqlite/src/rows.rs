use async_trait::async_trait;
use monetization_core::ids::TenantId;
use monetization_core::store::{
    Applied, ChangeSet, Conflict, Expected, Finished, Kind, Listing, Row, RowKey, Rows, StoreError,
    Unique, Write,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::connection::{Done, Transaction};
use crate::convert::{self, Columns, blob, bytes, keys_text, limit, scope, signed};
use crate::error::failed;
use crate::{SqliteStore, segments, work};

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
        let read = sqlx::query("SELECT * FROM fact WHERE kind = ? AND id = ? AND tenant = ?")
            .bind(kind.as_str())
            .bind(bytes(id))
            .bind(blob(tenant))
            .fetch_optional(&self.readers)
            .await;
        read.and_then(|row| row.as_ref().map(convert::fact).transpose())
            .map_err(|error| failed("read a row", error))
    }

    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError> {
        let rows = match &listing.key {
            Some(key) => sqlx::query(
                "SELECT fact.* FROM fact_key AS key
                JOIN fact ON fact.kind = key.kind AND fact.id = key.id
                WHERE key.index_name = ? AND key.scope = ? AND key.value = ? AND key.kind = ?
                    AND key.id > ? AND fact.tenant = ?
                ORDER BY key.id LIMIT ?",
            )
            .bind(key.index.as_str())
            .bind(scope(key.index, tenant))
            .bind(&key.value),
            None => sqlx::query(
                "SELECT * FROM fact WHERE kind = ? AND id > ? AND tenant = ? ORDER BY id LIMIT ?",
            ),
        };
        let rows = rows
            .bind(listing.kind.as_str())
            .bind(listing.after.map(bytes).unwrap_or_default())
            .bind(blob(tenant))
            .bind(limit(listing.limit.min(Listing::LIMIT_MAX)))
            .fetch_all(&self.readers)
            .await;
        rows.and_then(|rows| rows.iter().map(convert::fact).collect())
            .map_err(|error| failed("read rows", error))
    }
}

async fn apply(transaction: Transaction<'_>, change: &ChangeSet) -> sqlx::Result<Applied> {
    let Transaction { connection, hot } = transaction;
    if is_applied(connection, change).await? {
        return Ok(Applied::Again);
    }
    sqlx::query("INSERT INTO change_set (id, decided_at) VALUES (?, ?)")
        .bind(blob(change.id))
        .bind(change.at.as_micros())
        .execute(&mut *connection)
        .await?;
    if let Some(conflict) = write_facts(connection, change).await? {
        return Ok(Applied::Refused(conflict));
    }
    for closing in &change.closings {
        segments::close(connection, hot, closing).await?;
    }
    for intent in &change.intents {
        work::add_intent(connection, intent).await?;
    }
    Ok(Applied::New)
}

async fn is_applied(connection: &mut SqliteConnection, change: &ChangeSet) -> sqlx::Result<bool> {
    let found = sqlx::query("SELECT 1 FROM change_set WHERE id = ?")
        .bind(blob(change.id))
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
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
        if !finish(connection, finished).await? {
            return Ok(Some(Conflict::Fenced {
                intent: finished.intent,
            }));
        }
    }
    Ok(None)
}

async fn mark_inbox(connection: &mut SqliteConnection, change: &ChangeSet) -> sqlx::Result<bool> {
    let Some((engine, event)) = &change.inbox else {
        return Ok(true);
    };
    let insert = "INSERT INTO inbox (engine, event, change_set) VALUES (?, ?, ?)
        ON CONFLICT DO NOTHING";
    let marked = sqlx::query(insert)
        .bind(engine.as_str())
        .bind(event.as_str())
        .bind(blob(change.id))
        .execute(connection)
        .await?;
    Ok(marked.rows_affected() == 1)
}

async fn write_row(
    connection: &mut SqliteConnection,
    write: &Write,
) -> sqlx::Result<Option<Conflict>> {
    let row = &write.row;
    let written = match write.expected {
        Expected::Absent => insert(connection, row).await?,
        Expected::Version(version) => replace(connection, row, version).await?,
    };
    if !written {
        return Ok(Some(Conflict::Version {
            kind: row.kind,
            id: row.id,
        }));
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

async fn insert(connection: &mut SqliteConnection, row: &Row) -> sqlx::Result<bool> {
    let insert = "INSERT INTO fact (change_seq, kind, id, tenant, version, due_at, body, keys)
        SELECT coalesce(max(change_seq), 0) + 1, ?, ?, ?, ?, ?, ?, ? FROM fact
        WHERE true ON CONFLICT (kind, id) DO NOTHING";
    let inserted = sqlx::query(insert)
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .bind(blob(row.tenant))
        .bind(signed(row.version)?)
        .bind(row.due_at.map(|due_at| due_at.as_micros()))
        .bind(&row.body)
        .bind(keys_text(&row.keys)?)
        .execute(connection)
        .await?;
    Ok(inserted.rows_affected() == 1)
}

async fn replace(
    connection: &mut SqliteConnection,
    row: &Row,
    expected: u64,
) -> sqlx::Result<bool> {
    let update = "UPDATE fact SET change_seq = (SELECT max(change_seq) + 1 FROM fact),
            version = ?, due_at = ?, body = ?, keys = ?
        WHERE kind = ? AND id = ? AND tenant = ? AND version = ?";
    let replaced = sqlx::query(update)
        .bind(signed(row.version)?)
        .bind(row.due_at.map(|due_at| due_at.as_micros()))
        .bind(&row.body)
        .bind(keys_text(&row.keys)?)
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .bind(blob(row.tenant))
        .bind(signed(expected)?)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM fact_key WHERE kind = ? AND id = ?")
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .execute(connection)
        .await?;
    Ok(replaced.rows_affected() == 1)
}

/// Writes a key, or answers who has it already.
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
    let holder = "SELECT id FROM fact_key
        WHERE index_name = ? AND scope = ? AND value = ? AND once = 1 AND NOT (kind = ? AND id = ?)";
    let holder = sqlx::query(holder)
        .bind(key.index.as_str())
        .bind(scope)
        .bind(&key.value)
        .bind(row.kind.as_str())
        .bind(bytes(row.id))
        .fetch_optional(connection)
        .await?;
    holder.map(|row| row.uuid("id")).transpose()
}

async fn finish(connection: &mut SqliteConnection, finished: &Finished) -> sqlx::Result<bool> {
    let state = if finished.parked_because.is_some() {
        "parked"
    } else {
        "done"
    };
    let update = "UPDATE intent
        SET state = ?, reason = ?, attempts = attempts + 1, claim_lapses_at = NULL
        WHERE id = ? AND fence = ? AND claim_lapses_at IS NOT NULL";
    let finished = sqlx::query(update)
        .bind(state)
        .bind(finished.parked_because.as_deref())
        .bind(blob(finished.intent))
        .bind(signed(finished.fence)?)
        .execute(connection)
        .await?;
    Ok(finished.rows_affected() == 1)
}
