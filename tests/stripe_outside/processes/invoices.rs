//! The life of an invoice, told by messages that somebody else has made and signed: localstripe.

use std::net::{Ipv6Addr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use monetization_conformance::engine::CANARY;
use monetization_conformance::sample::{Sample, text};
use monetization_core::clock::Timestamp;
use monetization_core::engine::{
    Engine, EngineContext, EngineEvent, EngineInvoice, IdempotencyKey, News, VerifiedEvent,
    WebhookError,
};
use monetization_core::invoice::InvoiceState;
use monetization_core::money::Money;
use monetization_core::reference::ObjectKind;
use monetization_core::secret::Secret;
use monetization_engine_stripe::{StripeOptions, engine};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::stripe_outside::asking::{Listening, ask};
use crate::stripe_outside::program::{Program, python};

const SECRET: &str = "whsec_of_localstripe";
/// How long a message may take: it sends them after a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// A card whose owner has to agree to each payment.
const GUARDED: &str = "4000002500003155";
const GOOD: &str = "4242424242424242";

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn the_life_of_an_invoice_is_read_from_messages_that_another_has_signed_i5() {
    let mut life = Life::start().await;
    let (customer, subscription) = life.subscribe().await;
    let invoice = life.disagree(&subscription).await;
    life.pay(&customer, &invoice).await;
    let mut told: Vec<EngineEvent> = Vec::new();
    while told.len() < 4 {
        let message = life.next().await;
        let event = message.verify(SECRET, &message.body, 0).unwrap();
        told.extend(message.webhooks().interpret(&event).unwrap());
    }
    let ended = told.iter().find(|it| it.news == News::SubscriptionEnded);
    let ended = ended.unwrap();
    assert_eq!(
        (ended.object, ended.external.as_str()),
        (ObjectKind::Subscription, subscription.as_str())
    );
    told.retain(|it| it.object == ObjectKind::Invoice);
    told.sort_by_key(|it| it.version);
    let states: Vec<InvoiceState> = told
        .iter()
        .map(|it| life.state(it, &subscription))
        .collect();
    assert_eq!(
        states,
        [
            InvoiceState::Draft,
            InvoiceState::PastDue,
            InvoiceState::Paid
        ]
    );
    assert!(told.iter().all(|it| it.external.as_str() == invoice));
    // What its list says is what its messages said.
    let listed = life.listed(&subscription).await;
    let News::Invoice { invoice, .. } = &told[2].news else {
        unreachable!("it is about an invoice")
    };
    assert_eq!(&listed, std::slice::from_ref(invoice));
}

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn what_another_has_signed_is_refused_when_it_is_changed_old_or_of_somebody_else_i5() {
    let mut life = Life::start().await;
    ask(&life.server, "POST /v1/customers", "name=Example").await;
    let message = life.next().await;
    let refused = Err(WebhookError::Signature);
    assert!(message.verify(SECRET, &message.body, 0).is_ok());
    for place in 0..message.body.len() {
        let mut changed = message.body.clone();
        changed[place] ^= 1;
        assert_eq!(message.verify(SECRET, &changed, 0), refused, "byte {place}");
    }
    assert_eq!(message.verify("whsec_other", &message.body, 0), refused);
    for apart in [-300, 300] {
        assert!(message.verify(SECRET, &message.body, apart).is_ok());
    }
    for apart in [-301, 301] {
        let stale = Err(WebhookError::Stale);
        assert_eq!(message.verify(SECRET, &message.body, apart), stale);
    }
    let mut moved = message;
    let header = moved.signature.replace("t=1", "t=2");
    assert_ne!(header, moved.signature);
    moved.signature = header;
    assert_eq!(moved.verify(SECRET, &moved.body, 0), refused);
}

/// localstripe, and where it posts what it tells.
struct Life {
    server: String,
    engine: Engine,
    messages: UnboundedReceiver<Message>,
    _program: Program,
    _listening: Listening,
}

impl Life {
    async fn start() -> Self {
        // It takes no port of the system's choice.
        let free = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = python();
        command.args(["-m", "localstripe", "--from-scratch"]);
        command.args(["--port", &port.to_string()]);
        let mut program = Program::start(command);
        program.told("Running on").await;
        let server = format!("http://127.0.0.1:{port}");
        let mut options = StripeOptions::default();
        options.base_url = server.clone();
        let engine = engine(&options).unwrap();
        let (heard, messages) = unbounded_channel();
        let reading = engine.clone();
        let listening = Listening::start(move |request| {
            let sent = heard.send(Message::read(&request, reading.clone()));
            // Whoever does not listen any more does not miss it.
            drop(sent);
            std::future::ready(Ok(Response::default()))
        })
        .await;
        let hook = format!("url=http://{}/hook&secret={SECRET}", listening.address);
        ask(&server, "POST /_config/webhooks/ours", &hook).await;
        Self {
            server,
            engine,
            messages,
            _program: program,
            _listening: listening,
        }
    }

    async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.messages.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// A customer whose card pays nothing yet, and what they subscribe to.
    async fn subscribe(&self) -> (String, String) {
        let customer = id(&ask(&self.server, "POST /v1/customers", "name=Example").await);
        self.add_card(&customer, GUARDED).await;
        let plan = "amount=2500&currency=usd&interval=month&name=Gold";
        let plan = id(&ask(&self.server, "POST /v1/plans", plan).await);
        let start = format!("customer={customer}&items[0][plan]={plan}");
        let started = ask(&self.server, "POST /v1/subscriptions", &start).await;
        (customer, id(&started))
    }

    async fn add_card(&self, customer: &str, number: &str) -> String {
        let add = format!("POST /v1/customers/{customer}/sources");
        let card = format!(
            "source[object]=card&source[number]={number}&source[exp_month]=12\
             &source[exp_year]=2040&source[cvc]=123"
        );
        id(&ask(&self.server, &add, &card).await)
    }

    /// The customer does not agree to pay the first invoice, which ends the subscription.
    async fn disagree(&self, subscription: &str) -> String {
        let found = self.found("subscriptions", subscription).await;
        let invoice = found["latest_invoice"].as_str().unwrap();
        let payment = self.found("invoices", invoice).await["payment_intent"].clone();
        let payment = payment.as_str().unwrap();
        let secret = self.found("payment_intents", payment).await["client_secret"].clone();
        let disagree = format!("POST /v1/payment_intents/{payment}/_authenticate");
        let answer = format!("success=false&client_secret={}", secret.as_str().unwrap());
        ask(&self.server, &disagree, &answer).await;
        invoice.to_owned()
    }

    async fn found(&self, list: &str, id: &str) -> Value {
        ask(&self.server, &format!("GET /v1/{list}/{id}"), "").await
    }

    /// They pay it all the same, by another card.
    async fn pay(&self, customer: &str, invoice: &str) {
        let card = self.add_card(customer, GOOD).await;
        let customer = format!("POST /v1/customers/{customer}");
        ask(&self.server, &customer, &format!("default_source={card}")).await;
        let pay = format!("POST /v1/invoices/{invoice}/pay");
        ask(&self.server, &pay, "").await;
    }

    /// What news of an invoice of this subscription say of it.
    fn state(&self, event: &EngineEvent, subscription: &str) -> InvoiceState {
        let News::Invoice {
            subscription: of,
            invoice,
        } = &event.news
        else {
            unreachable!("it is about an invoice")
        };
        assert_eq!(of.as_ref().map(|of| of.as_str()), Some(subscription));
        assert_eq!(invoice.total, Money::new(2_500, text("USD")));
        invoice.state
    }

    /// The invoices of a subscription, as the engine reads them there.
    async fn listed(&self, subscription: &str) -> Vec<EngineInvoice> {
        let cx = EngineContext {
            tenant: Sample::seeded(1).id(),
            credentials: Some(Secret::new(CANARY)),
            account: None,
            key: IdempotencyKey::new("list"),
            repeated: false,
            timeout: Duration::from_secs(30),
        };
        let statements = self.engine.statements.as_ref().unwrap();
        statements.list(&cx, &text(subscription)).await.unwrap()
    }
}

/// What was posted.
struct Message {
    body: Vec<u8>,
    signature: String,
    engine: Engine,
}

impl Message {
    fn read(request: &Request<Bytes>, engine: Engine) -> Self {
        let signature = request.headers()["stripe-signature"].to_str().unwrap();
        Self {
            signature: signature.to_owned(),
            body: request.body().to_vec(),
            engine,
        }
    }

    fn webhooks(&self) -> &dyn monetization_core::engine::Webhooks {
        self.engine.webhooks.as_deref().unwrap()
    }

    /// What we make of a body under its signature, so many seconds after it was signed.
    fn verify(
        &self,
        secret: &str,
        body: &[u8],
        seconds_later: i64,
    ) -> Result<VerifiedEvent, WebhookError> {
        let mut headers = HeaderMap::new();
        let signature = HeaderValue::from_str(&self.signature).unwrap();
        headers.insert("stripe-signature", signature);
        let signed_at: Value = serde_json::from_slice(&self.body).unwrap();
        let now = Timestamp::from_secs(signed_at["created"].as_i64().unwrap() + seconds_later);
        let secrets = [Secret::new(secret)];
        self.webhooks().verify(body, &headers, &secrets, now)
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}
