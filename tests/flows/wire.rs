//! What goes to the provider, as it stands at the port: which reports, under which key, and what was
//! said to them. A publisher can be stopped there, as if its process had died.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use monetization_core::clock::{Clock, Span, Timestamp};
use monetization_core::engine::{
    CurrentUsage, Engine, EngineContext, EngineError, Receipt, SealedReport, UsageReport,
    UsageReporting, Withdrawal,
};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Engines, Monetizer};
use monetization_core::ids::{BatchId, TenantId};
use monetization_core::key::Pepper;
use monetization_core::money::Quantity;
use monetization_core::product::Meter;
use monetization_core::reference::Realm;
use monetization_core::runtime::GatekeeperOptions;
use monetization_core::store::Store;
use monetization_core::text::ForeignId;

use crate::world::{World, text};

/// A call that carried reports.
#[derive(Debug, Clone)]
pub struct Sent {
    pub at: Timestamp,
    pub key: String,
    pub account: Option<ForeignId>,
    /// Whether what it carried may have been sent before.
    pub repeated: bool,
    pub reports: Vec<SealedReport>,
    /// What was answered, where something was.
    pub receipts: Option<Vec<Receipt>>,
}

/// The engine's port for use, and all that went through it.
pub struct Wire {
    inner: Arc<dyn UsageReporting>,
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sent: Vec<Sent>,
    stops: bool,
    /// What somebody else does while the provider counts next.
    meanwhile: Option<BoxFuture<'static, ()>>,
    /// What the credentials open, where that is not what the provider says.
    realm: Option<Realm>,
    /// What they open for one tenant, where that is another account.
    realms: BTreeMap<TenantId, Realm>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Wire")
    }
}

impl Wire {
    /// The calls so far, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.kept.lock().unwrap().sent.clone()
    }

    /// How often each batch was sent; each time with the same bytes.
    pub fn attempts(&self) -> BTreeMap<BatchId, usize> {
        let mut known: BTreeMap<BatchId, (Vec<u8>, usize)> = BTreeMap::new();
        for report in self.sent().into_iter().flat_map(|sent| sent.reports) {
            let entry = known.entry(report.batch);
            let (body, attempts) = entry.or_insert_with(|| (report.body.clone(), 0));
            assert_eq!(*body, report.body, "{} is not what it was", report.batch);
            *attempts += 1;
        }
        let counts = known.into_iter();
        counts.map(|(id, (_, attempts))| (id, attempts)).collect()
    }

    /// From now on the credentials are of this account and mode.
    pub fn exchange_credentials(&self, realm: Realm) {
        self.kept.lock().unwrap().realm = Some(realm);
    }

    /// The credentials of this tenant are of this account and mode, until all are exchanged.
    pub fn open_for(&self, tenant: TenantId, realm: Realm) {
        self.kept.lock().unwrap().realms.insert(tenant, realm);
    }

    /// Somebody else does this right before the provider counts next.
    pub fn while_it_counts(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.kept.lock().unwrap().meanwhile = Some(work.boxed());
    }

    /// Whoever sends next never goes on, whatever the provider has answered.
    fn stop(&self, stops: bool) {
        self.kept.lock().unwrap().stops = stops;
    }
}

#[async_trait]
impl UsageReporting for Wire {
    fn serialise(&self, report: &UsageReport) -> Result<Vec<u8>, EngineError> {
        self.inner.serialise(report)
    }

    async fn publish(
        &self,
        cx: &EngineContext,
        reports: &[SealedReport],
    ) -> Result<Vec<Receipt>, EngineError> {
        let answer = self.inner.publish(cx, reports).await;
        let sent = Sent {
            at: self.clock.now(),
            key: cx.key.as_str().to_owned(),
            account: cx.account.clone(),
            repeated: cx.repeated,
            reports: reports.to_vec(),
            receipts: answer.as_ref().ok().cloned(),
        };
        let stops = {
            let mut kept = self.kept.lock().unwrap();
            kept.sent.push(sent);
            kept.stops
        };
        if stops {
            pending::<()>().await;
        }
        answer
    }

    async fn withdraw(
        &self,
        cx: &EngineContext,
        report: &SealedReport,
    ) -> Result<Withdrawal, EngineError> {
        self.inner.withdraw(cx, report).await
    }

    async fn realm(&self, cx: &EngineContext) -> Result<Realm, EngineError> {
        let theirs = self.inner.realm(cx).await?;
        let kept = self.kept.lock().unwrap();
        let realm = kept.realm.as_ref().or(kept.realms.get(&cx.tenant));
        Ok(realm.cloned().unwrap_or(theirs))
    }

    async fn current(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<CurrentUsage, EngineError> {
        self.inner.current(cx, subscription).await
    }

    async fn summary(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        meter: &Meter,
        span: Span,
    ) -> Result<Quantity, EngineError> {
        let meanwhile = self.kept.lock().unwrap().meanwhile.take();
        if let Some(work) = meanwhile {
            work.await;
        }
        self.inner.summary(cx, subscription, meter, span).await
    }
}

impl World {
    /// Looks at what goes to the provider from now on.
    pub fn tap(&mut self) -> Arc<Wire> {
        let engine = self.monetizer.engines().choose(&text("mock")).unwrap();
        let wire = Arc::new(Wire {
            inner: engine.usage.clone().unwrap(),
            clock: self.clock.clone(),
            kept: Mutex::default(),
        });
        let tapped = Engine {
            usage: Some(Arc::clone(&wire) as _),
            ..engine.clone()
        };
        self.start_process(Engines::new([tapped]), 8);
        wire
    }

    /// Goes on over another store.
    pub fn move_to(&mut self, store: Arc<dyn Store>) {
        self.running.abort();
        let options = GatekeeperOptions::default();
        (self.gatekeeper, self.running) = self.gate_over(Arc::clone(&store), &self.clock, options);
        self.store = store;
        self.restart(9);
    }

    /// Another process over the same store and provider: nothing is left of the last one.
    pub fn restart(&mut self, seed: u64) {
        self.start_process(self.monetizer.engines().clone(), seed);
    }

    /// The same over these engines.
    pub fn start_process(&mut self, engines: Engines, seed: u64) {
        self.monetizer = Monetizer::new(
            Arc::clone(&self.store),
            engines,
            self.clock.clone(),
            Arc::new(Entropy::seeded(seed)),
            Pepper::new(&[7; 32]).unwrap(),
        );
    }

    /// The process dies when the provider has taken what it sent and nothing of that is written.
    pub fn die_publishing(&mut self, wire: &Wire) {
        wire.stop(true);
        assert!(
            self.publish().now_or_never().is_none(),
            "it has sent nothing"
        );
        wire.stop(false);
    }
}
