//! Changes of plan: when they hold, what they bill, and that there is one subscription all along.

use monetization_core::engine::ChangeMode;
use monetization_core::flows::FlowError;
use monetization_core::ids::{PlanId, PlanVersionId};
use monetization_core::invoice::Invoicing;
use monetization_core::plan::{Approval, Plan};
use monetization_core::secret::Secret;
use monetization_core::subscription::Subscription;
use monetization_engine_mock::faults::{Fault, Injection, SeenCall};
use monetization_engine_mock::transport::Operation;

use crate::world::{HOUR, World, cents, text};

const SMALL: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"31",
    "proration":"by_days","usage":[{"meter":"requests","unit_price":"0.01"}]}"#;
const LARGE: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"62",
    "proration":"by_days","usage":[{"meter":"requests","unit_price":"0.5"}]}"#;

/// A subscriber to one plan, with others on sale.
struct Customer {
    world: World,
    subscription: Subscription,
    key: Secret,
    small: Plan,
    large: Plan,
}

impl Customer {
    async fn of(invoicing: Invoicing, first: &str) -> Self {
        let world = World::new(invoicing).await;
        let (subscription, key) = world.subscriber(first).await;
        let (small, _) = world.plan(SMALL).await;
        let (large, _) = world.plan(LARGE).await;
        Self {
            world,
            subscription,
            key,
            small,
            large,
        }
    }

    async fn change(
        &self,
        plan: &Plan,
        mode: Option<ChangeMode>,
    ) -> Result<Subscription, FlowError> {
        self.change_to(plan.id, mode).await
    }

    async fn change_to(
        &self,
        plan: PlanId,
        mode: Option<ChangeMode>,
    ) -> Result<Subscription, FlowError> {
        let (of, monetizer) = (&self.subscription, &self.world.monetizer);
        let changed = monetizer.change_plan(of.tenant, of.id, plan, mode).await?;
        self.world.settle().await;
        Ok(changed)
    }

