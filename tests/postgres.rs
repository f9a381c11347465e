//! What only a server can show of the store in PostgreSQL: walls between tenants, processes side by side,
//! connections that break, migrations under way.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "tests stop where it is not as they say"
)]

#[path = "postgres/clocks.rs"]
mod clocks;
#[path = "postgres/crowding.rs"]
mod crowding;
#[path = "postgres/crowds.rs"]
mod crowds;
#[path = "postgres/cuts.rs"]
mod cuts;
#[path = "postgres/database.rs"]
mod database;
#[path = "postgres/dropped.rs"]
mod dropped;
#[path = "postgres/kills.rs"]
mod kills;
#[path = "postgres/migrations.rs"]
mod migrations;
#[path = "postgres/news.rs"]
mod news;
#[path = "postgres/openings.rs"]
mod openings;
#[path = "postgres/parity.rs"]
mod parity;
#[path = "postgres/plans.rs"]
mod plans;
#[path = "postgres/quiet.rs"]
mod quiet;
#[path = "postgres/silence.rs"]
mod silence;
#[path = "postgres/walls.rs"]
mod walls;
