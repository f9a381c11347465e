use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::store::{Directory, Kind, Row, RowKey, StoreError, Unique};
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::SqliteStore;
use crate::convert::{self, bytes, limit};
use crate::error::failed;

#[async_trait]
impl Directory for SqliteStore {
    async fn find(&self, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        let row = sqlx::query("SELECT * FROM fact WHERE kind = ? AND id = ?")
            .bind(kind.as_str())
            .bind(bytes(id))
            .fetch_optional(&self.readers)
            .await;
        one("find a row", row)
    }

    async fn find_by(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        if key.index.unique() != Unique::Everywhere {
            return Ok(None);
        }
        let select = "SELECT fact.* FROM fact_key AS key
            JOIN fact ON fact.kind = key.kind AND fact.id = key.id
            WHERE key.index_name = ? AND key.scope = x'' AND key.value = ?";
        let row = sqlx::query(select)
            .bind(key.index.as_str())
            .bind(&key.value)
            .fetch_optional(&self.readers)
            .await;
        one("find a row by its key", row)
    }

    async fn due(
        &self,
        kind: Kind,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let select = "SELECT * FROM fact WHERE kind = ? AND due_at <= ? AND (due_at, id) > (?, ?)
            ORDER BY due_at, id LIMIT ?";
        let (after_at, after_id) = match after {
            Some((at, id)) => (at.as_micros(), id.as_bytes().to_vec()),
            None => (i64::MIN, Vec::new()),
        };
        let rows = sqlx::query(select)
            .bind(kind.as_str())
            .bind(now.as_micros())
            .bind(after_at)
            .bind(after_id)
            .bind(limit(rows_max))
            .fetch_all(&self.readers)
            .await;
        many("read rows that are due", rows)
    }

    async fn changes(&self, after: u64, rows_max: usize) -> Result<Vec<Row>, StoreError> {
        let select = "SELECT * FROM fact WHERE change_seq > ? ORDER BY change_seq LIMIT ?";
        let rows = sqlx::query(select)
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(limit(rows_max))
            .fetch_all(&self.readers)
            .await;
        many("read changes", rows)
    }

    async fn all(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let select = "SELECT * FROM fact WHERE kind = ? AND id > ? ORDER BY id LIMIT ?";
        let rows = sqlx::query(select)
            .bind(kind.as_str())
            .bind(after.map(bytes).unwrap_or_default())
            .bind(limit(rows_max))
            .fetch_all(&self.readers)
            .await;
        many("read all rows of a kind", rows)
    }
}

fn one(
    doing: &'static str,
    row: sqlx::Result<Option<SqliteRow>>,
) -> Result<Option<Row>, StoreError> {
    row.and_then(|row| row.as_ref().map(convert::fact).transpose())
        .map_err(|error| failed(doing, error))
}

fn many(doing: &'static str, rows: sqlx::Result<Vec<SqliteRow>>) -> Result<Vec<Row>, StoreError> {
    rows.and_then(|rows| rows.iter().map(convert::fact).collect())
        .map_err(|error| failed(doing, error))
}
