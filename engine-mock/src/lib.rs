//! A whole billing provider in process, for tests, demos and development.

pub use control::{Control, ControlError, Disturbance};
pub use journal::{JournalError, JournalPlace, MemoryJournal, Recovered};
pub use mock::{CONNECTED_ACCOUNT, MockEngine, MockOptions};

pub mod faults;
pub mod provider;
pub mod transport;
pub mod webhooks;

mod client;
mod control;
mod journal;
mod mock;
