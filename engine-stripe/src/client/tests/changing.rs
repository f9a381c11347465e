use monetization_core::engine::{CancelMode, ChangeMode, EngineErrorKind, PlanSwitch};
use monetization_core::text::ForeignId;

use super::{at_stripe, first_invoice, selling, subscription};
use crate::tests::{Reply, Server, cx};

pub(super) fn sub_1() -> ForeignId {
    "sub_1".parse().unwrap()
}

/// The plan of which `selling` tells, so long after the start.
fn switched(mode: ChangeMode) -> PlanSwitch {
    PlanSwitch {
        plan: "plv_gold".parse().unwrap(),
        mode,
        at: "2026-01-20T00:00:00Z".parse().unwrap(),
    }
}

fn now() -> PlanSwitch {
    switched(ChangeMode::Now)
}

/// A Stripe with one subscription, as `known` says; every order is answered with it too.
pub(super) async fn server(known: String) -> Server {
    Server::start(move |seen| match selling(seen) {
        Some(reply) => reply,
        None if seen.path.starts_with("/v1/subscriptions?") => Reply::list(&[&known]),
        None if seen.path.starts_with("/v1/invoices") => Reply::ok(first_invoice("void")),
        None => Reply::ok(known.clone()),
    })
    .await
}

pub(super) fn subscribed(items: &[(&str, &str, Option<&str>)], more: &str) -> String {
    at_stripe("sub_1", &subscription().to_string(), items, more)
}

#[tokio::test]
async fn another_plan_takes_the_place_of_each_item_c6() {
    let items = [
        ("si_base", "price_old", None),
        ("si_usage", "price_older", Some("mtr_1")),
        ("si_gone", "price_gone", Some("mtr_9")),
    ];
    let server = server(subscribed(&items, "")).await;
    server
        .engine()
        .billing
        .change_subscription(&cx("change:1"), &sub_1(), &now())
        .await
        .unwrap();
    let lines = server.lines();
    let update = "POST /v1/subscriptions/sub_1 items[0][id]=si_base&items[0][price]=price_base&items[1][id]=si_usage&items[1][price]=price_usage&items[2][deleted]=true&items[2][id]=si_gone&proration_behavior=create_prorations&proration_date=1768867200";
    assert_eq!(lines.last().unwrap(), update);
    assert_eq!(lines.len(), 4, "no meter is new: {lines:?}");
    assert_eq!(server.seen()[3].key(), Some("change:1/from:1768867200"));
}

#[tokio::test]
async fn a_change_that_was_made_is_not_made_again_c6() {
    let items = [
        ("si_base", "price_base", None),
        ("si_usage", "price_usage", Some("mtr_1")),
    ];
    let server = server(subscribed(&items, "")).await;
    server
        .engine()
        .billing
        .change_subscription(&cx("change:1"), &sub_1(), &now())
        .await
        .unwrap();
    assert!(server.lines().iter().all(|line| line.starts_with("GET")));
}

#[tokio::test]
async fn a_plan_with_another_meter_adds_an_item_c6() {
    let server = server(subscribed(&[("si_base", "price_base", None)], "")).await;
    server
        .engine()
        .billing
        .change_subscription(&cx("change:1"), &sub_1(), &now())
        .await
        .unwrap();
    let update = "POST /v1/subscriptions/sub_1 items[0][price]=price_usage&proration_behavior=create_prorations&proration_date=1768867200";
    assert_eq!(server.lines().last().unwrap(), update);
}

