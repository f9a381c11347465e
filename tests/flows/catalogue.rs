//! Products and plans, and their way to the engine.

use std::collections::BTreeMap;

use std::time::Duration;

use monetization_core::engine::{Attribute, EngineContext, IdempotencyKey};
use monetization_core::flows::{DisableMode, Engines, FlowError, PlanEnabled, ProductChange};
use monetization_core::invoice::Invoicing;
use monetization_core::plan::PlanState;
use monetization_core::product::ProductState;
use monetization_core::subscription::SubscriptionState;

use crate::world::{World, text};

const FREE: &str = r#"{"billing":"free","currency":"USD","cycle":"month"}"#;
const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;

fn to(state: ProductState) -> ProductChange {
    ProductChange {
        state: Some(state),
        ..ProductChange::default()
    }
}

#[tokio::test]
async fn a_draft_takes_no_subscriptions_and_keeps_those_it_has_a2_a3() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, version) = world.plan(FREE).await;
    let key = world.subscribe(&plan).await.key.unwrap().1;
    let draft = world.monetizer.change_product(
        world.tenant_id(),
        world.product.id,
        to(ProductState::Draft),
    );
    draft.await.unwrap();
    world.gatekeeper.refresh().await.unwrap();
    world.calls(&key, 1).await;
    let error = world
        .monetizer
        .subscribe(world.tenant_id(), world.order(&plan))
        .await
        .unwrap_err();
    assert!(matches!(error, FlowError::NotFound { .. }));
    let active = world.monetizer.change_product(
        world.tenant_id(),
        world.product.id,
        to(ProductState::Active),
    );
    active.await.unwrap();
    let ordered = world.subscribe(&plan).await;
    assert_eq!(ordered.subscription.timeline.first, version.id);
}

#[tokio::test]
async fn a_product_with_subscriptions_is_archived_only_with_them_a5() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FREE).await;
    let ordered = world.subscribe(&plan).await;
    let error = world
        .monetizer
        .archive_product(world.tenant_id(), world.product.id, false)
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("1 subscriptions are live"),
        "{error}"
    );
    let archived = world
        .monetizer
        .archive_product(world.tenant_id(), world.product.id, true)
        .await
        .unwrap();
    assert_eq!(archived.state, ProductState::Archived);
    // A subscription lasts for an instant at least.
    world.pass(Duration::from_micros(1)).await;
    world.settle().await;
    assert_eq!(
        world.subscription(ordered.subscription.id).await.state,
        SubscriptionState::Ended
    );
}

#[tokio::test]
async fn a_new_version_reaches_new_subscribers_and_those_who_are_migrated_f3() {
    let world = World::new(Invoicing::ByCore).await;
    let limited = |max: u32| {
        format!(
            r#"{{"billing":"free","currency":"USD","cycle":"month",
                "rates":[{{"kind":"calendar","window":"hour","max":{max}}}]}}"#
        )
    };
    let (plan, _) = world.plan(&limited(2)).await;
    let old = world.subscribe(&plan).await;
    let old_key = old.key.unwrap().1;
    world.calls(&old_key, 2).await;
    assert!(world.call(&old_key).await.is_err());
    let terms = serde_json::from_str(&limited(5)).unwrap();
    let (revised, version) = world
        .monetizer
        .revise_plan(world.tenant_id(), plan.id, terms)
        .await
        .unwrap();
    assert_eq!((revised.current, revised.number), (version.id, 2));
    world.gatekeeper.refresh().await.unwrap();
    assert!(
        world.call(&old_key).await.is_err(),
        "subscribers keep their version"
    );
    world
        .monetizer
        .migrate(world.tenant_id(), old.subscription.id, version.id, None)
        .await
        .unwrap();
    world.pass(Duration::from_secs(3)).await;
    world.calls(&old_key, 3).await;
    assert!(
        world.call(&old_key).await.is_err(),
        "what was taken before the change still counts"
    );
    let new_key = world.subscribe(&plan).await.key.unwrap().1;
    world.calls(&new_key, 5).await;
}

