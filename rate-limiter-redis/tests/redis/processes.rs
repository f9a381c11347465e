//! Servers that are killed, stopped, cut off and filled up: each test has its own.

mod faults;
mod forgetting;
mod shares;
