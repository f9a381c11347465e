use std::error::Error;
use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::rates::SharedRates;

use crate::settings::SharedRatesSettings;

/// Redis was not built in, and the settings say so to whoever asks for it: there is no link.
#[derive(Debug, Clone)]
pub(crate) enum Link {}

impl Link {
    pub(crate) async fn to(
        _: &SharedRatesSettings,
        _: &Clock,
        _: &Entropy,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Err("redis was not built in".into())
    }

    pub(crate) fn rates(&self) -> Arc<dyn SharedRates> {
        match *self {}
    }

    pub(crate) fn away(&self) -> Option<String> {
        match *self {}
    }

    pub(crate) fn nodes(&self) -> u32 {
        match *self {}
    }

    pub(crate) async fn inspect(&self) -> Result<Vec<String>, String> {
        match *self {}
    }

    pub(crate) async fn release(&self) {
        match *self {}
    }
}
