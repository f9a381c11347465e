//! Rates that several servers share through Redis, where it was built in and is asked for.

use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::runtime::{Beside, SetAside};

use crate::server::StartError;
use crate::set_aside::SetAsideFile;
use crate::settings::Settings;
pub(crate) use link::Link;

#[cfg_attr(feature = "redis", path = "shared_rates/redis.rs")]
#[cfg_attr(not(feature = "redis"), path = "shared_rates/absent.rs")]
mod link;

/// What the gatekeeper has beside its store, with the link to where rates are counted.
///
/// # Errors
/// [`StartError::SharedRates`] where the address cannot be read. That nobody answers there is none.
pub(crate) async fn beside(
    settings: &Settings,
    aside: Option<Arc<SetAsideFile>>,
    (clock, entropy): (&Clock, &Entropy),
) -> Result<(Option<Link>, Beside), StartError> {
    let link = match &settings.shared_rates {
        Some(shared) => {
            let link = Link::to(shared, clock, entropy).await;
            Some(link.map_err(|source| StartError::SharedRates { source })?)
        }
        None => None,
    };
    let beside = Beside {
        aside: aside.map(|file| file as Arc<dyn SetAside>),
        rates: link.as_ref().map(Link::rates),
    };
    Ok((link, beside))
}
