use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::{PLATFORM, Permission};
use monetization_conformance::stripe::server::Settings;
use monetization_core::clock::Timestamp;
use reference_server::cli::ENVIRONMENT_PREFIX;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::client::{Api, Connection};
use super::publishing::until_known_to_the_engine;
use super::server::{BINARY, Home, Process};
use super::upstream::Upstream;

/// What Stripe is signed in to with: it may do what the walk-through says, and nothing else.
pub(super) const KEY: &str = "rk_test_walkthrough7d21";
/// What the walk-through says: the permission's name, what is allowed, and the resources that it is about.
pub(super) const PERMISSIONS: [(&str, Permission, &[&str]); 18] = [
    ("Products", Permission::Write, &["products"]),
    ("Prices", Permission::Write, &["prices"]),
    ("Billing Meters", Permission::Write, &["billing/meters"]),
    (
        "Billing Meter Events",
        Permission::Write,
        &["billing/meter_events"],
    ),
    (
        "Billing Meter Event Adjustments",
        Permission::Write,
        &["billing/meter_event_adjustments"],
    ),
    ("Customers", Permission::Write, &["customers"]),
    ("Payment Methods", Permission::Write, &["payment_methods"]),
    ("Subscriptions", Permission::Write, &["subscriptions"]),
    (
        "Subscription Schedules",
        Permission::Write,
        &["subscription_schedules"],
    ),
    ("Invoices", Permission::Write, &["invoices"]),
    ("Invoice Items", Permission::Write, &["invoiceitems"]),
    ("Credit Notes", Permission::Write, &["credit_notes"]),
    (
        "Checkout Sessions",
        Permission::Write,
        &["checkout/sessions"],
    ),
    (
        "Customer Portal",
        Permission::Write,
        &["billing_portal/sessions"],
    ),
    (
        "Webhook Endpoints",
        Permission::Write,
        &["webhook_endpoints"],
    ),
    (
        "Event Destinations",
        Permission::Write,
        &["core/event_destinations"],
    ),
    ("Events", Permission::Read, &["events", "core/events"]),
    ("Accounts", Permission::Read, &["account"]),
];

/// A server, its fake Stripe and what lies between them. Time stands still until it is moved, for both.
pub(super) struct Shop {
    pub(super) stripe: FakeStripe,
    pub(super) server: Process,
    pub(super) home: Home,
    pub(super) secrets: Secrets,
    upstream: Upstream,
}

/// The file of secrets.
pub(super) struct Secrets {
    folder: TempDir,
    /// What Stripe signs its messages with.
    pub(super) of_messages: Vec<String>,
}

/// A command that has run to its end.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) errors: String,
}

/// What a consumer has bought.
#[derive(Debug)]
pub(super) struct Bought {
    pub(super) id: String,
    pub(super) consumer: String,
    key: String,
    payment_url: Option<String>,
}

impl Secrets {
    pub(super) fn new(key: &str, of_messages: &[&str]) -> Self {
        let secrets = Self {
            folder: tempfile::tempdir().unwrap(),
            of_messages: of_messages.iter().map(ToString::to_string).collect(),
        };
        secrets.write(key);
        secrets
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("stripe.json")
    }

    pub(super) fn write(&self, key: &str) {
        let said = json!({ "credentials": key, "webhook_secrets": self.of_messages });
        std::fs::write(self.path(), said.to_string()).unwrap();
    }
}

impl Shop {
    /// A server with these arguments, whose clock and Stripe's stand still from this instant on, and
    /// which has been told to Stripe by the command for that.
    pub(super) async fn open(from: &str, arguments: &[&str]) -> Self {
        let clock = format!("--manual-clock={from}");
        let arguments = [&[clock.as_str()], arguments].concat();
        let mut shop = Self::open_at(from.parse().unwrap(), &arguments).await;
        shop.set_up(&[]).await;
        shop.set_up(&["--connect"]).await;
        shop
    }

    /// The same with whatever clock, and without a word to Stripe.
    pub(super) async fn open_at(now: Timestamp, arguments: &[&str]) -> Self {
        let stripe = fake(now).await;
        // Until the server is there nobody knows what its messages will be signed with.
        let secrets = Secrets::new(KEY, &["whsec_of_nobody"]);
        let (url, file) = (stripe.base_url(), secrets.path());
        let (url, file) = (
            format!("--stripe-url={url}"),
            format!("--engine-secrets-file={}", file.display()),
        );
        let usual = ["--engine=stripe", &url, &file];
        let mut home = Home::new(&[&usual, arguments].concat());
        Self {
            server: home.start().await,
            upstream: Upstream::start().await,
            stripe,
            home,
            secrets,
        }
    }

