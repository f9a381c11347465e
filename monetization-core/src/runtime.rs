//! The request path: gates that are in memory, the committer that makes use durable, the keeper
//! of leases. Everything here works with any executor: what has to run beside the calls is
//! handed back as futures that the binary spawns.
//!
//! A call goes through [`Gatekeeper::decide`], which never waits, and is answered by
//! [`Decided`]: a [`Permit`] to forward it, a [`Denial`], or a [`Need`] that has to be supplied
//! before it can be decided. After the upstream has answered, [`Permit::settle`] turns the
//! permit into a record and hands it to the [`Committer`]. Each step's output is the only way
//! into the next.

mod cells;
mod committer;
mod denial;
mod feed;
mod gate;
mod gatekeeper;
mod keeper;
mod permit;
mod standing;

pub use committer::{Committed, Committer, CommitterOptions};
pub use denial::{Denial, Limited, Unauthenticated};
pub use gate::Target;
pub use gatekeeper::{Decided, Gatekeeper, GatekeeperOptions, Need, Sleep, Unavailable};
pub use permit::{NotRecorded, Permit, Settlement};
pub use standing::{Standing, Standings, WindowName};