    /// Why the owner may not move it to this version.
    async fn migration_refused(&self, version: PlanVersionId, at: Option<&str>) -> String {
        let (of, monetizer) = (&self.subscription, &self.world.monetizer);
        match monetizer
            .migrate(of.tenant, of.id, version, at.map(text))
            .await
        {
            Err(FlowError::Field(problem)) => problem.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Calls, which the provider has when this returns if it is to have them.
    async fn calls(&self, count: usize) {
        self.world.calls(&self.key, count).await;
        if self.subscription.invoicing == Invoicing::ByEngine {
            self.world.publish().await;
        }
    }

    /// What the invoices come to that were made by then, in cents.
    async fn billed_by(&self, instant: &str) -> Vec<i64> {
        self.world.pass_until(instant).await;
        self.world.settle().await;
        let invoices = self.world.invoices(self.subscription.id).await;
        invoices.iter().map(cents).collect()
    }

    /// Why this plan may not be changed to.
    async fn refused(&self, plan: &Plan, mode: Option<ChangeMode>) -> String {
        match self.change(plan, mode).await {
            Err(FlowError::Field(problem)) => problem.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_upgrade_holds_at_once_and_is_prorated_c6() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let customer = Customer::of(invoicing, SMALL).await;
        customer.calls(10).await;
        customer.world.pass_until("2026-01-11T12:00:00Z").await;
        let changed = customer.change(&customer.large, None).await.unwrap();
        assert_eq!(changed.plan, customer.large.id);
        customer.world.pass(HOUR).await;
        customer.calls(2).await;
        let (before, after, rest, next) = (10, 100, 4_200 - 2_100, 6_200);
        let billed = customer.billed_by("2026-02-01T14:00:00Z").await;
        assert_eq!(
            billed,
            [3_100, before + after + rest + next],
            "{invoicing:?}"
        );
        if invoicing == Invoicing::ByEngine {
            assert_eq!(customer.world.provider.subscriptions().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_downgrade_holds_from_the_next_period_on_c6() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let customer = Customer::of(invoicing, LARGE).await;
        customer.calls(1).await;
        customer.world.pass_until("2026-01-11T12:00:00Z").await;
        customer.change(&customer.small, None).await.unwrap();
        customer.calls(1).await;
        let first = customer.billed_by("2026-02-01T14:00:00Z").await;
        assert_eq!(first, [6_200, 2 * 50 + 3_100], "{invoicing:?}");
        customer.world.pay_all().await;
        customer.calls(7).await;
        let second = customer.billed_by("2026-03-01T14:00:00Z").await;
        assert_eq!(second[2..], [7 + 3_100], "{invoicing:?}");
    }
}

#[tokio::test]
async fn the_last_change_of_plan_counts_and_going_back_takes_it_back_c6() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let customer = Customer::of(invoicing, SMALL).await;
        let first_plan = customer.subscription.plan;
        let at_end = Some(ChangeMode::AtPeriodEnd);
        let first = customer.change(&customer.large, at_end).await.unwrap();
        let again = customer.change(&customer.large, at_end).await.unwrap();
        assert_eq!((first.plan_changes, &again), (1, &first));
        let back = customer.change_to(first_plan, None).await.unwrap();
        assert_eq!(back.plan_changes, 2);
        let billed = customer.billed_by("2026-02-01T14:00:00Z").await;
        assert_eq!(billed, [3_100, 3_100], "{invoicing:?}");
    }
}

#[tokio::test]
async fn a_change_that_an_engine_has_not_heard_of_yet_gives_way_to_the_next_c6() {
    let customer = Customer::of(Invoicing::ByEngine, SMALL).await;
    let (of, monetizer) = (&customer.subscription, &customer.world.monetizer);
    let other = SMALL.replace("0.01", "0.02");
    let (other, _) = customer.world.plan(&other).await;
    for plan in [&customer.large, &other] {
        monetizer
            .change_plan(of.tenant, of.id, plan.id, Some(ChangeMode::AtPeriodEnd))
            .await
            .unwrap();
    }
    customer.world.settle().await;
    customer.world.pass_until("2026-02-01T14:00:00Z").await;
    customer.world.settle().await;
    customer.world.pay_all().await;
    customer.calls(5).await;
    let billed = customer.billed_by("2026-03-01T14:00:00Z").await;
    assert_eq!(billed, [3_100, 3_100, 5 * 2 + 3_100]);
}

#[tokio::test]
async fn a_change_of_plan_that_cannot_be_is_refused_and_changes_nothing_c6() {
    let customer = Customer::of(Invoicing::ByCore, LARGE).await;
    let world = &customer.world;
    let now = Some(ChangeMode::Now);
    let cheaper = customer.refused(&customer.small, now).await;
    assert_eq!(cheaper, "mode: it would give money back: choose period_end");
    let (euros, _) = world.plan(&SMALL.replace("USD", "EUR")).await;
    let (yearly, _) = world.plan(&SMALL.replace("month", "year")).await;
    for plan in [euros, yearly] {
        let problem = customer.refused(&plan, None).await;
        assert!(problem.contains("another currency, cycle"), "{problem}");
    }
    let (asked, _) = world.plan_with(SMALL, Approval::Manual).await;
    let problem = customer.refused(&asked, None).await;
    assert!(problem.contains("have to be approved"), "{problem}");
    let unchanged = world.subscription(customer.subscription.id).await;
    assert_eq!(unchanged, customer.subscription);

    let free = r#"{"billing":"free","currency":"USD","cycle":"month"}"#;
    let customer = Customer::of(Invoicing::ByCore, free).await;
    let problem = customer.refused(&customer.small, None).await;
    assert!(problem.contains("nothing was to be paid"), "{problem}");
}

/// A move to another version took the place of the change: the new plan held at once, and the rest of the
/// period was never charged.
#[tokio::test]
async fn no_version_takes_the_place_of_a_change_of_plan_that_is_to_come_c6() {
    let at_end = Some(ChangeMode::AtPeriodEnd);
    for (invoicing, mode, why) in [
        (Invoicing::ByCore, at_end, "to come at 2026-02-01T12:00:00Z"),
        (Invoicing::ByCore, None, "to come at 2026-01-01T12:00:02Z"),
        (Invoicing::ByEngine, at_end, "the engine invoices"),
        (Invoicing::ByEngine, None, "the engine invoices"),
    ] {
        let customer = Customer::of(invoicing, SMALL).await;
        let (first_plan, in_force) = (
            customer.subscription.plan,
            customer.subscription.timeline.first,
        );
        let changed = customer.change(&customer.large, mode).await.unwrap();
        for version in [customer.large.current, in_force] {
            let problem = customer.migration_refused(version, None).await;
            assert!(problem.starts_with("version: "), "{problem}");
            assert!(problem.contains(why), "{problem}");
        }
        let unchanged = customer.world.subscription(changed.id).await;
        assert_eq!(unchanged, changed, "{invoicing:?} {mode:?}");
        if invoicing == Invoicing::ByCore && mode == at_end {
            let (of, monetizer) = (&changed, &customer.world.monetizer);
            let after = text("2026-03-01T12:00:00Z");
            let moved = monetizer.migrate(of.tenant, of.id, customer.large.current, Some(after));
            moved.await.unwrap();
            customer.change_to(first_plan, None).await.unwrap();
            let moved = monetizer.migrate(of.tenant, of.id, in_force, None);
            moved.await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_days_that_are_left_are_those_of_the_zone_that_was_moved_to_c6_b9() {
    let aligned =
        |terms: &str| terms.replace(r#""proration""#, r#""alignment":"calendar","proration""#);
    let customer = Customer::of(Invoicing::ByCore, &aligned(SMALL)).await;
    let (large, _) = customer.world.plan(&aligned(LARGE)).await;
    let (of, monetizer) = (&customer.subscription, &customer.world.monetizer);
    let moved = monetizer.move_zone(of.tenant, of.id, text("Asia/Tokyo"));
    moved.await.unwrap();
    // The second period ends by the new zone; the third is the March of Tokyo.
    customer.world.pass_until("2026-03-10T10:00:00Z").await;
    customer.world.settle().await;
    customer.change(&large, None).await.unwrap();
    let billed = customer.billed_by("2026-03-31T16:00:00Z").await;
    let rest = 4_400 - 2_200;
    assert_eq!(billed, [3_100, 3_100, 3_100, rest + 6_200]);
}

#[tokio::test]
async fn a_change_now_replaces_one_that_is_less_than_a_day_ahead_c6() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let customer = Customer::of(invoicing, SMALL).await;
        let (largest, _) = customer.world.plan(&LARGE.replace("62", "93")).await;
        customer.world.pass_until("2026-01-31T20:00:00Z").await;
        let at_end = Some(ChangeMode::AtPeriodEnd);
        customer.change(&customer.large, at_end).await.unwrap();
        customer.change(&largest, None).await.unwrap();
        customer.world.pass(HOUR).await;
        customer.calls(2).await;
        let first = customer.billed_by("2026-02-01T14:00:00Z").await;
        let rest = 300 - 100;
        assert_eq!(first, [3_100, 100 + rest + 9_300], "{invoicing:?}");
        customer.world.pay_all().await;
        let second = customer.billed_by("2026-03-01T14:00:00Z").await;
        assert_eq!(second[2..], [9_300], "{invoicing:?}");
    }
}

/// The first change is on its way to the engine for so long that the second one overtakes it.
#[tokio::test]
async fn a_change_of_plan_that_arrives_after_a_later_one_does_not_stay_c6() {
    let customer = Customer::of(Invoicing::ByEngine, SMALL).await;
    let (world, of) = (&customer.world, &customer.subscription);
    let (largest, _) = world.plan(&LARGE.replace("62", "124")).await;
    let order = async |plan: &Plan| {
        let now = Some(ChangeMode::Now);
        let changed = world.monetizer.change_plan(of.tenant, of.id, plan.id, now);
        changed.await.unwrap();
    };
    let billed = || world.provider.subscriptions()[0].plan.clone();
    let held = Injection::next(Fault::Hold).on(Operation::ChangePlan);
    world.provider.inject(held);
    order(&customer.large).await;
    let monetizer = world.monetizer.clone();
    let first = tokio::spawn(async move { monetizer.carry_out_operations().await });
    let is_on_its_way = |call: &SeenCall| call.operation == Operation::ChangePlan;
    while !world.provider.calls().iter().any(is_on_its_way) {
        tokio::task::yield_now().await;
    }
    order(&largest).await;
    world.monetizer.carry_out_operations().await.unwrap();
    let wanted = billed();
    world.provider.release();
    first.await.unwrap().unwrap();
    world.settle().await;
    assert_eq!(billed(), wanted);
    let [change] = *world.subscription(of.id).await.timeline.changes else {
        panic!("the second one has taken the place of the first");
    };
    assert_ne!(change.version, customer.large.current);
}
