//! The list of invoices: by status, product, consumer and subscription, page by page.

use http::{Method, StatusCode};
use monetization_core::secret::Secret;
use serde_json::Value;

use super::world::{Text, World, fixed};

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
    for wrong in ["status=lost", "product=1", "colour=red"] {
        let path = format!("/api/v1/invoices?{wrong}");
        let refused = world.owner(Method::GET, &path, Value::Null).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn each_consumers_invoices_are_listed_page_by_page_h3() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, fixed("25.00")).await;
    let (other, token) = world.stranger().await;
    let first = world.buy(&plan).await;
    let theirs = world.buy_as(&token, &plan).await;
    let mut bought = vec![first.id.clone()];
    for _ in 0..3 {
        bought.push(world.buy(&plan).await.id);
    }
    world.advance(1).await;
    let consumer = world.subscription(&first.id).await["consumer"].text();
    assert_ne!(consumer, other);
    let mut everybodys = [&bought[..], std::slice::from_ref(&theirs.id)].concat();
    bought.sort_unstable();
    everybodys.sort_unstable();
    let (owner, developer) = (&world.first.owner_token, &world.first.developer_token);
    for (by, of, sizes, expected) in [
        (
            owner,
            format!("consumer={other}&"),
            &[1][..],
            &[theirs.id][..],
        ),
        (owner, format!("consumer={consumer}&"), &[3, 1], &bought),
        (developer, String::new(), &[3, 1], &bought),
        (owner, String::new(), &[3, 2], &everybodys),
    ] {
        let turned = pages(&world, by, &format!("{of}limit=3")).await;
        assert_eq!(turned.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        let mut turned = turned.concat();
        let whole = pages(&world, by, &format!("{of}limit=100")).await;
        assert_eq!(whole, [turned.clone()], "in one order");
        turned.sort_unstable();
        assert_eq!(turned, expected, "each once");
    }
}

/// The subscriptions that the invoices are of, as somebody with this token turns the pages.
async fn pages(world: &World, token: &Secret, query: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/invoices?{query}{cursor}");
        let list = world
            .ask(Some(token), Method::GET, &path, Value::Null)
            .await;
        let list = list.ok();
        let items = list["items"].as_array().unwrap().iter();
        pages.push(items.map(|it| it["subscription"].text()).collect());
        if list["has_more"] == false {
            assert_eq!(list.get("next_cursor"), None);
            return pages;
        }
        cursor = format!("&cursor={}", list["next_cursor"].text());
    }
}
