//! The reference server as people start it, with one product on sale and a subscription for each
//! client.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::consumer::Buyer;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Monetizer, NewPlan, NewProduct, Order, ProductChange};
use monetization_core::ids::{PlanId, TenantId};
use monetization_core::key::Pepper;
use monetization_core::period::TimeZone;
use monetization_core::plan::Approval;
use monetization_core::product::ProductState;
use monetization_engine_mock::JournalPlace;
use monetization_engine_mock::provider::Rules;
use monetization_gateway_tower::CommitMode;
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use reference_server::first_start::FirstStart;
use reference_server::server::{Ingredients, Server};
use reference_server::settings::Settings;

use crate::clients::CLIENTS;

/// More than a run has calls.
const TERMS: &str = r#"{"billing": "free", "currency": "EUR", "cycle": "month",
    "rates": [{"kind": "calendar", "window": "second", "max": 10000000},
              {"kind": "calendar", "window": "minute", "max": 10000000},
              {"kind": "calendar", "window": "hour", "max": 10000000}],
    "quotas": [{"window": "month", "max": 10000000, "overage": "loose"}]}"#;

pub(crate) async fn serve(upstream: SocketAddr, directory: &Path, commit: CommitMode) {
    let mut settings = Settings::default();
    settings.gateway_address = ([127, 0, 0, 1], 0).into();
    settings.control_address = ([127, 0, 0, 1], 0).into();
    settings.private_upstreams = true;
    settings.engine = "none".parse().unwrap();
    settings.commit = commit;
    let options = SqliteOptions::new(directory.join("market.db"));
    let entropy = Arc::new(Entropy::system());
    let ingredients = Ingredients {
        store: Arc::new(SqliteStore::open(&options).await.unwrap()),
        clock: Clock::system(),
        manual_clock: None,
        pepper: Pepper::random(&entropy),
        entropy,
        journal: JournalPlace::File(directory.join("journal")),
        rules: Rules::default(),
        newest_record: None,
        lease: None,
        set_aside: None,
    };
    let (server, first) = Server::start(&settings, ingredients).await.unwrap();
    let keys = market(server.monetizer(), &first.unwrap(), upstream).await;
    println!("{} {}", server.gateway_address(), keys.join(" "));
    pending::<()>().await;
}

/// A key for each client.
async fn market(monetizer: &Monetizer, first: &FirstStart, upstream: SocketAddr) -> Vec<String> {
    let plan = plan(monetizer, first, upstream).await;
    let mut keys = Vec::new();
    for number in 0..CLIENTS {
        keys.push(key(monetizer, first.tenant.id, plan, number).await);
    }
    keys
}

async fn plan(monetizer: &Monetizer, first: &FirstStart, upstream: SocketAddr) -> PlanId {
    let product = NewProduct {
        publisher: first.publisher,
        slug: "weather".parse().unwrap(),
        name: "Weather".parse().unwrap(),
        description: "".parse().unwrap(),
        gateway_endpoint: format!("http://{upstream}").parse().unwrap(),
        resources: Vec::new(),
        meters: Vec::new(),
    };
    let product = monetizer.create_product(first.tenant.id, product).await;
    let product = product.unwrap().id;
    let active = ProductChange {
        state: Some(ProductState::Active),
        ..ProductChange::default()
    };
    let changed = monetizer.change_product(first.tenant.id, product, active);
    changed.await.unwrap();
    let plan = NewPlan {
        product,
        name: "Plan".parse().unwrap(),
        approval: Approval::Automatic,
        terms: serde_json::from_str(TERMS).unwrap(),
    };
    let (plan, _) = monetizer.create_plan(first.tenant.id, plan).await.unwrap();
    let attributes = BTreeMap::new();
    let enabled = monetizer.enable_monetization(first.tenant.id, product, &attributes);
    enabled.await.unwrap();
    plan.id
}

async fn key(monetizer: &Monetizer, tenant: TenantId, plan: PlanId, number: usize) -> String {
    let name = format!("consumer-{number}").parse().unwrap();
    let consumer = monetizer.create_consumer(tenant, name, Vec::new()).await;
    let order = Order {
        consumer: consumer.unwrap().id,
        buyer: Buyer {
            user_id: format!("user-{number}").parse().unwrap(),
            name: "ada".parse().unwrap(),
        },
        application: None,
        plan,
        time_zone: TimeZone::UTC,
        request_key: None,
    };
    let ordered = monetizer.subscribe(tenant, order).await.unwrap();
    ordered.key.unwrap().1.reveal().to_owned()
}
