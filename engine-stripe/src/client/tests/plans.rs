use std::collections::BTreeMap;

use monetization_core::engine::{Enabled, EngineErrorKind, Removal};
use monetization_core::ids::TypedId;
use monetization_core::product::{Monetization, Product, ProductState};

use super::{consumer, gold, meter, plan_id};
use crate::tests::{Reply, Seen, Server, again, cx};

/// A Stripe that has nothing and makes everything.
fn making(seen: &Seen) -> Reply {
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", _) => Reply::nothing(),
        (_, "/v1/billing/meters") => Reply::ok(r#"{"id":"mtr_1","event_name":"calls"}"#),
        _ => Reply::ok(r#"{"id":"any","lookup_key":null,"recurring":null}"#),
    }
}

fn there_already() -> Reply {
    Reply::answer(
        400,
        r#"{"error":{"type":"invalid_request_error","code":"resource_already_exists","message":"Product already exists."}}"#,
    )
}

#[tokio::test]
async fn a_plan_is_a_product_with_a_price_for_each_part() {
    let server = Server::start(making).await;
    let plan = gold();
    let made = server
        .engine()
        .billing
        .create_billing_plan(&cx("plan:1"), &plan)
        .await;
    let id = plan_id();
    assert_eq!(made.unwrap().as_str(), id.to_string());
    let (tenant, product, meter) = (plan.tenant, plan.product, meter().id);
    assert_eq!(
        server.lines(),
        [
            format!(
                "POST /v1/products id={id}&metadata[monetization_prices]=3&metadata[monetization_product]={product}&metadata[monetization_tenant]={tenant}&name=Gold+1"
            ),
            format!(
                "POST /v1/prices currency=usd&lookup_key={id}/base&product={id}&recurring[interval]=month&recurring[interval_count]=1&unit_amount_decimal=2500"
            ),
            "GET /v1/billing/meters?limit=100".to_owned(),
            format!(
                "POST /v1/billing/meters customer_mapping[event_payload_key]=stripe_customer_id&customer_mapping[type]=by_id&default_aggregation[formula]=sum&display_name=requests&event_name=monetization_{meter}&value_settings[event_payload_key]=value"
            ),
            format!(
                "POST /v1/prices billing_scheme=tiered&currency=usd&lookup_key={id}/{meter}&product={id}&recurring[interval]=month&recurring[interval_count]=1&recurring[meter]=mtr_1&recurring[usage_type]=metered&tiers[0][unit_amount_decimal]=0&tiers[0][up_to]=1000&tiers[1][unit_amount_decimal]=1&tiers[1][up_to]=inf&tiers_mode=graduated"
            ),
            format!(
                "POST /v1/prices currency=usd&lookup_key={id}/setup&product={id}&unit_amount_decimal=1000"
            ),
        ]
    );
    let seen = server.seen();
    let keys: Vec<_> = seen.iter().filter_map(Seen::key).collect();
    assert_eq!(
        keys,
        [
            "plan:1/product".to_owned(),
            format!("plan:1/price:{id}/base"),
            format!("plan:1/meter:{meter}"),
            format!("plan:1/price:{id}/{meter}"),
            format!("plan:1/price:{id}/setup"),
        ]
    );
}

#[tokio::test]
async fn a_plan_made_in_part_is_completed_and_nothing_made_twice_j4() {
    let (id, meter) = (plan_id(), meter().id);
    let product = format!(r#"{{"id":"{id}","active":true}}"#);
    let price =
        |key: String| format!(r#"{{"id":"price_1","active":true,"lookup_key":"{id}/{key}"}}"#);
    let there = [price("base".to_owned()), price(meter.to_string())];
    let server = Server::start(
        move |seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", path) if path.starts_with("/v1/products/") => Reply::ok(product.clone()),
            ("GET", _) => Reply::list(&[&there[0], &there[1]]),
            (_, "/v1/products") => there_already(),
            _ => making(seen),
        },
    )
    .await;
    let made = server
        .engine()
        .billing
        .create_billing_plan(&again("plan:1"), &gold())
        .await;
    assert_eq!(made.unwrap().as_str(), id.to_string());
    let lines = server.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], format!("GET /v1/products/{id}"));
    assert!(
        lines[2].starts_with("POST /v1/prices currency=usd&lookup_key=")
            && lines[2].contains("setup")
    );
    server
        .engine()
        .billing
        .create_billing_plan(&cx("plan:2"), &gold())
        .await
        .unwrap();
    let lines = server.lines();
    assert!(
        lines[3].starts_with("POST /v1/products "),
        "it is not known that it was made before"
    );
    assert_eq!(lines.len(), 7);
}

