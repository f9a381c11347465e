//! What every store and every engine owes, as tests that a backend of your own can run too.
//!
//! Each behaviour is one function, named for it. A macro holds the list of them once and makes
//! one test of each for a backend. See [`store`] and [`engine`] for how to run them.
//!
//! With the feature `fault-proxy` there is a network that misbehaves on demand, too: the module
//! `fault_proxy`. With the feature `postgres` there are databases on a PostgreSQL server: the module
//! `postgres`. With the feature `redis` there are servers of Redis to be broken: the module `redis`. With the feature `stripe` there is a Stripe to test against: the module `stripe`.

pub use polled::polled;
pub use size::{is_long, seed, size, size_in_ci};

#[cfg(feature = "stripe")]
pub mod asked;
pub mod bench;
pub mod engine;
#[cfg(feature = "fault-proxy")]
pub mod fault_proxy;
pub mod market;
pub mod outages;
mod polled;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
pub mod restoring;
pub mod sample;
mod size;
pub mod store;
#[cfg(feature = "stripe")]
pub mod stripe;
