//! Values: what everything else is said with.
//!
//! Nothing here has a trait to implement, waits, or asks the machine for anything, with two
//! exceptions that are handed in: the time ([`clock`]) and randomness ([`entropy`]). A value that
//! exists is right: texts, ids, amounts and prices are checked when they are read, so that whoever
//! holds one need not ask again.

pub mod clock;
pub mod decimal;
pub mod entropy;
pub mod field;
pub mod ids;
pub mod money;
pub mod period;
pub mod secret;
pub mod text;