/// Without it nobody could subscribe: the plan would lack a price for ever.
#[tokio::test]
async fn a_price_that_was_archived_is_put_on_sale_with_its_plan_j4() {
    let (id, meter) = (plan_id(), meter().id);
    let price = |number: u8, key: &str, active: bool| {
        format!(r#"{{"id":"price_{number}","active":{active},"lookup_key":"{id}/{key}"}}"#)
    };
    let there = [
        price(1, "base", true),
        price(2, &meter.to_string(), false),
        price(3, "setup", true),
    ];
    let product = format!(r#"{{"id":"{id}","active":true}}"#);
    let server = Server::start(move |seen| match seen.path.as_str() {
        path if path.starts_with("/v1/products/") => Reply::ok(product.clone()),
        path if path.starts_with("/v1/prices?") => {
            Reply::list(&there.each_ref().map(String::as_str))
        }
        _ => making(seen),
    })
    .await;
    let billing = server.engine().billing;
    let again = billing.create_billing_plan(&again("plan:1"), &gold()).await;
    again.unwrap();
    assert_eq!(
        server.lines(),
        [
            format!("GET /v1/products/{id}"),
            format!("GET /v1/prices?limit=100&product={id}"),
            "POST /v1/prices/price_2 active=true".to_owned(),
        ]
    );
}

/// That the key is refused says not that the price is there.
#[tokio::test]
async fn a_price_whose_key_is_refused_has_to_be_there_j4() {
    let refused =
        r#"{"error":{"type":"invalid_request_error","param":"lookup_key","message":"no"}}"#;
    for (known, is_sold, unarchived) in [
        (None, false, 0),
        (Some(r#"{"id":"price_9","active":true}"#), true, 0),
        (Some(r#"{"id":"price_9","active":false}"#), true, 1),
    ] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/v1/prices" if seen.body.contains("setup") => Reply::answer(400, refused),
            path if path.starts_with("/v1/prices?lookup_keys") => Reply::list(known.as_slice()),
            _ => making(seen),
        })
        .await;
        let billing = server.engine().billing;
        let made = billing.create_billing_plan(&cx("plan:1"), &gold()).await;
        assert_eq!(made.is_ok(), is_sold, "{known:?}");
        let lines = server.lines();
        let asked = format!("GET /v1/prices?lookup_keys[0]={}/setup", plan_id());
        assert!(lines.contains(&asked), "{lines:?}");
        let puts = lines
            .iter()
            .filter(|line| line.starts_with("POST /v1/prices/price_9 active=true"));
        assert_eq!(puts.count(), unarchived, "{known:?}");
    }
}

#[tokio::test]
async fn a_plan_that_stripe_cannot_sell_is_refused_before_any_call() {
    let server = Server::start(making).await;
    let mut plan = gold();
    let mut draft = monetization_core::plan::TermsDraft::new(
        monetization_core::plan::Billing::Fixed,
        "KWD".parse().unwrap(),
        monetization_core::period::Cycle::MONTH,
    );
    draft.base_price = Some("1.234".to_owned());
    plan.terms = monetization_core::plan::PlanTerms::new(draft, &[]).unwrap();
    let error = server
        .engine()
        .billing
        .create_billing_plan(&cx("k"), &plan)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Permanent);
    assert_eq!(server.lines(), [""; 0]);
}

fn product(attributes: &[(&str, &str)]) -> Product {
    let attributes = attributes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let plan = gold();
    Product {
        id: plan.product,
        tenant: plan.tenant,
        publisher: TypedId::derived(&[b"p"]),
        slug: "weather".parse().unwrap(),
        name: "Weather".parse().unwrap(),
        description: "Forecasts".parse().unwrap(),
        gateway_endpoint: "https://api.example.com".parse().unwrap(),
        state: ProductState::Active,
        meters: vec![meter()],
        resources: Vec::new(),
        monetization: Some(monetization(attributes.collect())),
        created_at: plan.created_at,
    }
}

fn monetization(attributes: BTreeMap<String, String>) -> Monetization {
    Monetization {
        attributes,
        enabled_at: gold().created_at,
    }
}

#[tokio::test]
async fn each_plan_is_enabled_by_itself_j4() {
    let mut broken = gold();
    broken.id = TypedId::derived(&[b"broken"]);
    let theirs = format!("id={}", broken.id);
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/v1/products" if seen.body.contains(&theirs) => Reply::answer(
            400,
            r#"{"error":{"type":"invalid_request_error","message":"no"}}"#,
        ),
        _ => making(seen),
    })
    .await;
    let plans = [broken.clone(), gold()];
    let billing = server.engine().billing;
    let enabled = billing
        .enable_monetization(&cx("enable:1"), &product(&[]), &plans)
        .await
        .unwrap();
    assert!(matches!(enabled[&broken.id], Enabled::Failed(_)));
    assert!(matches!(enabled[&plan_id()], Enabled::Created(_)));
}

