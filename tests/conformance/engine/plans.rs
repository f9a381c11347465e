//! Plans and products: made known, replaced, taken off sale.

use std::collections::{BTreeMap, BTreeSet};

use monetization_core::engine::{Enabled, EngineContext, Removal};
use monetization_core::ids::PlanVersionId;
use monetization_core::plan::PlanVersion;
use monetization_core::product::Product;
use monetization_core::reference::ObjectKind;
use monetization_core::text::ForeignId;

use super::steps::{assert_conflict, assert_lost, assert_refused};
use super::{Bench, Offer};
use crate::sample::text;

/// The same key and the same plan: the same answer and one plan.
pub async fn a_plan_made_twice_under_one_key_is_one_plan(bench: &Bench) {
    let plan = bench.version(&bench.product(), Offer::FIXED);
    let cx = bench.cx();
    let first = bench
        .billing()
        .create_billing_plan(&cx, &plan)
        .await
        .unwrap();
    let again = bench
        .billing()
        .create_billing_plan(&cx, &plan)
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(bench.fixture.count(ObjectKind::Plan).await, 1);
}

/// The same key for another plan is refused and makes nothing.
pub async fn another_plan_under_a_used_key_is_a_conflict(bench: &Bench) {
    let product = bench.product();
    let (one, other) = (
        bench.version(&product, Offer::FIXED),
        bench.version(&product, Offer::FIXED),
    );
    let cx = bench.cx();
    bench
        .billing()
        .create_billing_plan(&cx, &one)
        .await
        .unwrap();
    assert_conflict(bench.billing().create_billing_plan(&cx, &other).await);
    assert_eq!(bench.fixture.count(ObjectKind::Plan).await, 1);
}

/// A plan that was made without our hearing of it is not made again.
pub async fn a_plan_whose_reply_was_lost_is_made_once(bench: &Bench) {
    let plan = bench.version(&bench.product(), Offer::FIXED);
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    assert_lost(bench.billing().create_billing_plan(&cx, &plan).await);
    bench
        .billing()
        .create_billing_plan(&cx, &plan)
        .await
        .unwrap();
    assert_eq!(bench.fixture.count(ObjectKind::Plan).await, 1);
}

/// Afterwards only the next version is on sale.
pub async fn an_update_puts_the_next_version_in_the_place_of_the_one_before(bench: &Bench) {
    let product = bench.product();
    let (before, next) = (
        bench.version(&product, Offer::FIXED),
        bench.version(&product, Offer::A_CENT_EACH),
    );
    let before_there = bench
        .billing()
        .create_billing_plan(&bench.cx(), &before)
        .await
        .unwrap();
    let updated = bench
        .billing()
        .update_billing_plan(&bench.cx(), &before_there, &next)
        .await;
    let expected = BTreeMap::from([(next.id, updated.unwrap())]);
    assert_eq!(mapping(bench, &product).await, expected);
}

/// Whichever reply is lost, the next version is on sale from then on, and repeating finishes the
/// update: WSO2's deletes the old plan first and may end with none.
pub async fn an_update_that_is_interrupted_leaves_a_plan_on_sale(bench: &Bench) {
    for lost in 0..2 {
        let product = bench.product();
        let (before, next) = (
            bench.version(&product, Offer::FIXED),
            bench.version(&product, Offer::FIXED),
        );
        let before_there = bench
            .billing()
            .create_billing_plan(&bench.cx(), &before)
            .await
            .unwrap();
        let cx = bench.cx();
        bench.fixture.lose_reply(lost).await;
        let interrupted = bench
            .billing()
            .update_billing_plan(&cx, &before_there, &next)
            .await;
        let on_sale = mapping(bench, &product).await;
        assert!(
            on_sale.contains_key(&next.id),
            "after {interrupted:?}: {on_sale:?}"
        );
        bench
            .billing()
            .update_billing_plan(&cx, &before_there, &next)
            .await
            .unwrap();
        let on_sale = mapping(bench, &product).await;
        assert_eq!(on_sale.keys().collect::<Vec<_>>(), [&next.id]);
    }
}

/// Who has the version before keeps it.
pub async fn an_update_leaves_running_subscriptions_alone(bench: &Bench) {
    let running = bench.running(Offer::FIXED).await;
    let next = bench.version(&running.product, Offer::A_CENT_EACH);
    bench
        .billing()
        .update_billing_plan(&bench.cx(), &running.plan_there, &next)
        .await
        .unwrap();
    assert!(bench.snapshot(&running).await.live);
}

/// Gone is gone: again, and for what never was, that is no error.
pub async fn removing_a_plan_again_finds_it_gone(bench: &Bench) {
    let product = bench.product();
    let plan = bench.version(&product, Offer::FIXED);
    let there = bench
        .billing()
        .create_billing_plan(&bench.cx(), &plan)
        .await
        .unwrap();
    let first = bench
        .billing()
        .delete_billing_plan(&bench.cx(), &there)
        .await
        .unwrap();
    assert_ne!(first, Removal::AlreadyGone);
    assert_eq!(mapping(bench, &product).await, BTreeMap::new());
    for gone in [there, text("plan_that_never_was")] {
        let again = bench
            .billing()
            .delete_billing_plan(&bench.cx(), &gone)
            .await;
        assert_eq!(again.unwrap(), Removal::AlreadyGone);
    }
}