/// What a phase does not say Stripe takes for none.
#[tokio::test]
async fn a_change_that_waits_keeps_the_trial_and_the_share_of_the_platform_c6_c7() {
    let items = [("si_base", "price_old", None)];
    let tried = subscribed(&items, r#","application_fee_percent":12.5"#);
    let server = server(tried.replace("active", "trialing")).await;
    let billing = server.engine().billing;
    billing
        .change_subscription(
            &cx("change:1"),
            &sub_1(),
            &switched(ChangeMode::AtPeriodEnd),
        )
        .await
        .unwrap();
    let lines = server.lines();
    let phases = lines.last().unwrap();
    for part in [
        "&phases[0][trial_end]=1771149600&",
        "&phases[0][application_fee_percent]=12.5&",
        "&phases[1][application_fee_percent]=12.5&",
    ] {
        assert!(phases.contains(part), "{phases}");
    }
    assert!(!phases.contains("phases[1][trial"), "{phases}");
}

#[tokio::test]
async fn a_change_that_waits_is_two_phases_and_can_be_taken_back_c6() {
    let items = [("si_base", "price_old", None)];
    let server = server(subscribed(&items, "")).await;
    let billing = server.engine().billing;
    let later = switched(ChangeMode::AtPeriodEnd);
    billing
        .change_subscription(&cx("change:1"), &sub_1(), &later)
        .await
        .unwrap();
    let (lines, seen) = (server.lines(), server.seen());
    assert_eq!(
        lines[4..],
        [
            "POST /v1/subscription_schedules from_subscription=sub_1",
            "POST /v1/subscription_schedules/sub_1 end_behavior=release&phases[0][end_date]=1771149600&phases[0][items][0][price]=price_old&phases[0][start_date]=1768471200&phases[1][duration][interval]=month&phases[1][duration][interval_count]=1&phases[1][items][0][price]=price_base&phases[1][items][1][price]=price_usage&phases[1][proration_behavior]=create_prorations",
        ]
    );
    let keys: Vec<_> = seen.iter().filter_map(crate::tests::Seen::key).collect();
    let phases = "change:1/phases:1768471200-1771149600:sent";
    assert_eq!(keys, ["change:1/schedule", phases]);
    let items = [
        ("si_base", "price_base", None),
        ("si_usage", "price_usage", Some("mtr_1")),
    ];
    let waiting = self::server(subscribed(&items, r#","schedule":"sub_sched_1""#)).await;
    let billing = waiting.engine().billing;
    billing
        .change_subscription(&cx("change:2"), &sub_1(), &later)
        .await
        .unwrap();
    let released = "POST /v1/subscription_schedules/sub_sched_1/release";
    assert_eq!(waiting.lines().last().unwrap(), released);
}

/// Stripe was away when the period ended: it has begun the next one by the plan before.
#[tokio::test]
async fn a_change_that_comes_after_its_boundary_holds_from_the_beginning_of_the_running_period_c6()
{
    let items = [("si_base", "price_old", None)];
    for (at, mode) in [
        ("2026-01-15T10:00:00Z", ChangeMode::AtPeriodEnd),
        ("2026-01-15T09:50:00Z", ChangeMode::Now),
    ] {
        let server = server(subscribed(&items, "")).await;
        let late = PlanSwitch {
            at: at.parse().unwrap(),
            ..switched(mode)
        };
        let billing = server.engine().billing;
        billing
            .change_subscription(&cx("change:1"), &sub_1(), &late)
            .await
            .unwrap();
        let update = server.lines().pop().unwrap();
        let begins =
            "POST /v1/subscriptions/sub_1 items[0][id]=si_base&items[0][price]=price_base&";
        let ends = "&proration_behavior=create_prorations&proration_date=1768471200";
        assert!(
            update.starts_with(begins) && update.ends_with(ends),
            "{update}"
        );
    }
}

/// Stripe keeps a failure under the key of a form, and refuses the key with another one.
#[tokio::test]
async fn phases_that_have_become_others_go_under_another_key_c6() {
    let items = [("si_base", "price_old", None)];
    let sent = subscribed(&items, r#","schedule":"sub_sched_1""#);
    let charged = sent.replacen(
        "\"items\"",
        r#""collection_method":"charge_automatically","items""#,
        1,
    );
    let renewed = sent.replace("1771149600", "1773568800");
    let mut keys = Vec::new();
    for known in [sent.clone(), sent, charged, renewed] {
        let server = server(known).await;
        let billing = server.engine().billing;
        let later = switched(ChangeMode::AtPeriodEnd);
        billing
            .change_subscription(&cx("change:1"), &sub_1(), &later)
            .await
            .unwrap();
        keys.push(server.seen().pop().unwrap().key().unwrap().to_owned());
    }
    assert_eq!(keys[0], keys[1]);
    assert!(
        keys[1] != keys[2] && keys[2] != keys[3] && keys[3] != keys[1],
        "{keys:?}"
    );
}

#[tokio::test]
async fn a_change_that_waits_is_over_with_one_that_does_not_and_with_an_end_c6() {
    let items = [("si_base", "price_old", None)];
    let released = "POST /v1/subscription_schedules/sub_sched_1/release".to_owned();
    let waiting = || server(subscribed(&items, r#","schedule":{"id":"sub_sched_1"}"#));
    let changed = waiting().await;
    let billing = changed.engine().billing;
    billing
        .change_subscription(&cx("change:1"), &sub_1(), &now())
        .await
        .unwrap();
    let lines = changed.lines();
    let last = &lines[lines.len() - 2..];
    assert!(
        last[0] == released && last[1].starts_with("POST /v1/subscriptions/sub_1 "),
        "{last:?}"
    );
    let ended = waiting().await;
    let billing = ended.engine().billing;
    billing
        .cancel_subscription(&cx("end:1"), &sub_1(), CancelMode::AtPeriodEnd)
        .await
        .unwrap();
    assert_eq!(ended.lines()[1], released);
}

#[tokio::test]
async fn a_subscription_that_is_over_is_not_changed() {
    let over = subscribed(&[], "").replace("active", "canceled");
    let server = server(over).await;
    let changed = server
        .engine()
        .billing
        .change_subscription(&cx("k"), &sub_1(), &now())
        .await;
    assert_eq!(changed.unwrap_err().kind(), &EngineErrorKind::Permanent);
}

#[tokio::test]
async fn a_subscription_stands_as_stripe_says() {
    let latest = |status| format!(r#","latest_invoice":{}"#, first_invoice(status));
    let items = [("si_base", "price_base", None)];
    for (status, first_paid) in [("open", false), ("paid", true), ("void", false)] {
        let server = server(subscribed(&items, &latest(status))).await;
        let stands = server
            .engine()
            .billing
            .subscription(&cx("k"), &sub_1())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stands.subscription, subscription());
        assert_eq!(
            (stands.live, stands.first_paid, stands.ends_at),
            (true, first_paid, None)
        );
        assert_eq!(stands.period.start.to_string(), "2026-01-15T10:00:00Z");
        assert_eq!(stands.period.end.to_string(), "2026-02-15T10:00:00Z");
    }
    let ending = server(subscribed(&items, r#","cancel_at_period_end":true"#)).await;
    let stands = ending
        .engine()
        .billing
        .subscription(&cx("k"), &sub_1())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stands.ends_at, Some(stands.period.end));
}

/// Later invoices hide the first one, which says whether access was ever paid.
#[tokio::test]
async fn the_first_invoice_is_found_behind_later_ones_d1() {
    let later = r#","latest_invoice":{"id":"in_9","status":"open","currency":"usd","total":1,"created":9,"billing_reason":"subscription_cycle"}"#;
    let known = subscribed(&[("si_base", "price_base", None)], later);
    let server = Server::start(move |seen| match seen.path.as_str() {
        path if path.starts_with("/v1/invoices?") => Reply::list(&[&first_invoice("paid")]),
        _ => Reply::ok(known.clone()),
    })
    .await;
    let stands = server
        .engine()
        .billing
        .subscription(&cx("k"), &sub_1())
        .await
        .unwrap()
        .unwrap();
    assert!(stands.first_paid);
    let asked = "GET /v1/invoices?created[lte]=1768474801&limit=100&subscription=sub_1";
    assert_eq!(server.lines()[1], asked);
}

#[tokio::test]
async fn what_is_not_ours_or_not_there_is_none() {
    let others = server(at_stripe("sub_1", "", &[], "")).await;
    let unknown = Server::start(|_| Reply::missing()).await;
    for server in [others, unknown] {
        let found = server
            .engine()
            .billing
            .subscription(&cx("k"), &sub_1())
            .await;
        assert_eq!(found.unwrap(), None);
    }
}
