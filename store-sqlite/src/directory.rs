//! Reads across tenants. Each is one statement, so it sees one state of the file.
//!
//! | read | is led by |
//! |---|---|
//! | `find` | the unique index on kind and id |
//! | `find_by` | the key of `fact_key`, in the scope of the whole store |
//! | `due` | the index on kind, instant and id of those facts that are due some day |
//! | `changes` | the key of `fact` itself, in which every change is at the end |
//! | `all` | the unique index on kind and id |
//!
//! None sorts, and none passes by rows that it does not answer.

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::store::{Directory, Kind, Row, RowKey, StoreError, Unique};
use uuid::Uuid;

use crate::SqliteStore;
use crate::convert::{bytes, fact, limit};

#[async_trait]
impl Directory for SqliteStore {
    async fn find(&self, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query("SELECT * FROM fact WHERE kind = ? AND id = ?")
            .bind(kind.as_str())
            .bind(bytes(id));
        self.read_one("find a row", query, fact).await
    }

    async fn find_by(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        if key.index.unique() != Unique::Everywhere {
            return Ok(None);
        }
        let query = sqlx::query(include_str!("../sql/find_fact_by_key.sql"))
            .bind(key.index.as_str())
            .bind(&key.value);
        self.read_one("find a row by its key", query, fact).await
    }

    async fn due(
        &self,
        kind: Kind,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_due_facts.sql"))
            .bind(kind.as_str())
            .bind(now.as_micros())
            .bind(after.map_or(i64::MIN, |(at, _)| at.as_micros()))
            .bind(after.map(|(_, id)| bytes(id)).unwrap_or_default())
            .bind(limit(rows_max));
        self.read_all("read rows that are due", query, fact).await
    }

    async fn changes(&self, after: u64, rows_max: usize) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query("SELECT * FROM fact WHERE change_seq > ? ORDER BY 1 LIMIT ?")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(limit(rows_max));
        self.read_all("read changes", query, fact).await
    }

    async fn all(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query("SELECT * FROM fact WHERE kind = ? AND id > ? ORDER BY id LIMIT ?")
            .bind(kind.as_str())
            .bind(after.map(bytes).unwrap_or_default())
            .bind(limit(rows_max));
        self.read_all("read all rows of a kind", query, fact).await
    }
}
