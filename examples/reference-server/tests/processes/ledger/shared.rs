//! The same of a database of PostgreSQL's, which several servers share.

use std::collections::BTreeMap;
use std::time::Duration;

use monetization_conformance::postgres::Server;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::time::{sleep, timeout};

use super::super::market::Market;
use super::{Accounts, BATCHES, Books, SUMS, told};

const POLL: Duration = Duration::from_millis(20);
/// Longer than any of the waits here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A connection of somebody who may do everything, and finds the store's tables.
pub(crate) async fn open(server: &Server) -> PgConnection {
    let options: PgConnectOptions = server.address().parse().unwrap();
    let options = options.options([("search_path", "monetization")]);
    options.connect().await.unwrap()
}

impl Accounts {
    /// Those of a database that nobody writes to. That everything in it adds up is for `check` to say.
    pub(crate) async fn shared(connection: &mut PgConnection, market: &Market) -> Self {
        let recorded = "SELECT 'sub_' || replace(segment.subscription::text, '-', ''),
                sum(record.quantity)::bigint
            FROM record JOIN segment ON segment.tenant = record.tenant AND segment.id = record.segment
            GROUP BY 1 HAVING sum(record.quantity) > 0";
        let confirmed = "SELECT 'sub_' || replace(segment.subscription::text, '-', ''),
                sum(to_total - from_total)::bigint
            FROM batch JOIN segment ON segment.tenant = batch.tenant AND segment.id = batch.segment
            WHERE batch.state = 'confirmed' GROUP BY 1";
        let invoices = "SELECT body::json ->> 'state', count(*) FROM fact
            WHERE kind = 'invoice' GROUP BY 1";
        Self {
            books: books(connection, market).await,
            recorded: pairs(connection, recorded).await,
            confirmed: pairs(connection, confirmed).await,
            invoices: pairs(connection, invoices).await,
            meters: meters(connection).await,
        }
    }
}

/// What was used, reported and confirmed so far.
pub(crate) async fn standing(connection: &mut PgConnection) -> String {
    let sums = sqlx::query_as(SUMS).fetch_one(&mut *connection);
    let sums = sums.await.unwrap();
    let batches = sqlx::query_as(BATCHES).fetch_all(connection);
    told(sums, &batches.await.unwrap())
}

/// The names of all meters of which there is use.
pub(crate) async fn meters(connection: &mut PgConnection) -> Vec<String> {
    let select = "SELECT DISTINCT 'mtr_' || replace(meter::text, '-', '') FROM sum";
    let meters = sqlx::query_scalar(select).fetch_all(connection);
    meters.await.unwrap()
}

/// The only number that this selects.
pub(crate) async fn count(connection: &mut PgConnection, select: &'static str) -> i64 {
    let count = sqlx::query_scalar(select).fetch_one(connection);
    count.await.unwrap()
}

/// Waits until this selects no more than zero.
pub(crate) async fn until_none(connection: &mut PgConnection, select: &'static str) {
    let waiting = async {
        while count(connection, select).await > 0 {
            sleep(POLL).await;
        }
    };
    let waited = timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "it does not come to rest: {select}");
}

/// The records of a database.
pub(crate) async fn books(connection: &mut PgConnection, market: &Market) -> Books {
    let select = "SELECT 'sub_' || replace(segment.subscription::text, '-', ''),
            record.resource, record.status::bigint, record.quantity
        FROM record JOIN segment ON segment.tenant = record.tenant AND segment.id = record.segment";
    let rows = sqlx::query_as(select).fetch_all(connection);
    Books::read(rows.await.unwrap(), market)
}

async fn pairs(connection: &mut PgConnection, select: &'static str) -> BTreeMap<String, i64> {
    let pairs = sqlx::query_as(select).fetch_all(connection).await.unwrap();
    pairs.into_iter().collect()
}
