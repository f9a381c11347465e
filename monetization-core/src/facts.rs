//! What is stored, and how it may change: state machines whose illegal moves are errors.

pub mod consumer;
pub mod intent;
pub mod invoice;
pub mod key;
pub mod plan;
pub mod product;
pub mod reference;
pub mod subscription;
pub mod tenant;
pub mod usage;
