use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::rates::SharedRates;
use monetization_rate_limiter_redis::{GateRates, Namespace, NodeId, Options, RedisLimiter};

use crate::report;
use crate::settings::SharedRatesSettings;

/// The way to where rates are counted.
#[derive(Debug, Clone)]
pub(crate) struct Link(RedisLimiter);

impl Link {
    /// A node of its own among those that share rates there.
    ///
    /// # Errors
    /// Where the address cannot be read.
    pub(crate) async fn to(
        settings: &SharedRatesSettings,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut node = [0; 16];
        entropy.fill(&mut node);
        let namespace = Namespace::new(&settings.namespace);
        let options = Options::new(settings.address.reveal(), namespace, NodeId::new(node));
        let limiter = RedisLimiter::start(options, Arc::new(clock.clone())).await?;
        Ok(Self(limiter))
    }

    /// As gates know it.
    pub(crate) fn rates(&self) -> Arc<dyn SharedRates> {
        Arc::new(GateRates::new(self.0.clone()))
    }

    /// Why rates are counted by each server alone, where they are.
    pub(crate) fn away(&self) -> Option<String> {
        self.0.away().map(|away| away.to_string())
    }

    /// How many servers there are, this one included.
    pub(crate) fn nodes(&self) -> u32 {
        self.0.nodes().get()
    }

    /// What is wrong with the place where rates are counted.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) async fn inspect(&self) -> Result<Vec<String>, String> {
        let warnings = self.0.inspect().await.map_err(|away| away.to_string())?;
        Ok(warnings.iter().map(ToString::to_string).collect())
    }

    /// Gives back what lies in blocks, once no more calls come.
    pub(crate) async fn release(&self) {
        match tokio::time::timeout(RELEASE_WITHIN, self.0.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(away)) => report::failure("give units of shared rates back", &away),
            Err(_) => report::line(format_args!(
                "units of shared rates were not given back in time: they stay taken until their windows end"
            )),
        }
    }
}

const RELEASE_WITHIN: Duration = Duration::from_secs(1);
