//! Random lives of a subscription, in a database that is looked into all along.

use monetization_conformance::size;
use monetization_core::invoice::Invoicing;

use crate::checking::{self, Tampered};
use crate::database::Database;
use crate::model::Life;
use crate::world::World;

/// R-V8: after whatever has happened, the database says the same of it in every place.
#[tokio::test]
async fn whatever_happens_every_invariant_holds_in_the_database_r_v8() {
    live_checked::<Database>(size(6, 2_000)).await;
}

/// So many lives, whose databases are checked all the time.
pub async fn live_checked<D: Tampered>(lives: u64) {
    for seed in 0..lives {
        let database = D::begin().await;
        let world = World::kept_in(&database, Invoicing::ByCore).await;
        let mut life = Life::begin_in(world, checking::TERMS, seed).await;
        for step in 0..60 {
            life.step().await;
            if step % 4 == 0 {
                assert_eq!(
                    database.broken().await,
                    Vec::<String>::new(),
                    "{}",
                    life.story()
                );
            }
        }
        life.end().await;
        assert_eq!(database.broken().await, Vec::<String>::new(), "seed {seed}");
    }
}
