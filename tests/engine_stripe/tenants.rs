//! Two tenants at once, each with an account of its own.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use monetization_conformance::sample::{START, text};
use monetization_conformance::size;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::{PLATFORM, Request};
use monetization_core::clock::Clock;
use monetization_core::consumer::Buyer;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{
    Credentials, Engines, Monetizer, NewPlan, NewProduct, NewTenant, Order, ProductChange, Settings,
};
use monetization_core::ids::{ProductId, TenantId};
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::period::TimeZone;
use monetization_core::plan::Approval;
use monetization_core::product::ProductState;
use monetization_core::secret::Secret;
use monetization_engine_stripe::{StripeOptions, engine};
use serde_json::Value;

/// Each account with the key that opens it.
const ACCOUNTS: [(&str, &str); 2] = [
    (PLATFORM, "sk_test_oneofthetwo"),
    ("acct_1AnotherPlatform", "sk_test_theotherone"),
];
const FIXED: &str =
    r#"{"billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "5"}"#;

/// Two tenants of one engine and one process, which sells for both at the same time.
struct Market {
    stripe: FakeStripe,
    monetizer: Monetizer,
    tenants: Vec<(TenantId, ProductId)>,
}

impl Market {
    async fn open() -> Self {
        let stripe = FakeStripe::start().await.unwrap();
        let mut options = StripeOptions::default();
        options.base_url = stripe.base_url();
        options.rates.test = NonZeroU32::new(10_000).unwrap();
        let (clock, _) = Clock::manual_business(START);
        options.clock = clock.clone();
        let credentials = Credentials::default();
        let monetizer = Monetizer::new(
            Arc::new(MemoryStore::new(clock.clone())),
            Engines::new([engine(&options).unwrap()]),
            clock,
            Arc::new(Entropy::seeded(3)),
            Pepper::new(&[3; 32]).unwrap(),
        );
        let monetizer = monetizer.with_settings(Settings {
            credentials: credentials.clone(),
            ..Settings::default()
        });
        let mut tenants = Vec::new();
        for (account, key) in ACCOUNTS {
            stripe.fake().add_key(key, account);
            let (tenant, product) = tenant(&monetizer).await;
            credentials.exchange(tenant, Some(Secret::new(key)));
            tenants.push((tenant, product));
        }
        Self {
            stripe,
            monetizer,
            tenants,
        }
    }

    /// Puts a plan on sale, and has somebody new subscribe to it.
    async fn sell(&self, (tenant, product): (TenantId, ProductId)) {
        let new = NewPlan {
            product,
            name: text("plan"),
            approval: Approval::Automatic,
            terms: serde_json::from_str(FIXED).unwrap(),
        };
        let (plan, _) = self.monetizer.create_plan(tenant, new).await.unwrap();
        self.monetizer
            .enable_monetization(tenant, product, &BTreeMap::new())
            .await
            .unwrap();
        let consumer = self
            .monetizer
            .create_consumer(tenant, text("consumer"), Vec::new());
        let order = Order {
            consumer: consumer.await.unwrap().id,
            buyer: Buyer {
                user_id: text("u"),
                name: text("n"),
            },
            application: None,
            plan: plan.id,
            time_zone: TimeZone::UTC,
            request_key: None,
        };
        self.monetizer.subscribe(tenant, order).await.unwrap();
        self.monetizer.carry_out_operations().await.unwrap();
    }

    /// What an account has under a path, as its own key shows it.
    fn at_stripe(&self, key: &str, path: &str) -> Vec<Value> {
        let request = Request::get(path, "limit=100").key(key);
        let page = self.stripe.fake().answer(&request).json();
        page["data"].as_array().unwrap().clone()
    }
}

async fn tenant(monetizer: &Monetizer) -> (TenantId, ProductId) {
    let new = NewTenant {
        name: text("market"),
        engine: text("stripe"),
        invoicing: Invoicing::ByEngine,
        payment_days: 7,
        grace_days: 0,
    };
    let tenant = monetizer.create_tenant(new).await.unwrap().id;
    let publisher = monetizer.create_publisher(tenant, text("publisher"), None);
    let new = NewProduct {
        publisher: publisher.await.unwrap().id,
        slug: text(&format!("weather-{}", &tenant.to_string()[4..12])),
        name: text("Weather"),
        description: text(""),
        gateway_endpoint: text("http://127.0.0.1:9"),
        resources: Vec::new(),
        meters: Vec::new(),
    };
    let product = monetizer.create_product(tenant, new).await.unwrap().id;
    let active = ProductChange {
        state: Some(ProductState::Active),
        ..ProductChange::default()
    };
    let product = monetizer.change_product(tenant, product, active).await;
    (tenant, product.unwrap().id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_tenants_at_once_each_sell_in_their_own_account_alone_j3() {
    let market = Arc::new(Market::open().await);
    let rounds = size(10, 90);
    let mut selling = tokio::task::JoinSet::new();
    for of in market.tenants.clone() {
        let market = Arc::clone(&market);
        selling.spawn(async move {
            for _ in 0..rounds {
                market.sell(of).await;
            }
        });
    }
    selling.join_all().await;
    market.monetizer.carry_out_operations().await.unwrap();
    for ((tenant, _), (account, key)) in market.tenants.iter().zip(ACCOUNTS) {
        let own = Value::from(tenant.to_string());
        for path in ["/v1/products", "/v1/customers"] {
            let there = market.at_stripe(key, path);
            assert_eq!(there.len(), rounds, "{path} of {account}");
            let is_own = |it: &Value| it["metadata"]["monetization_tenant"] == own;
            assert!(there.iter().all(is_own), "{path} of {account}: {there:?}");
        }
        let subscriptions = market.at_stripe(key, "/v1/subscriptions");
        assert_eq!(subscriptions.len(), rounds, "{account}");
    }
    let violations = market.stripe.violations();
    assert!(violations.is_empty(), "{violations:?}");
}
