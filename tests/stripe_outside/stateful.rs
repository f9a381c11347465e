//! stripe-stateful-mock as what the engine suite checks against.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use monetization_conformance::engine::{Bench, Fixture, Message};
use monetization_conformance::sample::text;
use monetization_core::clock::{Clock, Timestamp};
use monetization_core::engine::{Engine, EngineInvoice};
use monetization_core::reference::ObjectKind;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use monetization_engine_stripe::{StripeOptions, engine};

use super::asking::ask;
use super::program::{Program, node};
use super::relay::Relay;

/// An account that is connected to the platform's.
pub(crate) const CONNECTED: &str = "acct_one";

/// On loopback only and on any port; its own program listens everywhere, on a port that is given.
const SERVE: &str = "require(process.argv[1]).createExpressApp().listen(0, '127.0.0.1', function () { \
    console.log(`listening on http://127.0.0.1:${this.address().port}`) })";

/// A server that has nothing yet, the engine that speaks to it, and what stands between them.
pub(crate) struct Stateful {
    server: String,
    relay: Arc<Relay>,
    engine: Engine,
    _program: Program,
}

impl Stateful {
    pub(crate) async fn start() -> Self {
        let (mut command, package) = node("stripe-stateful-mock");
        command.args(["-e", SERVE]).arg(package);
        let mut program = Program::start(command);
        let server = program.told("listening on ").await;
        let account = format!("id={CONNECTED}&type=standard");
        ask(&server, "POST /v1/accounts", &account).await;
        let relay = Arc::new(Relay::start(server.clone()).await);
        let mut options = StripeOptions::default();
        options.base_url = format!("http://{}", relay.address());
        options.rates.test = NonZeroU32::new(10_000).unwrap();
        Self {
            server,
            relay,
            engine: engine(&options).unwrap(),
            _program: program,
        }
    }

    /// A bench over a server of its own, and what stands before that.
    pub(crate) async fn bench() -> (Bench, Arc<Relay>) {
        let stateful = Self::start().await;
        let relay = Arc::clone(&stateful.relay);
        (Bench::new(stateful), relay)
    }
}

#[async_trait]
impl Fixture for Stateful {
    fn engine(&self) -> Engine {
        self.engine.clone()
    }

    async fn now(&self) -> Timestamp {
        let now = Clock::system().now();
        Timestamp::from_secs(now.as_micros() / 1_000_000)
    }

    async fn advance(&self, _by: Duration) {
        unreachable!("its clock is the machine's")
    }

    async fn pay(&self, _payment_url: &str) {
        unreachable!("it has no invoices")
    }

    async fn store_method(&self, _checkout_url: &str) {
        unreachable!("it has no checkout")
    }

    async fn lose_reply(&self, after: u32) {
        self.relay.lose_reply(after);
    }

    async fn refuse_later(&self) {
        unreachable!("no use is reported to it")
    }

    async fn count(&self, kind: ObjectKind) -> usize {
        let list = match kind {
            ObjectKind::Plan => "GET /v1/products",
            ObjectKind::Customer => "GET /v1/customers",
            ObjectKind::Subscription => "GET /v1/subscriptions",
            _ => unreachable!("nothing counts {kind:?}"),
        };
        let page = ask(&self.server, list, "").await;
        page["data"].as_array().unwrap().len()
    }

    async fn invoice(&self, _invoice: &ForeignId) -> Option<EngineInvoice> {
        unreachable!("it has no invoices")
    }

    async fn messages(&self) -> Vec<Message> {
        unreachable!("it sends none")
    }

    fn webhook_secret(&self) -> Secret {
        unreachable!("it signs nothing")
    }

    fn account(&self) -> Option<ForeignId> {
        Some(text(CONNECTED))
    }
}