#[tokio::test]
async fn a_deprecated_plan_takes_nobody_new() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FREE).await;
    world
        .monetizer
        .set_plan_state(world.tenant_id(), plan.id, PlanState::Deprecated)
        .await
        .unwrap();
    let error = world
        .monetizer
        .subscribe(world.tenant_id(), world.order(&plan))
        .await
        .unwrap_err();
    assert!(matches!(error, FlowError::Field(error) if error.field() == "plan"));
}

#[tokio::test]
async fn enabling_twice_changes_nothing_and_a_later_plan_alone_is_made_j4() {
    let world = World::new(Invoicing::ByCore).await;
    let none = BTreeMap::new();
    let enable = || {
        world
            .monetizer
            .enable_monetization(world.tenant_id(), world.product.id, &none)
    };
    let again = enable().await.unwrap();
    assert!(!again.changed);
    let (_, first) = world.plan(FIXED).await;
    let made = enable().await.unwrap();
    assert!(made.changed);
    assert_eq!(
        made.plans,
        BTreeMap::from([(first.id, PlanEnabled::Created)])
    );
    let (_, second) = world.plan(FIXED).await;
    let report = enable().await.unwrap();
    let expected = BTreeMap::from([
        (first.id, PlanEnabled::Existing),
        (second.id, PlanEnabled::Created),
    ]);
    assert_eq!(report.plans, expected);
    assert_eq!(world.provider.plans().len(), 2);
    assert!(!enable().await.unwrap().changed);
    let mapping = world
        .monetizer
        .plan_mapping(world.tenant_id(), world.product.id)
        .await
        .unwrap();
    assert_eq!(
        mapping.keys().copied().collect::<Vec<_>>(),
        expected.into_keys().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn disabling_with_live_subscriptions_is_refused_or_says_what_becomes_of_them_j5() {
    let world = World::new(Invoicing::ByCore).await;
    let (running, _) = world.subscriber(FIXED).await;
    let disable = |mode| {
        world
            .monetizer
            .disable_monetization(world.tenant_id(), world.product.id, mode)
    };
    let error = disable(DisableMode::Refuse).await.unwrap_err();
    assert!(
        error.to_string().contains(&running.id.to_string()),
        "{error}"
    );
    let disabled = disable(DisableMode::RunOut).await.unwrap();
    assert_eq!(disabled.cancelled, [running.id]);
    assert_eq!(
        world.subscription(running.id).await.state,
        SubscriptionState::Ending
    );
    assert!(!disable(DisableMode::CancelAll).await.unwrap().changed);
}

#[tokio::test]
async fn an_unknown_attribute_is_a_field_error_before_any_call() {
    let world = World::new(Invoicing::ByCore).await;
    let calls = world.provider.calls().len();
    let attributes = BTreeMap::from([("Colour".to_owned(), "red".to_owned())]);
    let enabled = world
        .monetizer
        .enable_monetization(world.tenant_id(), world.product.id, &attributes)
        .await;
    assert!(
        matches!(enabled, Err(FlowError::Field(error)) if error.field() == "attributes.Colour")
    );
    assert_eq!(world.provider.calls().len(), calls);
}

#[tokio::test]
async fn what_an_engine_needs_and_is_not_given_is_a_field_error_before_any_call_j2() {
    let mut world = World::new(Invoicing::ByCore).await;
    let mut engine = world
        .monetizer
        .engines()
        .choose(&text("mock"))
        .unwrap()
        .clone();
    engine.descriptor.attributes.push(Attribute {
        name: "tax_code".to_owned(),
        label: "Tax code".to_owned(),
        required: true,
        description: "the tax authority's code for what is sold".to_owned(),
        default: None,
    });
    world.start_process(Engines::new([engine]), 8);
    world.plan(FIXED).await;
    let (tenant, product) = (world.tenant_id(), world.product.id);
    let enable = async |attributes: &[(&str, &str)]| {
        let given = attributes.iter();
        let given = given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        world
            .monetizer
            .enable_monetization(tenant, product, &given.collect())
            .await
    };
    let calls = world.provider.calls().len();
    for attributes in [&[][..], &[("ConnectedAccountKey", "acct_1")]] {
        let refused = enable(attributes).await;
        let is_named = matches!(&refused, Err(FlowError::Field(error)) if error.field() == "attributes.tax_code");
        assert!(is_named, "{refused:?}");
        assert_eq!(world.provider.calls().len(), calls);
    }
    assert!(enable(&[("tax_code", "txcd_1")]).await.unwrap().changed);
    assert!(world.provider.calls().len() > calls);
}

#[tokio::test]
async fn an_unknown_engine_is_refused_with_those_there_are_j1() {
    let world = World::new(Invoicing::ByCore).await;
    let new = monetization_core::flows::NewTenant {
        name: text("other"),
        engine: text("strype"),
        invoicing: Invoicing::ByCore,
        payment_days: 0,
        grace_days: 0,
    };
    let error = world.monetizer.create_tenant(new).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        source,
        "there is no engine \"strype\": known are mock, none"
    );
}

#[tokio::test]
async fn a_plan_that_was_off_sale_is_put_on_sale_again() {
    let world = World::new(Invoicing::ByEngine).await;
    let (plan, version) = world.plan(FIXED).await;
    let none = BTreeMap::new();
    let (tenant, product) = (world.tenant_id(), world.product.id);
    for _ in 0..3 {
        let enabled = world
            .monetizer
            .enable_monetization(tenant, product, &none)
            .await
            .unwrap();
        assert!(enabled.plans.contains_key(&version.id));
        world
            .monetizer
            .disable_monetization(tenant, product, DisableMode::Refuse)
            .await
            .unwrap();
    }
    world
        .monetizer
        .enable_monetization(tenant, product, &none)
        .await
        .unwrap();
    let ordered = world.subscribe(&plan).await;
    world.settle().await;
    world.pay_all().await;
    let state = world.subscription(ordered.subscription.id).await.state;
    assert_eq!(state, SubscriptionState::Active);
}

/// Somebody has archived it on the provider's own pages; nobody has told us.
#[tokio::test]
async fn enabling_puts_on_sale_what_was_taken_off_sale_there_j4() {
    let world = World::new(Invoicing::ByEngine).await;
    let (plan, version) = world.plan(FIXED).await;
    let (tenant, product, none) = (world.tenant_id(), world.product.id, BTreeMap::new());
    let enable = || world.monetizer.enable_monetization(tenant, product, &none);
    enable().await.unwrap();
    let engine = world.monetizer.engines().choose(&text("mock")).unwrap();
    for times in 0..2 {
        let external = world.provider.plans().remove(0).id;
        let cx = EngineContext {
            tenant,
            credentials: None,
            account: None,
            key: IdempotencyKey::new(format!("archived by hand {times}")),
            repeated: false,
            timeout: Duration::from_secs(1),
        };
        let archived = engine.billing.delete_billing_plan(&cx, &external);
        archived.await.unwrap();
        let enabled = enable().await.unwrap();
        let created = BTreeMap::from([(version.id, PlanEnabled::Created)]);
        assert_eq!(enabled.plans, created);
    }
    let calls = world.provider.calls().len();
    assert!(!enable().await.unwrap().changed);
    assert_eq!(world.provider.calls().len(), calls + 1, "it is asked once");
    let ordered = world.subscribe(&plan).await;
    world.settle().await;
    world.pay_all().await;
    let state = world.subscription(ordered.subscription.id).await.state;
    assert_eq!(state, SubscriptionState::Active);
}
