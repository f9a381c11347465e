//! The architecture and the style as tests, one rule each. A failure names file and line and says
//! what to do about it.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "counts lines of files that have to be there"
)]

mod tidy {
    mod crates;
    mod features;
    mod leftovers;
    mod modules;
    mod readme;
    mod sizes;
    mod source;
    mod sql;
    mod tree;
}
