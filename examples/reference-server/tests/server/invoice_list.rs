//! The list of invoices: by status, product, consumer and subscription, page by page.

use http::{Method, StatusCode};
use serde_json::Value;

use super::world::{World, fixed};

async fn ids(world: &World, query: &str) -> Vec<String> {
    let path = format!("/api/v1/invoices?{query}");
    let list = world.owner(Method::GET, &path, Value::Null).await.ok();
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|invoice| invoice["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn invoices_are_listed_by_what_they_are_h3() {
    let world = World::start().await;
    let mut bought = Vec::new();
    for (slug, price) in [("weather", "25.00"), ("maps", "10.00")] {
        let product = world.product(slug).await;
        let plan = world.plan(&product, fixed(price)).await;
        bought.push((product, world.buy(&plan).await));
    }
    world.pay(bought[0].1.payment_url.as_ref().unwrap()).await;
    world.advance(1).await;
    let all = ids(&world, "").await;
    assert_eq!(all.len(), 2);
    let paid = ids(&world, "status=paid").await;
    let open = ids(&world, "status=open").await;
    assert_eq!((paid.len(), open.len()), (1, 1));
    assert_ne!(paid, open);
    let path = format!("/api/v1/invoices/{}", paid[0]);
    let shown = world.owner(Method::GET, &path, Value::Null).await.ok();
    assert_eq!(shown["total"]["amount"], "25.00");
    let path = format!("/api/v1/invoices/{}", open[0]);
    let owed = world.owner(Method::GET, &path, Value::Null).await.ok();
    assert!(owed["due_at"].is_string() && owed["payment_url"].is_string());

    let of = |(product, subscription): (&str, &str)| {
        format!("product={product}&subscription={subscription}")
    };
    let (weather, maps) = (&bought[0], &bought[1]);
    assert_eq!(ids(&world, &of((&weather.0, &weather.1.id))).await, paid);
    assert_eq!(ids(&world, &of((&maps.0, &maps.1.id))).await, open);
    assert!(ids(&world, &of((&maps.0, &weather.1.id))).await.is_empty());
    let consumer = shown["consumer"].as_str().unwrap();
    let of_consumer = ids(&world, &format!("consumer={consumer}&limit=1")).await;
    assert_eq!(of_consumer, all[..1]);

    for wrong in ["status=lost", "product=1", "colour=red"] {
        let path = format!("/api/v1/invoices?{wrong}");
        let refused = world.owner(Method::GET, &path, Value::Null).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}
