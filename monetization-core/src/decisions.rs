//! Pure functions of facts and the time: no I/O, no waiting. Flows and gates ask them.
//!
//! Whoever asks has read the facts and writes what follows; a decision only says what that is. The
//! same facts and the same instant always give the same answer, whichever process asks.
//!
//! | module | asked by | question |
//! |---|---|---|
//! | [`access`] | the request path | may this subscription be used now? |
//! | [`routing`] | the request path, the catalogue | which operation is this call? |
//! | [`metering`] | the request path | is a call that ended so billed, and does it keep its unit? |
//! | [`pricing`] | rating, estimates | what does a quantity cost under a price, and why? |
//! | [`estimate`] | programs, people | what would so much use cost, and why? |
//! | [`rating`] | closing, statements | what do these sums cost? |
//! | `plan_file` (with the feature `plan-file`) | programs | what does this file sell, and what is wrong with it? |

pub mod access;
pub mod estimate;
pub mod metering;
#[cfg(feature = "plan-file")]
pub mod plan_file;
pub mod pricing;
pub mod rating;
pub mod routing;
