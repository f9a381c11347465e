//! What is known to go wrong with WSO2's plugin for Stripe, and does not here: over the flows, Stripe's
//! engine and the project's own fake of Stripe. `wso2_defects.md` tells which test shows what.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests say what they expect and stop where it is not so"
)]

#[path = "news/market.rs"]
#[expect(dead_code, reason = "the tests of news need more of it")]
mod market;
#[path = "wso2_defects/prices.rs"]
mod prices;
#[path = "wso2_defects/publishing.rs"]
mod publishing;
#[path = "wso2_defects/reports.rs"]
mod reports;
#[path = "wso2_defects/selling.rs"]
mod selling;
#[path = "wso2_defects/shop.rs"]
mod shop;
#[path = "engine_stripe/fixture.rs"]
mod stripe;
#[path = "wso2_defects/subscribing.rs"]
mod subscribing;
