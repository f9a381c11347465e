//! The flows of core over a store and the mock provider: what a marketplace does in its life.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests say what they expect and stop where it is not so"
)]

#[path = "flows/aligned.rs"]
mod aligned;
#[path = "flows/apart.rs"]
mod apart;
#[path = "flows/billing.rs"]
mod billing;
#[path = "flows/bundles.rs"]
mod bundles;
#[path = "flows/bundles_kept.rs"]
mod bundles_kept;
#[path = "flows/cancelling.rs"]
mod cancelling;
#[path = "flows/catalogue.rs"]
mod catalogue;
#[path = "flows/checked_lives.rs"]
mod checked_lives;
#[path = "flows/checking.rs"]
mod checking;
#[path = "flows/clocks.rs"]
mod clocks;
#[path = "flows/coverage.rs"]
mod coverage;
#[path = "flows/credentials.rs"]
mod credentials;
#[path = "flows/crediting.rs"]
mod crediting;
#[path = "flows/database.rs"]
mod database;
#[path = "flows/deliveries.rs"]
mod deliveries;
#[path = "flows/dunning.rs"]
mod dunning;
#[path = "flows/duplicates.rs"]
mod duplicates;
#[path = "flows/fault_matrix.rs"]
mod fault_matrix;
#[path = "flows/faults.rs"]
mod faults;
#[path = "flows/frozen.rs"]
mod frozen;
#[path = "flows/gates.rs"]
mod gates;
#[path = "flows/instances.rs"]
mod instances;
#[path = "flows/lost_replies.rs"]
mod lost_replies;
#[path = "flows/meanwhile.rs"]
mod meanwhile;
#[path = "flows/messages.rs"]
mod messages;
#[path = "flows/meters.rs"]
mod meters;
#[path = "flows/model.rs"]
mod model;
#[cfg(feature = "postgres")]
#[path = "flows/moving.rs"]
mod moving;
#[path = "flows/nodes.rs"]
mod nodes;
#[path = "flows/outage.rs"]
mod outage;
#[path = "flows/paying.rs"]
mod paying;
#[path = "flows/poison.rs"]
mod poison;
#[cfg(feature = "postgres")]
#[path = "postgres/database.rs"]
mod postgres;
#[path = "flows/publishing.rs"]
mod publishing;
#[path = "flows/reconciling.rs"]
mod reconciling;
#[path = "flows/replanning.rs"]
mod replanning;
#[path = "flows/restoring.rs"]
mod restoring;
#[path = "flows/resuming.rs"]
mod resuming;
#[path = "flows/revenue.rs"]
mod revenue;
#[cfg(feature = "postgres")]
#[path = "flows/shared_database.rs"]
mod shared_database;
#[path = "flows/shop.rs"]
mod shop;
#[path = "flows/sleeping.rs"]
mod sleeping;
#[path = "flows/statements.rs"]
mod statements;
#[path = "flows/subscribing.rs"]
mod subscribing;
#[path = "flows/tampering.rs"]
mod tampering;
#[cfg(feature = "postgres")]
#[path = "flows/tampering_postgres.rs"]
mod tampering_postgres;
#[path = "flows/totals.rs"]
mod totals;
#[path = "flows/trials.rs"]
mod trials;
#[path = "flows/wire.rs"]
mod wire;
#[path = "flows/withdrawing.rs"]
mod withdrawing;
#[path = "flows/world.rs"]
mod world;
