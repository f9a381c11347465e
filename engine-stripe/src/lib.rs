#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        reason = "tests compute what they expect"
    )
)]

use std::sync::Arc;

use monetization_core::engine::Engine;
use monetization_core::field::FieldError;
use rust_decimal::Decimal;

pub use descriptor::CONNECTED_ACCOUNT;
pub use endpoint::{EVENTS, Endpoint, Endpoints, Ensured, Payload, Scope, THIN_EVENTS};
pub use options::{Rates, StripeOptions};

mod anchor;
mod answer;
mod client;
mod currency;
mod descriptor;
mod endpoint;
mod error;
mod form;
mod governor;
mod invoice;
mod names;
mod options;
mod price;
mod session;
mod time;
mod transport;
mod webhooks;

#[cfg(test)]
mod tests;

/// Days after which an invoice of Stripe's may be due at most.
const DAYS_UNTIL_DUE_MAX: u32 = 365;

/// Stripe as core holds it. Nothing is contacted until it is called.
///
/// # Errors
/// A [`FieldError`] of the option that makes no sense.
pub fn engine(options: &StripeOptions) -> Result<Engine, FieldError> {
    if options.days_until_due > DAYS_UNTIL_DUE_MAX {
        let problem = format!(
            "it is {}: allowed are 0 to {DAYS_UNTIL_DUE_MAX}",
            options.days_until_due
        );
        return Err(FieldError::new("days_until_due", problem));
    }
    check_percent(options.application_fee_percent)?;
    let transport = Arc::new(transport::Transport::new(options)?);
    let client = Arc::new(client::Client {
        transport: Arc::clone(&transport),
        days_until_due: options.days_until_due,
        application_fee_percent: options.application_fee_percent,
    });
    Ok(Engine {
        descriptor: descriptor::descriptor(),
        billing: client.clone(),
        usage: Some(client.clone()),
        invoices: Some(client.clone()),
        statements: Some(client.clone()),
        portal: Some(client.clone()),
        webhooks: Some(Arc::new(webhooks::StripeWebhooks {
            transport,
            days_until_due: options.days_until_due,
        })),
        feed: Some(client),
    })
}

/// Stripe takes two decimals of a per cent.
fn check_percent(percent: Option<Decimal>) -> Result<(), FieldError> {
    let Some(percent) = percent else {
        return Ok(());
    };
    let fits = (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&percent)
        && percent.normalize().scale() <= 2;
    if fits {
        return Ok(());
    }
    let problem = format!("it is {percent}: allowed are 0 to 100 with at most two decimals");
    Err(FieldError::new("application_fee_percent", problem))
}
