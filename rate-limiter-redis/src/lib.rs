#![doc = include_str!("../README.md")]

mod announce;
mod ask;
mod block;
mod circuit;
mod clock;
mod fault;
#[cfg(feature = "gates")]
mod gates;
mod holder;
mod inspect;
mod keeper;
mod key;
mod limiter;
mod limits;
mod link;
mod moment;
mod numbers;
mod options;
mod outcome;
mod question;
mod reply;
mod share;
mod stock;

pub use ask::{Ask, Way, WhenAway};
pub use clock::Clock;
pub use fault::Away;
#[cfg(feature = "gates")]
pub use gates::GateRates;
pub use holder::Holder;
pub use inspect::Warning;
pub use key::{HolderKey, Namespace, NodeId};
pub use limiter::RedisLimiter;
pub use limits::{SharedLimits, TooLarge};
pub use options::{BadAddress, Options};
pub use outcome::{By, Outcome};
