//! Domain of an SDK that turns calls through an API gateway into money.

mod facts;
mod ports;
mod words;

pub use facts::{
    consumer, intent, invoice, key, plan, product, reference, subscription, tenant, usage,
};
pub use ports::{engine, store};
pub use words::{clock, decimal, entropy, field, ids, money, period, secret, text};
