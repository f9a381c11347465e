//! Servers that are killed while they take the provider's messages in.

use bytes::Bytes;
use http::Request;
use monetization_conformance::size_in_ci;
use serde_json::Value;
use sqlx::{Connection as _, Executor, PgConnection};

use super::super::ledger::OPERATIONS_LEFT;
use super::super::ledger::shared::until_none;
use super::provided::Provided;
use super::*;

/// Posts a message as the provider does; `None` where there is no answer.
async fn post(control: SocketAddr, message: Value) -> Option<u16> {
    let mut request = Request::post("/webhooks/mock").header("content-type", "application/json");
    for (name, value) in message["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let body = message["body"].as_str().unwrap().to_owned();
    let mut connection = Connection::open(control).await?;
    let answer = connection.send(request.body(Full::new(Bytes::from(body))).unwrap());
    answer.await.map(|answer| answer.status)
}

/// Keeps everybody from changing anything until it is closed.
async fn held_up(database: &Database) -> PgConnection {
    let mut connection = database.connect().await;
    let hold = "BEGIN; SELECT last FROM change_sequence FOR UPDATE";
    connection.execute(hold).await.unwrap();
    connection
}

/// One while nobody has marked a message as taken in whose further work is held up.
const UNMARKED: &str = "SELECT (count(*) = 0)::int::bigint
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE relation = 'inbox'::regclass AND mode = 'RowExclusiveLock' AND granted
    AND wait_event_type = 'Lock'";
/// Invoices that are not paid, and subscriptions that do not run.
const WITHOUT_EFFECT: &str = "SELECT count(*) FROM fact
    WHERE (kind = 'invoice' AND body::json ->> 'state' <> 'paid')
    OR (kind = 'subscription' AND body::json ->> 'state' <> 'active')";

/// R-W3. Killed when the message is marked and its work is not done: neither is there afterwards, and the
/// message has its effect where it is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_node_killed_between_a_message_and_its_work_loses_none_r_w3() {
    let kills = size_in_ci(3, 9, 200);
    let arguments = ["--news-every-seconds=0", "--reconcile-every-seconds=0"];
    let mut provided = Provided::start(3, &arguments, &[]).await;
    let group = &mut provided.group;
    let provider = provided.provider.api();
    let upstream = Upstream::start().await;
    let terms = json!({
        "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "25",
    });
    let api = &group.servers[0].api;
    Market::open(api, upstream.address, terms, kills).await;
    let mut look = group.database.connect().await;
    until_none(&mut look, OPERATIONS_LEFT).await;
    // What was told of them before is not what is looked at here.
    let told = provided.provider.all("messages").await;
    let told: Vec<&Value> = told.iter().map(|message| &message["id"]).collect();
    take_off(&provider, json!(told)).await;
    for invoice in provided.provider.all("invoices").await {
        let pay = json!({ "what": invoice["id"], "payment": "pays" });
        provider.post("/v1/payments", pay).await;
    }
    for kill in 0..kills {
        let message = provider.get("/v1/messages").await["items"][0].clone();
        let (victim, other) = (kill % 3, (kill + 1) % 3);
        let holding = held_up(&group.database).await;
        let control = group.servers[victim].api.address;
        let taking = tokio::spawn(post(control, message.clone()));
        until_none(&mut look, UNMARKED).await;
        group.servers.remove(victim).kill().await;
        assert_eq!(taking.await.unwrap(), None, "nobody has answered");
        holding.close().await.unwrap();
        let started = group.homes[victim].start().await;
        group.servers.insert(victim, started);
        assert_eq!(effects(&mut look).await, (kill, kills - kill));

        let again = post(group.servers[other].api.address, message.clone()).await;
        assert_eq!(again, Some(204));
        assert_eq!(effects(&mut look).await, (kill + 1, kills - kill - 1));
        take_off(&provider, json!([message["id"]])).await;
    }
    until_none(&mut look, WITHOUT_EFFECT).await;
    println!("{kills} kills");
    provided.end().await;
}

/// The provider sends these no more.
async fn take_off(provider: &Api, messages: Value) {
    let delivered = json!({ "messages": messages });
    let path = "/v1/messages/delivered";
    let answer = provider.try_to(Method::POST, path, delivered).await;
    assert_eq!(answer.status, 204);
}

/// How many messages are marked, and how many invoices are not paid.
async fn effects(look: &mut PgConnection) -> (usize, usize) {
    let select = "SELECT (SELECT count(*) FROM inbox), (SELECT count(*) FROM fact
        WHERE kind = 'invoice' AND body::json ->> 'state' <> 'paid')";
    let counts: (i64, i64) = sqlx::query_as(select).fetch_one(look).await.unwrap();
    (counts.0.try_into().unwrap(), counts.1.try_into().unwrap())
}
