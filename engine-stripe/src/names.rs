//! What things of ours are called at Stripe, and how they are found there again.
//!
//! | thing | name there |
//! |---|---|
//! | plan version `plv_1` | the product `plv_1` |
//! | its base price, setup fee, price of a meter | lookup keys `plv_1/base`, `plv_1/setup`, `plv_1/mtr_1` |
//! | meter `mtr_1` | events named `monetization_mtr_1` |
//! | everything else | Stripe's own id, and ours under a key of metadata |
//!
//! Ids of ours are unique across tenants, so that several may share an account. An idempotency key that
//! Stripe could not take, because it is longer than 255 characters, is told by its SHA-256.

use monetization_core::engine::{EngineError, EngineErrorKind, IdempotencyKey};
use monetization_core::ids::{MeterId, PlanVersionId};
use monetization_core::text::ForeignId;
use sha2::{Digest, Sha256};

/// Keys of metadata: which thing of ours an object is.
pub(crate) const TENANT: &str = "monetization_tenant";
/// The product that a plan belongs to.
pub(crate) const PRODUCT: &str = "monetization_product";
/// The consumer that a customer is.
pub(crate) const CONSUMER: &str = "monetization_consumer";
/// The subscription that a subscription is, or that an invoice bills.
pub(crate) const SUBSCRIPTION: &str = "monetization_subscription";
/// The invoice that an invoice is.
pub(crate) const INVOICE: &str = "monetization_invoice";
/// How many prices a plan has: with fewer it is not whole yet.
pub(crate) const PRICES: &str = "monetization_prices";
/// The total of an invoice of core's, in the currency's minor unit.
pub(crate) const TOTAL: &str = "monetization_total";
/// The period that an invoice of core's bills, in seconds: `start-end`.
pub(crate) const PERIOD: &str = "monetization_period";
/// The place of a line in an invoice of core's, from 0.
pub(crate) const LINE: &str = "monetization_line";
/// That a customer is charged to what they have stored.
pub(crate) const CHARGED: &str = "monetization_charged";
/// The number of a credit of an invoice, from 1.
pub(crate) const CREDIT: &str = "monetization_credit";

/// Under these keys of a meter event stand who pays and how much.
pub(crate) const CUSTOMER_IN_EVENT: &str = "stripe_customer_id";
/// How much was used, in decimals.
pub(crate) const VALUE_IN_EVENT: &str = "value";
/// And whose use it is: Stripe passes it on and does nothing with it.
pub(crate) const SUBSCRIPTION_IN_EVENT: &str = "subscription";

/// Characters of an idempotency key that Stripe takes.
const KEY_CHARACTERS_MAX: usize = 255;

/// Stripe's name for a meter's events. Each of our meters has one of its own in each account.
pub(crate) fn event_name(meter: MeterId) -> String {
    format!("monetization_{meter}")
}

/// The lookup key of a plan's price for each period.
pub(crate) fn base_key(plan: PlanVersionId) -> String {
    format!("{plan}/base")
}

/// The lookup key of a plan's price of the start.
pub(crate) fn setup_key(plan: PlanVersionId) -> String {
    format!("{plan}{SETUP_SUFFIX}")
}

/// The lookup key of a plan's price of a meter's use.
pub(crate) fn usage_key(plan: PlanVersionId, meter: MeterId) -> String {
    format!("{plan}/{meter}")
}

/// Whether a price is one of the start, by its lookup key.
pub(crate) fn is_setup(lookup_key: &str) -> bool {
    lookup_key.ends_with(SETUP_SUFFIX)
}

/// By which a price of the start is told from one of each period.
const SETUP_SUFFIX: &str = "/setup";

/// The key as Stripe takes it: one that is too long by its digest.
pub(crate) fn idempotency_key(key: &IdempotencyKey) -> String {
    let text = key.as_str();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !text.is_empty() && text.len() <= KEY_CHARACTERS_MAX && is_plain {
        return text.to_owned();
    }
    format!("sha256:{}", hexadecimal(&Sha256::digest(text.as_bytes())))
}

/// The id as it may stand in a path.
///
/// # Errors
/// `NotFound` for what cannot be an id of Stripe's: no object is called so.
pub(crate) fn in_path(id: &ForeignId) -> Result<&str, EngineError> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.as_str().bytes().all(is_id) {
        return Ok(id.as_str());
    }
    let message = format!("{id} is no id of Stripe's");
    Err(EngineError::new(EngineErrorKind::NotFound, message))
}

/// In lower case, two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stripe_cannot_take_is_told_by_its_digest() {
        let told = |text: &str| idempotency_key(&IdempotencyKey::new(text));
        assert_eq!(told("start:sub_1/finalize"), "start:sub_1/finalize");
        assert_eq!(told(&"k".repeat(255)).len(), 255);
        let long = told(&"k".repeat(256));
        assert_eq!(long.len(), "sha256:".len() + 64);
        assert_ne!(long, told(&"k".repeat(257)));
        for unfit in ["", "a\nb", "sch\u{f6}n"] {
            assert!(told(unfit).starts_with("sha256:"), "{unfit:?}");
        }
    }

    #[test]
    fn what_is_no_id_reaches_no_path() {
        let path = |id: &str| in_path(&id.parse().unwrap()).map(str::to_owned);
        assert_eq!(path("sub_1").unwrap(), "sub_1");
        for other in ["../customers", "sub_1/items", "sub_1?expand=x", ".", "%2e"] {
            let error = path(other).unwrap_err();
            assert_eq!(error.kind(), &EngineErrorKind::NotFound, "{other}");
        }
    }
}