    fn api(&self) -> &Api {
        &self.server.api
    }

    /// Runs a command of the binary that asks this Stripe.
    pub(super) async fn run(&self, command: &[&str]) -> Ran {
        let (url, file) = (self.stripe.base_url(), self.secrets.path());
        let mut arguments: Vec<&str> = command.to_vec();
        let file = file.to_str().unwrap();
        arguments.extend(["--stripe-url", &url, "--engine-secrets-file", file]);
        run(&arguments).await
    }

    /// Has the endpoint and the destination made, and has the server believe what they sign with.
    pub(super) async fn set_up(&mut self, more: &[&str]) {
        let url = format!("http://{}/webhooks/stripe", self.api().address);
        let command = ["stripe", "setup-webhook", "--url", &url];
        let command = [&command, more].concat();
        let ran = self.run(&command).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.starts_with("made: we_"), "{ran:?}");
        assert!(ran.out.contains("\nmade: ed_"), "{ran:?}");
        let (_, told) = ran.out.split_once("\"webhook_secrets\": ").unwrap();
        let (told, _) = told.split_once('\n').unwrap();
        let told: Vec<String> = serde_json::from_str(told).unwrap();
        assert_eq!(told.len(), 2, "{ran:?}");
        for secret in &told {
            assert_eq!(ran.out.matches(secret).count(), 1, "it is told once");
        }
        self.secrets
            .of_messages
            .retain(|it| it != "whsec_of_nobody");
        self.secrets.of_messages.extend(told);
        self.secrets.write(KEY);
        assert_eq!(self.reload().await, 204);
        let again = self.run(&command).await;
        assert!(again.out.starts_with("there already: we_"), "{again:?}");
        assert!(again.out.contains("\nthere already: ed_"), "{again:?}");
        assert!(!again.out.contains("whsec_"), "{again:?}");
    }

    /// Has the server read its file of secrets again.
    pub(super) async fn reload(&self) -> u16 {
        let path = "/api/v1/engines/reload";
        self.api()
            .try_to(Method::POST, path, Value::Null)
            .await
            .status
    }

    /// A product of this publisher, on sale on these terms: its id, and those of its plans.
    pub(super) async fn sell(
        &self,
        publisher: &str,
        (properties, terms): (Value, &[Value]),
    ) -> (String, Vec<String>) {
        let upstream = self.upstream.address;
        let product = json!({
            "publisher": publisher, "slug": "weather", "name": "Weather", "description": "",
            "gateway_endpoint": format!("http://{upstream}"),
        });
        let product = text(&self.api().post("/api/v1/products", product).await["id"]);
        let path = format!("/api/v1/products/{product}");
        let mut plans = Vec::new();
        for (number, terms) in terms.iter().enumerate() {
            let plan = json!({ "name": format!("Plan {number}"), "terms": terms });
            let plan = self.api().post(&format!("{path}/plans"), plan).await;
            plans.push(text(&plan["id"]));
        }
        let enable = json!({ "enabled": true, "properties": properties });
        let enabled = self.api().post(&format!("{path}/monetize"), enable).await;
        let results = enabled["plans"].as_object().unwrap().values();
        assert!(
            results.clone().all(|it| it["result"] == "created"),
            "{enabled}"
        );
        assert_eq!(results.count(), terms.len());
        let active = json!({ "status": "active" });
        self.api().ask(Method::PATCH, &path, active).await;
        (product, plans)
    }

    /// Somebody new subscribes, and Stripe has been told.
    pub(super) async fn subscribe(&self, plan: &str) -> Bought {
        let consumer = json!({ "name": "Somebody Ltd" });
        let consumer = text(&self.api().post("/api/v1/consumers", consumer).await["id"]);
        let order = json!({
            "plan": plan, "consumer": consumer, "buyer": { "user_id": "u", "name": "n" },
        });
        let bought = self.api().post("/api/v1/subscriptions", order).await;
        until_known_to_the_engine(self.home.directory()).await;
        let id = text(&bought["id"]);
        let subscription = self.api().get(&format!("/api/v1/subscriptions/{id}")).await;
        Bought {
            id,
            consumer,
            key: text(&bought["key"]["key"]),
            payment_url: subscription["payment_url"].as_str().map(str::to_owned),
        }
    }

    /// What a call is answered with.
    pub(super) async fn call(&self, by: &Bought) -> u16 {
        let request = Request::post("/weather/today")
            .header("x-api-key", &by.key)
            .header("x-call", "0 0 200");
        send(self.server.gateway, request).await
    }

    /// Reports what was used, and waits until that is over.
    pub(super) async fn publish(&self) {
        let path = "/api/v1/monetization/publish-usage";
        let started = self.api().try_to(Method::POST, path, Value::Null).await;
        assert_eq!(started.status, 202);
        loop {
            let run = self.api().get(&format!("{path}/status")).await;
            if run["state"] == "COMPLETED" {
                assert_eq!(run["status"], "SUCCESSFUL", "{run}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A customer pays on the page that a link leads to, and Stripe tells it.
    pub(super) async fn pay(&self, url: &str) {
        self.pay_untold(url).await;
        self.deliver().await;
    }

    /// The same, and Stripe has not told it yet.
    pub(super) async fn pay_untold(&self, url: &str) {
        let page = url.strip_prefix(&self.stripe.base_url()).unwrap();
        let stripe = self.stripe.base_url();
        let stripe = stripe.strip_prefix("http://").unwrap().parse().unwrap();
        assert_eq!(send(stripe, Request::post(page)).await, 200, "{url}");
    }

    /// Stripe tells all its news, and has to be believed. Between any two messages the server does what it
    /// does from time to time, where its clock is one that is moved.
    pub(super) async fn deliver(&self) {
        for delivery in self.stripe.deliveries() {
            let kind = delivery.kind.clone();
            self.stripe.fake().put_back(delivery);
            let taken = self.stripe.deliver().await;
            assert_eq!(taken, 1, "{kind}: {}", self.server.complaints());
            let round = json!({ "advance_seconds": 0 });
            self.api().try_to(Method::POST, "/mock/clock", round).await;
        }
    }

    /// Time passes for Stripe and for the server, and Stripe tells its news.
    pub(super) async fn pass(&self, to: &str) {
        let at: Timestamp = to.parse().unwrap();
        self.stripe.advance_to(at.as_micros() / 1_000_000);
        self.api().post("/mock/clock", json!({ "to": to })).await;
        self.deliver().await;
    }

    /// The invoices of a subscription, as somebody with this token sees them.
    pub(super) async fn invoices(&self, by: &Api, of: &Bought) -> Vec<Value> {
        let path = format!("/api/v1/invoices?subscription={}", of.id);
        by.get(&path).await["items"].as_array().unwrap().clone()
    }

    /// The control plane, asked with a token of its own: a `publisher` or a `developer`.
    pub(super) async fn signed_in(&self, role: &str, whose: (&str, &str)) -> Api {
        let token = json!({ "role": role, whose.0: whose.1 });
        let made = self.api().post("/api/v1/tokens", token).await;
        Api {
            address: self.api().address,
            token: text(&made["token"]),
        }
    }
}

impl Bought {
    /// Where the first invoice is paid.
    pub(super) fn payment_url(&self) -> &str {
        self.payment_url.as_deref().unwrap()
    }
}

/// A fake Stripe whose clock stands still, with the key of the walk-through.
pub(super) async fn fake(now: Timestamp) -> FakeStripe {
    let settings = Settings {
        now: now.as_micros() / 1_000_000,
        ..Settings::default()
    };
    let stripe = FakeStripe::start_with(settings).await.unwrap();
    let permissions = PERMISSIONS.iter().flat_map(|(_, permission, resources)| {
        resources.iter().map(|resource| (*resource, *permission))
    });
    stripe.fake().add_restricted_key(KEY, PLATFORM, permissions);
    stripe
}

/// Runs a command of the binary.
pub(super) async fn run(arguments: &[&str]) -> Ran {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(ENVIRONMENT_PREFIX) {
            command.env_remove(name);
        }
    }
    let output = command.args(arguments).output().await.unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn send(to: SocketAddr, request: http::request::Builder) -> u16 {
    let mut connection = Connection::open(to).await.unwrap();
    let request = request.body(Full::new(Bytes::new())).unwrap();
    connection.send(request).await.unwrap().status
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
