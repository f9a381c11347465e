//! The request path: gates that are in memory, the committer that makes use durable, the keeper
//! of leases. Everything here works with any executor: what has to run beside the calls is
//! handed back as futures that the binary spawns.
//!
//! A call goes through [`Gatekeeper::decide`], which never waits, and is answered by
//! [`Decided`]: a [`Permit`] to forward it, a [`Denial`], or the word that it has to wait for what
//! only the store knows, which [`Gatekeeper::admit`] does. After the upstream has answered, [`Permit::settle`] turns the
//! permit into a record and hands it to the [`Committer`]. Each step's output is the only way
//! into the next.
//!
//! | a process has | holds | shared with |
//! |---|---|---|
//! | one [`Gatekeeper`] | the keys, the gates, the feed | every call |
//! | a gate for each subscription | its terms, exchanged as they change, and its counters, which stay | all keys that open it |
//! | one [`Committer`] | a place for each call that is under way or waits to be written | every call |
//!
//! What is in memory is never the truth: terms come from the store's change sequence, units of
//! strict quotas from blocks that the store has handed out, and a record is only there once the
//! ledger has answered. Of each quota a gatekeeper holds what its calls spend in about a second, and gives back
//! what was not spent within two, so that other gatekeepers find it; a two-thousandth of the quota may stay. A process
//! that dies takes with it rates, unless they are [shared](crate::rates), and the calls in flight.

mod answer;
mod attempts;
mod cells;
mod committer;
mod denial;
mod feed;
mod gate;
mod gatekeeper;
mod keeper;
mod news;
mod options;
mod permit;
mod present;
mod shared;
mod standing;
mod strangers;

pub use answer::AnswerReader;
pub use committer::{Committed, Committer, CommitterOptions, SetAside};
pub use denial::{Denial, Limited, Unauthenticated};
pub use gate::{Identity, Target};
pub use gatekeeper::{Decided, Gatekeeper, Sleep};
pub use options::{Beside, GatekeeperOptions};
pub use permit::{NotRecorded, Permit, Settlement};
pub use present::API_KEY;
pub use standing::{Standing, Standings, Subject, WindowName};

#[cfg(test)]
mod tests;
