//! Pure functions of facts and the time: no I/O, no waiting. Flows and gates ask them.

pub mod access;
pub mod metering;
pub mod rating;
pub mod routing;
