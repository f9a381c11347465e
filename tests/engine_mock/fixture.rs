use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use monetization_conformance::engine::{Fixture, Message};
use monetization_conformance::sample::{START, text};
use monetization_core::clock::Timestamp;
use monetization_core::engine::{Engine, EngineInvoice};
use monetization_core::invoice::InvoiceState;
use monetization_core::reference::ObjectKind;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use monetization_engine_mock::faults::{Fault, Faults, Injection, RecordFault};
use monetization_engine_mock::provider::Invoice;
use monetization_engine_mock::serve::{self, ServedClock};
use monetization_engine_mock::transport::Operation;
use monetization_engine_mock::{Control, MockEngine, RemoteOptions};
use tokio::net::TcpListener;

/// The mock, whose engine may be wrapped.
pub(crate) struct MockFixture {
    engine: Engine,
    control: Control,
    /// Where faults are played, if not within the mock.
    faults: Option<Arc<Faults>>,
}

impl MockFixture {
    pub(crate) fn new() -> Self {
        Self::wrapped(|engine| engine)
    }

    /// With something around its engine.
    pub(crate) fn wrapped(wrap: impl FnOnce(Engine) -> Engine) -> Self {
        Self::of(&MockEngine::in_memory(START), wrap)
    }

    /// Over this mock, with something around its engine.
    pub(crate) fn of(mock: &MockEngine, wrap: impl FnOnce(Engine) -> Engine) -> Self {
        Self {
            engine: wrap(mock.engine()),
            control: mock.control(),
            faults: None,
        }
    }

    /// The engine of a mock that is reached over HTTP. It is served by this very process, and
    /// faults befall calls before they get to the socket.
    pub(crate) async fn over_http() -> Self {
        let mock = MockEngine::in_memory(START);
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        let router = serve::router(&mock, ServedClock::ByHand);
        tokio::spawn(serve::run(socket, router, std::future::pending()));
        let faults = Arc::new(Faults::default());
        let options = RemoteOptions::ask(address, ASKED_WITHIN).await.unwrap();
        let options = options.with_faults(Arc::clone(&faults));
        Self {
            engine: MockEngine::remote(options).unwrap(),
            control: mock.control(),
            faults: Some(faults),
        }
    }
}

const ASKED_WITHIN: Duration = Duration::from_secs(30);

#[async_trait]
impl Fixture for MockFixture {
    fn engine(&self) -> Engine {
        self.engine.clone()
    }

    async fn now(&self) -> Timestamp {
        self.control.now()
    }

    async fn advance(&self, by: Duration) {
        self.control.advance(by).unwrap();
    }

    async fn pay(&self, payment_url: &str) {
        self.control.pay(payment_url).unwrap();
    }

    async fn store_method(&self, checkout_url: &str) {
        self.control.submit(checkout_url).unwrap();
    }

    async fn lose_reply(&self, after: u32) {
        let injection = Injection::next(Fault::LoseReply).on_changes().after(after);
        match &self.faults {
            Some(faults) => faults.inject(injection),
            None => self.control.inject(injection),
        }
    }

    async fn refuse_later(&self) {
        let fault = Fault::Record {
            index: 0,
            fault: RecordFault::RejectedLater,
        };
        let injection = Injection::next(fault).on(Operation::TakeUsage);
        match &self.faults {
            Some(faults) => faults.inject(injection),
            None => self.control.inject(injection),
        }
    }

    async fn count(&self, kind: ObjectKind) -> usize {
        match kind {
            ObjectKind::Plan => self
                .control
                .plans()
                .iter()
                .filter(|plan| plan.on_sale)
                .count(),
            ObjectKind::Customer => self.control.customers().len(),
            ObjectKind::Subscription => self
                .control
                .subscriptions()
                .iter()
                .filter(|subscription| subscription.live)
                .count(),
            ObjectKind::Invoice => {
                let kept = |invoice: &&Invoice| invoice.state != InvoiceState::Void;
                self.control.invoices().iter().filter(kept).count()
            }
            _ => unreachable!("the suite counts no {kind:?}"),
        }
    }

    async fn invoice(&self, invoice: &ForeignId) -> Option<EngineInvoice> {
        let found = self
            .control
            .invoices()
            .into_iter()
            .find(|known| known.id == *invoice)?;
        Some(EngineInvoice {
            external: Some(found.id),
            period: found.period,
            lines: found
                .lines
                .into_iter()
                .map(|line| (line.text, line.amount))
                .collect(),
            total: found.total,
            state: found.state,
            payment_url: self.control.payment_url(invoice),
            issued_at: found.issued_at,
            due_at: found.due_at,
        })
    }

    async fn messages(&self) -> Vec<Message> {
        let deliveries = self.control.take_deliveries().unwrap();
        let message = |delivery: monetization_engine_mock::webhooks::Delivery| Message {
            headers: delivery.headers,
            body: delivery.body,
        };
        deliveries.into_iter().map(message).collect()
    }

    fn webhook_secret(&self) -> Secret {
        self.control.webhook_secrets().remove(0)
    }

    fn account(&self) -> Option<ForeignId> {
        Some(text("acct_publisher"))
    }
}
