//! Connections that are cut at any byte of a write.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::slice;

use monetization_conformance::fault_proxy::{End, Fate, Fates, FaultProxy};
use monetization_conformance::postgres::Database;
use monetization_conformance::sample::{Sample, Subscriber};
use monetization_conformance::size;
use monetization_core::store::{Appended, Ledger, StoreError, StoreErrorKind};
use monetization_core::usage::UsageRecord;
use monetization_store_postgres::{PostgresOptions, PostgresStore};

use crate::database::{make, options};

/// A database, and a network in front of it.
struct Scene {
    database: Database,
    /// Reaches it directly.
    store: PostgresStore,
    sample: Sample,
    of: Subscriber,
}

impl Scene {
    async fn new() -> Self {
        let database = Database::unused();
        make(&database).await;
        let sample = Sample::seeded(1);
        Self {
            store: PostgresStore::open(&options(&database)).await.unwrap(),
            of: sample.subscriber(),
            sample,
            database,
        }
    }

    /// Appends a record over a connection that is cut after so many bytes; answers the record and what was
    /// said of it. `None` where the connection was cut before it came to that.
    async fn append(
        &self,
        towards: End,
        bytes: u64,
    ) -> Option<(UsageRecord, Result<Vec<Appended>, StoreError>)> {
        // The first connection migrates, the second is the one that is kept.
        let fates = Fates::listed([Fate::Pass, Fate::Cut { towards, bytes }]);
        let proxy = FaultProxy::start(self.database.server_address(), fates)
            .await
            .unwrap();
        let options =
            options_at(&self.database, proxy.address()).with_connections_max(NonZeroU32::MIN);
        let store = PostgresStore::open(&options).await.ok()?;
        let record = self.sample.record(&self.of, self.of.segment(0), 1);
        let said = store.append(slice::from_ref(&record)).await;
        Some((record, said))
    }

    /// What becomes of an append whose connection is cut there, and of its repetition: the record counts
    /// once, and nothing was written where that was said.
    async fn cut(&self, towards: End, bytes: u64) -> Option<bool> {
        let (record, said) = self.append(towards, bytes).await?;
        let again = self.store.append(slice::from_ref(&record)).await.unwrap();
        let at = format!("cut after {bytes} bytes towards the {towards:?}");
        match &said {
            Ok(said) => {
                assert_eq!(said, &[Appended::New], "{at}");
                assert_eq!(again, [Appended::Duplicate], "{at}: acknowledged and lost");
            }
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {
                assert_eq!(again, [Appended::New], "{at}: said not to be written");
            }
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unknown, "{at}: {error:?}"),
        }
        Some(said.is_ok())
    }

    /// The least number of bytes with which it succeeds.
    async fn least(&self, towards: End) -> u64 {
        let (mut fails, mut succeeds) = (0_u64, 64 * 1_024);
        while fails + 1 < succeeds {
            let middle = u64::midpoint(fails, succeeds);
            if self.cut(towards, middle).await == Some(true) {
                succeeds = middle;
            } else {
                fails = middle;
            }
        }
        succeeds
    }
}

/// How to reach a database by a way that leads to its server.
pub(crate) fn options_at(database: &Database, way: SocketAddr) -> PostgresOptions {
    let server = database.server_address().to_string();
    let address = database.address().replace(&server, &way.to_string());
    PostgresOptions::new(&address).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_connection_cut_at_any_byte_of_an_append_loses_and_doubles_nothing_r_d1() {
    let scene = Scene::new().await;
    let before = size(60, 600);
    for towards in [End::Server, End::Client] {
        let least = scene.least(towards).await;
        let mut cuts = 0;
        for bytes in least.saturating_sub(before)..least + 4 {
            cuts += u32::from(scene.cut(towards, bytes).await.is_some());
        }
        assert!(cuts > 30, "{cuts} appends got as far as that");
    }
    let sums = scene
        .store
        .sums(scene.of.tenant, scene.of.segment(0).id)
        .await
        .unwrap();
    let records = scene
        .store
        .records(scene.of.tenant, scene.of.segment(0).id, None, 100_000)
        .await
        .unwrap();
    let counted = i64::try_from(records.len()).unwrap();
    assert_eq!(sums[0].total.scaled(), counted);
}
