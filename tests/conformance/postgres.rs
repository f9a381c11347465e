//! Databases on the PostgreSQL server whose address is in `MONETIZATION_POSTGRES`, where
//! `scripts/servers.sh` puts it.
//!
//! A test makes a database of its own: a copy of a template, which the first that needs it has
//! migrated by the store that is tested.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where its server does not do as it is told"
)]

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

pub use server::{Server, Stop};

mod server;

/// A database of the server, by its name.
#[derive(Debug, Clone)]
pub struct Database(String);

impl Database {
    /// A name that no other test has.
    #[must_use]
    pub fn unused() -> Self {
        let number: u128 = rand::random();
        Self(format!("test_{}", Uuid::from_u128(number).simple()))
    }

    /// The database of this opening.
    #[must_use]
    pub fn opening(&self, opening: usize) -> Self {
        Self(format!("{}_{opening}", self.0))
    }

    /// Where it is, and who logs in: a superuser.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.0)
    }

    /// A connection of somebody who may do everything, and finds the store's tables.
    pub async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.address().parse().unwrap();
        let options = options.options([("search_path", "monetization")]);
        options.connect().await.unwrap()
    }

    /// Makes it as a store makes it that is new: `migrate` is handed the address of the empty
    /// database that all others are copied from, unless another test has done so before.
    pub async fn make(&self, migrate: impl AsyncFnOnce(&str)) {
        let mut server = server().await;
        make_template(&mut server, migrate).await;
        let make = format!("CREATE DATABASE {} TEMPLATE {TEMPLATE}", self.0);
        run(&mut server, make).await;
    }

    /// Where its server listens.
    #[must_use]
    pub fn server_address(&self) -> SocketAddr {
        let address = self.address();
        let (_, behind_user) = address.split_once('@').unwrap();
        let (server, _) = behind_user.split_once('/').unwrap();
        server.parse().unwrap()
    }

    /// Makes it without any tables.
    pub async fn make_empty(&self) {
        run(&mut server().await, format!("CREATE DATABASE {}", self.0)).await;
    }

    /// Takes it away, with whoever is connected to it.
    pub async fn remove(&self) {
        let remove = format!("DROP DATABASE {} WITH (FORCE)", self.0);
        run(&mut server().await, remove).await;
    }

    /// Cuts every connection to it.
    pub async fn cut_connections(&self) {
        let cut =
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(cut)
            .bind(&self.0)
            .execute(&mut server().await)
            .await
            .unwrap();
    }

    /// Makes it as a copy of another one as it is, and cuts all connections to that one for good.
    pub async fn copy(&self, of: &Self) {
        let mut server = server().await;
        let close = format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", of.0);
        run(&mut server, close).await;
        of.cut_connections().await;
        let copy = format!("CREATE DATABASE {} TEMPLATE {}", self.0, of.0);
        run(&mut server, copy).await;
    }
}

const TEMPLATE: &str = "monetization_template";

/// Makes the database that others are copied from, unless another test has done so.
async fn make_template(server: &mut PgConnection, migrate: impl AsyncFnOnce(&str)) {
    sqlx::query("SELECT pg_advisory_lock(1)")
        .execute(&mut *server)
        .await
        .unwrap();
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(TEMPLATE)
        .fetch_optional(&mut *server)
        .await
        .unwrap();
    if found.is_none() {
        let new = Database("monetization_new".to_owned());
        run(server, format!("DROP DATABASE IF EXISTS {}", new.0)).await;
        run(server, format!("CREATE DATABASE {}", new.0)).await;
        migrate(&new.address()).await;
        let rename = format!("ALTER DATABASE {} RENAME TO {TEMPLATE}", new.0);
        run(server, rename).await;
    }
    sqlx::query("SELECT pg_advisory_unlock(1)")
        .execute(&mut *server)
        .await
        .unwrap();
}

/// Runs a statement about whole databases; again, while a connection to one is about to end.
async fn run(server: &mut PgConnection, statement: String) {
    const IN_USE: &str = "55006";
    for _ in 0..100 {
        let done = server.execute(AssertSqlSafe(statement.clone())).await;
        match done {
            Ok(_) => return,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(IN_USE) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{statement}: {error}"),
        }
    }
    panic!("{statement}: the database is in use");
}

async fn server() -> PgConnection {
    PgConnection::connect(&address("postgres")).await.unwrap()
}

/// The address of a database of the server.
#[expect(
    clippy::disallowed_methods,
    reason = "the server is started by a script, which tells where it is"
)]
fn address(database: &str) -> String {
    let server = std::env::var("MONETIZATION_POSTGRES")
        .expect("MONETIZATION_POSTGRES names no server: run scripts/test.sh");
    format!("{server}/{database}?sslmode=disable")
}
