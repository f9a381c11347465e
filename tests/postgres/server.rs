//! Databases on the server whose address the environment names.

use std::net::SocketAddr;
use std::time::Duration;

use monetization_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

/// A database of the server, by its name.
#[derive(Debug, Clone)]
pub(crate) struct Database(String);

impl Database {
    /// A name that no other test has.
    pub(crate) fn unused() -> Self {
        let number: u128 = rand::random();
        Self(format!("test_{}", Uuid::from_u128(number).simple()))
    }

    /// The database of this opening.
    pub(crate) fn opening(&self, opening: usize) -> Self {
        Self(format!("{}_{opening}", self.0))
    }

    /// How to reach it.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&address(&self.0)).unwrap()
    }

    /// How to reach it by a way that leads to the server.
    pub(crate) fn options_at(&self, way: SocketAddr) -> PostgresOptions {
        let address = address(&self.0).replace(&self.address().to_string(), &way.to_string());
        PostgresOptions::new(&address).unwrap()
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let address = address(&self.0);
        let (_, rest) = address.split_once('@').unwrap();
        let (server, _) = rest.split_once('/').unwrap();
        server.parse().unwrap()
    }

    /// Makes it, with the tables that a store has when it is new.
    pub(crate) async fn make(&self) {
        let mut server = server().await;
        template(&mut server).await;
        run(
            &mut server,
            format!("CREATE DATABASE {} TEMPLATE {TEMPLATE}", self.0),
        )
        .await;
    }

    /// Makes it without any tables.
    pub(crate) async fn make_empty(&self) {
        run(&mut server().await, format!("CREATE DATABASE {}", self.0)).await;
    }

    /// Takes it away, with whoever is connected to it.
    pub(crate) async fn drop(&self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.0);
        run(&mut server().await, drop).await;
    }

    /// A connection as the owner of its tables.
    pub(crate) async fn connect(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&address(&self.0)).await.unwrap();
        connection
            .execute("SET search_path = monetization")
            .await
            .unwrap();
        connection
    }

    /// Cuts every connection to it.
    pub(crate) async fn cut_connections(&self) {
        let cut =
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(cut)
            .bind(&self.0)
            .execute(&mut server().await)
            .await
            .unwrap();
    }

    /// Makes it as a copy of another one as it is, and cuts all connections to that one for good.
    pub(crate) async fn copy(&self, of: &Self) {
        let mut server = server().await;
        run(
            &mut server,
            format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", of.0),
        )
        .await;
        let cut =
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(cut)
            .bind(&of.0)
            .execute(&mut server)
            .await
            .unwrap();
        run(
            &mut server,
            format!("CREATE DATABASE {} TEMPLATE {}", self.0, of.0),
        )
        .await;
    }
}

const TEMPLATE: &str = "monetization_template";

/// Makes the database that others are copied from, unless another test has done so.
async fn template(server: &mut PgConnection) {
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
        let store = PostgresStore::open(&new.options()).await.unwrap();
        store.close().await;
        run(
            server,
            format!("ALTER DATABASE {} RENAME TO {TEMPLATE}", new.0),
        )
        .await;
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
