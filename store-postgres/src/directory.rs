//! Reads across tenants. Each is one statement, so it sees one state of the database.
//!
//! | read | is led by |
//! |---|---|
//! | `find` | the key of `fact`, kind and id |
//! | `find_by` | the key of `fact_key`, in the scope of the whole store |
//! | `due` | the index on kind, instant and id of those facts that are due some day |
//! | `changes` | the index on the place in the change sequence |
//! | `all` | the key of `fact` |
//!
//! None sorts, and none passes by rows that it does not answer.

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::store::{Directory, Kind, Row, RowKey, StoreError, Unique};
use uuid::Uuid;

use crate::PostgresStore;
use crate::connection::Role;
use crate::convert::{fact, limit};

#[async_trait]
impl Directory for PostgresStore {
    async fn find(&self, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query(include_str!("../sql/find_fact.sql"))
            .bind(kind.as_str())
            .bind(id);
        self.read_one("find a row", Role::Worker, query, fact).await
    }

    async fn find_by(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        if key.index.unique() != Unique::Everywhere {
            return Ok(None);
        }
        let query = sqlx::query(include_str!("../sql/find_fact_by_key.sql"))
            .bind(key.index.as_str())
            .bind(key.value.clone());
        self.read_one("find a row by its key", Role::Worker, query, fact)
            .await
    }

    async fn due(
        &self,
        kind: Kind,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let (after_at, after_id) = after.unzip();
        let query = sqlx::query(include_str!("../sql/read_due_facts.sql"))
            .bind(kind.as_str())
            .bind(now.as_micros())
            .bind(after_at.map(|at| at.as_micros()))
            .bind(after_id)
            .bind(limit(rows_max));
        self.read_all("read rows that are due", Role::Worker, query, fact)
            .await
    }

    async fn changes(&self, after: u64, rows_max: usize) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_changes.sql"))
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(limit(rows_max));
        self.read_all("read changes", Role::Worker, query, fact)
            .await
    }

    async fn news_after(&self, after: u64) {
        self.news.after(after).await;
    }

    async fn all(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_all_facts.sql"))
            .bind(kind.as_str())
            .bind(after)
            .bind(limit(rows_max));
        self.read_all("read all rows of a kind", Role::Worker, query, fact)
            .await
    }
}
