//! An API gateway that earns money, end to end: the request path of `monetization-gateway-tower`
//! before real upstreams, a control plane over REST, SQLite or PostgreSQL, and a mock billing engine.
//!
//! The binary is what this package is about; the library is what it is tested by. Start at
//! [`server::Server`].

pub mod access_log;
pub mod beside;
pub mod chart;
pub mod check;
pub mod cli;
pub mod control;
pub mod copy;
pub mod data_directory;
pub mod database;
pub mod demo;
pub mod doctor;
pub mod engine_secrets;
pub mod engines;
pub mod estimate;
pub mod first_start;
pub mod plan_choice;
pub mod plans;
pub mod publish;
pub mod reconcile;
pub mod replay;
pub mod report;
pub mod serve;
pub mod server;
pub mod set_aside;
pub mod settings;
#[cfg(feature = "stripe")]
pub mod setup_webhook;

mod answer_watch;
mod app;
mod background;
mod clock_watch;
mod gateway;
mod listener;
mod metrics;
mod news;
mod orphans;
mod proxy;
mod recurring;
mod schedule;
mod shared_rates;
mod signals;
mod table;
mod task;
mod waiting;
