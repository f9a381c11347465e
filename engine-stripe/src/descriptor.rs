//! What the engine says of itself, as data that flows obey.
//!
//! Stripe's own limits, less what it takes to be on the safe side: identifiers are relied on for 23 hours
//! of 24, and use is reported for an hour less than the 35 days that are allowed.

use std::time::Duration;

use monetization_core::engine::{Attribute, EngineDescriptor, EngineLimits, PriceShapes};

use crate::price;
use crate::transport::API_VERSION;

/// The attribute by which a product names the publisher's account, as WSO2 does.
pub const CONNECTED_ACCOUNT: &str = "ConnectedAccountKey";

/// The attribute by which a product names how its consumers' portal looks.
pub(crate) const PORTAL_CONFIGURATION: &str = "PortalConfiguration";

/// How old the time of use may be: 35 days, less an hour that a report may take to arrive.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(35 * 86_400 - 3_600);

/// What the engine says of itself.
pub(crate) fn descriptor() -> EngineDescriptor {
    EngineDescriptor {
        #[expect(clippy::unwrap_used, reason = "`stripe` is a name")]
        id: "stripe".parse().unwrap(),
        api_version: API_VERSION.to_owned(),
        attributes: vec![
            Attribute {
                name: CONNECTED_ACCOUNT.to_owned(),
                label: "Connected account".to_owned(),
                required: false,
                description: "the publisher's own account at Stripe, such as acct_1A2b3C"
                    .to_owned(),
                default: None,
            },
            Attribute {
                name: PORTAL_CONFIGURATION.to_owned(),
                label: "Customer portal".to_owned(),
                required: false,
                description: "a configuration of Stripe's customer portal, such as bpc_1A2b3C; \
                    that of the account by default"
                    .to_owned(),
                default: None,
            },
        ],
        limits: EngineLimits {
            // Identifiers and keys are good for 24 hours at least: an hour less is relied on.
            deduplicates_for: Duration::from_secs(23 * 3_600),
            // So long after it was taken an event can be cancelled.
            withdraws_for: Some(Duration::from_secs(24 * 3_600)),
            // Stripe counts meter events some time after it has taken them, and does not say when.
            counts_within: Duration::from_secs(3_600),
            age_max: AGE_MAX,
            ahead_max: Duration::from_secs(300),
            batch_max: 100,
            // So long after its end Stripe still counts use of a period.
            grace: Duration::from_secs(3_600),
        },
        shapes: PriceShapes {
            base: true,
            setup: true,
            per_unit: true,
            included: true,
            graduated: true,
            volume: true,
            stairstep: true,
            package: true,
            commitment: false,
            trial: true,
            calendar: false,
            further: price::check,
        },
    }
}
