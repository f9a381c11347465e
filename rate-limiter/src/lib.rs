#![doc = include_str!("../README.md")]

mod bucket;
mod cells;
mod count;
mod decision;
mod gcra;
mod keyed;
mod limit;
mod limits;
mod packed_cell;
mod slot;
mod span;
mod state;
mod sync;
mod timestamp;
mod window;
mod word;

pub use bucket::Bucket;
pub use cells::Cells;
pub use count::Count;
pub use decision::{Decision, Standing};
pub use gcra::{Gcra, GcraError};
pub use keyed::{Full, Keyed};
pub use limit::{Limit, LimitKind};
pub use limits::{DuplicateLimit, LIMITS_MAX, Limits};
pub use packed_cell::PackedCell;
pub use span::Span;
pub use timestamp::{OutOfRange, ParseTimestampError, Timestamp};
pub use window::{UnknownWindow, Window};
pub use word::DoesNotFit;