#[tokio::test]
async fn a_product_of_one_account_is_not_sold_through_another_h7() {
    let server = Server::start(making).await;
    let product = product(&[("ConnectedAccountKey", "acct_1A2b3C4d5E6f7G8h")]);
    let billing = server.engine().billing;
    let error = billing
        .enable_monetization(&cx("k"), &product, &[gold()])
        .await
        .unwrap_err();
    let attribute = "ConnectedAccountKey".to_owned();
    assert_eq!(error.kind(), &EngineErrorKind::Misconfigured { attribute });
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn the_mapping_is_read_to_its_last_page_j4() {
    let (id, ours) = (plan_id(), gold().product);
    let server = Server::telling([
        Reply::ok(r#"{"data":[{"id":"prod_of_others","active":true}],"has_more":true}"#),
        Reply::list(&[&format!(
            r#"{{"id":"{id}","active":true,"metadata":{{"monetization_product":"{ours}"}}}}"#
        )]),
    ])
    .await;
    let mapping = server
        .engine()
        .billing
        .plan_mapping(&cx("k"), ours)
        .await
        .unwrap();
    assert_eq!(mapping.keys().collect::<Vec<_>>(), [&id]);
    let expected = [
        "GET /v1/products?active=true&limit=100",
        "GET /v1/products?active=true&limit=100&starting_after=prod_of_others",
    ];
    assert_eq!(server.lines(), expected);
}

#[tokio::test]
async fn a_list_that_leads_nowhere_is_not_read_for_ever() {
    let page = r#"{"data":[{"id":"prod_1","active":true}],"has_more":true}"#;
    let server = Server::start(move |_| Reply::ok(page)).await;
    let error = server
        .engine()
        .billing
        .plan_mapping(&cx("k"), gold().product)
        .await
        .unwrap_err();
    assert!(error.is_temporary());
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_plan_taken_off_sale_is_kept_and_gone_the_second_time_j5() {
    let server = Server::telling([
        Reply::ok(r#"{"id":"plv_1","active":true}"#),
        Reply::ok(r#"{"id":"plv_1","active":false}"#),
        Reply::ok(r#"{"id":"plv_1","active":false}"#),
        Reply::missing(),
    ])
    .await;
    let billing = server.engine().billing;
    let plan = "plv_1".parse().unwrap();
    for expected in [
        Removal::Archived,
        Removal::AlreadyGone,
        Removal::AlreadyGone,
    ] {
        let removed = billing.delete_billing_plan(&cx("k"), &plan).await;
        assert_eq!(removed.unwrap(), expected);
    }
    let odd = "not/an/id".parse().unwrap();
    assert_eq!(
        billing.delete_billing_plan(&cx("k"), &odd).await.unwrap(),
        Removal::AlreadyGone
    );
    assert_eq!(server.lines()[1], "POST /v1/products/plv_1 active=false");
}

#[tokio::test]
async fn a_consumer_is_one_customer_c1() {
    let theirs = format!(
        r#"{{"id":"cus_7","metadata":{{"monetization_consumer":"{}"}}}}"#,
        consumer().id
    );
    let server = Server::start(move |seen| match seen.method.as_str() {
        "GET" if seen.path.contains("/search?") => Reply::list(&[&theirs]),
        "GET" => Reply::ok(r#"{"data":[{"id":"cus_1"}],"has_more":true}"#),
        _ => Reply::ok(r#"{"id":"cus_8"}"#),
    })
    .await;
    let billing = server.engine().billing;
    let known = billing
        .ensure_customer(&again("customer:1"), &consumer())
        .await
        .unwrap();
    assert_eq!(
        known.as_str(),
        "cus_7",
        "it is searched for where it may be there"
    );
    let made = billing
        .ensure_customer(&cx("customer:1"), &consumer())
        .await
        .unwrap();
    assert_eq!(made.as_str(), "cus_8");
    let lines = server.lines();
    assert_eq!(
        lines[0],
        "GET /v1/customers?created[gte]=1767139200&limit=100"
    );
    let (tenant, id) = (consumer().tenant, consumer().id);
    let searched = format!("metadata%5B'monetization_consumer'%5D:'{id}'");
    assert_eq!(
        lines[1],
        format!("GET /v1/customers/search?query={searched}")
    );
    let made = format!(
        "POST /v1/customers metadata[monetization_consumer]={id}&metadata[monetization_tenant]={tenant}&name=Example+Ltd"
    );
    assert_eq!(lines[3], made);
}

/// Of India none may search.
#[tokio::test]
async fn an_account_that_may_not_search_is_looked_through_c1() {
    let theirs = format!(
        r#"{{"id":"cus_7","metadata":{{"monetization_consumer":"{}"}}}}"#,
        consumer().id
    );
    let refused = r#"{"error":{"type":"invalid_request_error","message":"no search"}}"#;
    let server = Server::start(move |seen| match seen.path.as_str() {
        path if path.contains("/search?") => Reply::answer(400, refused),
        path if path.contains("starting_after") => Reply::list(&[&theirs]),
        _ => Reply::ok(r#"{"data":[{"id":"cus_1"}],"has_more":true}"#),
    })
    .await;
    let billing = server.engine().billing;
    let known = billing
        .ensure_customer(&again("customer:1"), &consumer())
        .await
        .unwrap();
    assert_eq!(known.as_str(), "cus_7");
    assert!(server.lines().iter().all(|line| line.starts_with("GET")));
}
