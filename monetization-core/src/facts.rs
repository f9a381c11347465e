//! What is stored, and how it may change: state machines whose illegal moves are errors.
//!
//! Facts are plain values that serialise to JSON; a store keeps that JSON without looking into it
//! and finds it by keys that [`Fact`](crate::store::Fact) names. What changes about a fact changes
//! through a method that refuses what cannot happen, and is written under the version it was read
//! at, so that two who change the same thing at once do not overwrite each other.
//!
//! | module | its facts | what never changes |
//! |---|---|---|
//! | [`tenant`] | marketplaces, publishers, tokens | whose a thing is |
//! | [`product`] | products, their meters and operations | a meter, once made |
//! | [`plan`] | plans and versions of their terms | a version |
//! | [`consumer`] | who buys | the id upstreams are told |
//! | [`subscription`] | what was bought | who invoices it |
//! | [`key`] | API keys | the digest of the secret |
//! | [`usage`] | ledger records and their sums | a record |
//! | [`invoice`] | what is owed | the lines of an invoice that core made |
//! | [`intent`] | operations for an engine | the idempotency key |
//! | [`reference`](mod@reference) | names of objects at an engine | what an object is here |
//! | [`cursor`] | how far an engine's news were read | whose they are |

pub mod consumer;
pub mod cursor;
pub mod intent;
pub mod invoice;
pub mod key;
pub mod plan;
pub mod product;
pub mod reference;
pub mod subscription;
pub mod tenant;
pub mod usage;