/// A plan somebody has is kept for them and sold to nobody else.
pub async fn a_plan_with_subscribers_is_archived(bench: &Bench) {
    let running = bench.running(Offer::FIXED).await;
    let removed = bench
        .billing()
        .delete_billing_plan(&bench.cx(), &running.plan_there)
        .await;
    assert_eq!(removed.unwrap(), Removal::Archived);
    assert!(bench.snapshot(&running).await.live);
    let mut another = running.new.clone();
    another.subscription = bench.sample.id();
    assert_refused(
        bench
            .billing()
            .create_subscription(&bench.cx(), &another)
            .await,
    );
}

/// What enabling answered is what the provider has.
pub async fn the_mapping_is_what_was_enabled(bench: &Bench) {
    let (product, plans) = catalogue(bench, 3);
    let enabled = enable(bench, &bench.cx(), &product, &plans).await;
    assert_eq!(enabled.created.len(), 3);
    assert_eq!(mapping(bench, &product).await, enabled.all());
}

/// The second time is a success that changes nothing: WSO2 answers `false`.
pub async fn enabling_twice_finds_everything_there(bench: &Bench) {
    let (product, plans) = catalogue(bench, 3);
    let first = enable(bench, &bench.cx(), &product, &plans).await;
    let second = enable(bench, &bench.cx(), &product, &plans).await;
    assert!(second.created.is_empty(), "{second:?}");
    assert_eq!(first.all(), second.existing);
    assert_eq!(bench.fixture.count(ObjectKind::Plan).await, 3);
}

/// Plans that are there stay as they are.
pub async fn a_plan_added_later_is_the_only_one_created(bench: &Bench) {
    let (product, mut plans) = catalogue(bench, 2);
    enable(bench, &bench.cx(), &product, &plans).await;
    plans.push(bench.version(&product, Offer::A_CENT_EACH));
    let later = enable(bench, &bench.cx(), &product, &plans).await;
    let created: Vec<_> = later.created.keys().collect();
    assert_eq!(created, [&plans[2].id]);
    assert_eq!(later.existing.len(), 2);
}

/// Whichever reply is lost on the way, repeating ends with each plan there once.
pub async fn enabling_after_a_lost_reply_makes_nothing_twice(bench: &Bench) {
    for lost in 0..4 {
        let before = bench.fixture.count(ObjectKind::Plan).await;
        let (product, plans) = catalogue(bench, 3);
        let cx = bench.cx();
        bench.fixture.lose_reply(lost).await;
        drop(
            bench
                .billing()
                .enable_monetization(&cx, &product, &plans)
                .await,
        );
        let enabled = enable(bench, &cx, &product, &plans).await;
        assert_eq!(enabled.all(), mapping(bench, &product).await);
        assert_eq!(
            bench.fixture.count(ObjectKind::Plan).await,
            before + 3,
            "reply {lost} lost"
        );
    }
}

/// And disabling it again finds it gone.
pub async fn a_disabled_product_has_nothing_on_sale(bench: &Bench) {
    let (product, plans) = catalogue(bench, 2);
    let enabled = enable(bench, &bench.cx(), &product, &plans).await;
    let there: Vec<ForeignId> = enabled.all().into_values().collect();
    let first = bench
        .billing()
        .disable_monetization(&bench.cx(), product.id, &there)
        .await;
    assert_ne!(first.unwrap(), Removal::AlreadyGone);
    assert_eq!(mapping(bench, &product).await, BTreeMap::new());
    let again = bench
        .billing()
        .disable_monetization(&bench.cx(), product.id, &there)
        .await;
    assert_eq!(again.unwrap(), Removal::AlreadyGone);
}

type Mapping = BTreeMap<PlanVersionId, ForeignId>;

async fn mapping(bench: &Bench, product: &Product) -> Mapping {
    bench
        .billing()
        .plan_mapping(&bench.cx(), product.id)
        .await
        .unwrap()
}

fn catalogue(bench: &Bench, plans: usize) -> (Product, Vec<PlanVersion>) {
    let product = bench.product();
    let plans = (0..plans)
        .map(|_| bench.version(&product, Offer::FIXED))
        .collect();
    (product, plans)
}

#[derive(Debug)]
struct EnabledPlans {
    created: Mapping,
    existing: Mapping,
}

impl EnabledPlans {
    fn all(&self) -> Mapping {
        self.created
            .clone()
            .into_iter()
            .chain(self.existing.clone())
            .collect()
    }
}

async fn enable(
    bench: &Bench,
    cx: &EngineContext,
    product: &Product,
    plans: &[PlanVersion],
) -> EnabledPlans {
    let mut enabled = EnabledPlans {
        created: Mapping::new(),
        existing: Mapping::new(),
    };
    let outcomes = bench
        .billing()
        .enable_monetization(cx, product, plans)
        .await
        .unwrap();
    let asked: BTreeSet<_> = plans.iter().map(|plan| plan.id).collect();
    assert_eq!(outcomes.keys().copied().collect::<BTreeSet<_>>(), asked);
    for (plan, outcome) in outcomes {
        match outcome {
            Enabled::Created(there) => drop(enabled.created.insert(plan, there)),
            Enabled::Existing(there) => drop(enabled.existing.insert(plan, there)),
            Enabled::Failed(error) => unreachable!("{plan} could not be enabled: {error:?}"),
        }
    }
    enabled
}
