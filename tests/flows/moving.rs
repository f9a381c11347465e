//! A database of SQLite is moved to PostgreSQL in the middle of a life, which goes on there.

use std::error::Error;
use std::sync::Arc;

use monetization_conformance::postgres::Database as Shared;
use monetization_conformance::size;
use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::invoice::Invoicing;
use monetization_core::store::moving::Part;
use monetization_core::store::{JobState, Store};
use monetization_store_postgres::{Import, PostgresStore};
use monetization_store_sqlite::{Export, SqliteStore};

use crate::checking::{self, invoiced_by_engine};
use crate::database::{Database, Kept};
use crate::model::Life;
use crate::postgres::options;
use crate::world::{HOUR, World, below};

/// A copy of the database as it is now, moved: in pages of a few rows, broken off again and again.
async fn moved(from: &Database, entropy: &Entropy) -> (Database, Shared) {
    let (copy, to) = (from.backed_up().await, Shared::unused());
    to.make_empty().await;
    loop {
        let mut export = Export::begin(&copy.options(), entropy, "to").await.unwrap();
        let mut import = Import::begin(&options(&to), export.id()).await.unwrap();
        while let Some((part, after)) = import.place() {
            let limit = 1 + u32::from(below(entropy, 40));
            let page = export.page(part, after.as_deref(), limit).await.unwrap();
            if below(entropy, 15) == 0 {
                break;
            }
            import.take(part, &page).await.unwrap();
        }
        if import.place().is_some() {
            continue;
        }
        for part in Part::ALL {
            let (here, there) = (export.total(part).await, import.total(part).await);
            assert_eq!(here.unwrap(), there.unwrap(), "{part:?}");
        }
        import.end().await.unwrap();
        export.end().await.unwrap();
        return (copy, to);
    }
}

async fn opened(shared: &Shared, clock: &Clock) -> Arc<dyn Store> {
    assert_eq!(shared.broken().await, [""; 0]);
    shared.open(clock).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_life_goes_on_in_the_store_that_it_was_moved_to() {
    for seed in 0..size(2, 200) {
        let (database, entropy) = (Database::new(), Entropy::seeded(seed));
        let world = World::kept_in(&database, Invoicing::ByCore).await;
        let mut life = Life::begin_in(world, checking::TERMS, seed).await;
        for _ in 0..40 {
            life.step().await;
        }
        let mut shared = None;
        life.move_by(async |clock| {
            let (_, to) = moved(&database, &entropy).await;
            let store = opened(&to, clock).await;
            shared = Some(to);
            store
        })
        .await;
        for _ in 0..30 {
            life.step().await;
        }
        life.end().await;
        assert_eq!(shared.unwrap().broken().await, [""; 0], "seed {seed}");
    }
}

/// What is confirmed, what nobody has heard of, and what is not sealed yet: each unit arrives once.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn reports_go_on_from_the_store_that_they_were_moved_to() {
    let database = Database::new();
    let mut world = invoiced_by_engine(&database).await;
    let (_, to) = moved(&database, &Entropy::seeded(1)).await;
    let store = opened(&to, &world.clock).await;
    world.move_to(store);
    world.pass(HOUR).await;
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(world.counted(), 10);
    assert_eq!(to.broken().await, [""; 0]);
}

/// From its beginning on a move leaves nobody with either database before it is over.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn nobody_opens_what_is_being_moved() {
    let (from, to) = (Database::new(), Shared::unused());
    drop(invoiced_by_engine(&from).await);
    let (from, entropy) = (from.backed_up().await, Entropy::seeded(1));
    to.make_empty().await;
    let export = Export::begin(&from.options(), &entropy, "to")
        .await
        .unwrap();
    let import = Import::begin(&options(&to), export.id()).await.unwrap();
    let unfinished = why(import.end().await.unwrap_err());
    assert!(
        unfinished.contains("fact was not moved yet"),
        "{unfinished}"
    );
    drop(export);
    let refused = why(SqliteStore::open(&from.options()).await.unwrap_err());
    assert!(refused.contains("moved to to, or is being"), "{refused}");
    let refused = why(PostgresStore::open(&options(&to)).await.unwrap_err());
    assert!(
        refused.contains("another store is being moved here"),
        "{refused}"
    );
    let elsewhere = Export::begin(&from.options(), &entropy, "elsewhere").await;
    let refused = why(elsewhere.unwrap_err());
    assert!(refused.contains("being moved to to"), "{refused}");

    Export::give_up(&from.options()).await.unwrap();
    drop(SqliteStore::open(&from.options()).await.unwrap());
    let again = Export::begin(&from.options(), &entropy, "to")
        .await
        .unwrap();
    let other = Import::begin(&options(&to), again.id()).await.unwrap_err();
    assert!(why(other).contains("another store was moved here before"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_finished_move_is_known_and_cannot_be_given_up() {
    let (database, entropy) = (Database::new(), Entropy::seeded(1));
    drop(invoiced_by_engine(&database).await);
    let (from, to) = moved(&database, &entropy).await;
    let export = Export::begin(&from.options(), &entropy, "to")
        .await
        .unwrap();
    let import = Import::begin(&options(&to), export.id()).await.unwrap();
    assert!(import.is_ended() && import.place().is_none());
    drop(export);
    let refused = why(Export::give_up(&from.options()).await.unwrap_err());
    assert!(refused.contains("is finished"), "{refused}");

    let used = why(Import::begin(&options(&to), uuid::Uuid::nil())
        .await
        .unwrap_err());
    assert!(
        used.contains("another store was moved here before"),
        "{used}"
    );
}

fn why(error: impl Error) -> String {
    error.source().unwrap().to_string()
}
