use monetization_core::{clock::Clock, storefront::Storefront};
use monetization_engine_mock::MockEngine;
use monetization_gateway_tower::{MonetizationLayer, TokioRuntime};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = MockEngine::in_memory(Clock::system().now()).engine();
    let shop = Storefront::in_memory(engine).await?;
    let terms = r#"{"billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{"meter": "requests", "unit_price": "0.002"}],
        "rates": [{"kind": "calendar", "window": "minute", "max": 5}]}"#;
    let plan = shop.sell("weather", serde_json::from_str(terms)?).await?;
    let (_, key) = shop.subscribe("acme", plan).await?;
    println!("X-API-Key: {}", key.reveal());
    let layer = MonetizationLayer::selling(&shop, "weather".parse()?);
    tokio::spawn(shop.run(TokioRuntime::current()));
    let now = axum::routing::get(|| async { "sunny" });
    let port = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(port, axum::Router::new().route("/now", now).layer(layer)).await?)
}
