use monetization_core::flows::NewTenant;
use monetization_core::invoice::Invoicing;
use monetization_core::secret::Secret;
use monetization_core::tenant::Role;
use monetization_core::text::Name;
use serde_json::{Value, json};

use super::super::client::{Answer, Api};
use super::super::story::{Column, Story};
use super::super::{DemoError, World, missing, text};

/// Who plays.
pub(super) struct Cast {
    /// On the free plan, with a strict quota.
    pub(super) starter: Developer,
    /// On the fixed plan.
    pub(super) team: Developer,
    /// On the metered plan.
    pub(super) business: Developer,
    /// In another marketplace, whose engine makes the invoices.
    pub(super) engine_billed: Developer,
    /// That marketplace, as its owner.
    pub(super) other_owner: Api,
}

/// A developer, what they have bought and what they have seen.
pub(super) struct Developer {
    pub(super) name: &'static str,
    pub(super) api: Api,
    pub(super) product: &'static str,
    pub(super) plan: String,
    pub(super) consumer: String,
    pub(super) subscription: String,
    pub(super) key: Secret,
    pub(super) january: Tally,
}

/// What was counted of one developer's calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    /// Answers with 2xx that were received to their end.
    pub(super) received: u64,
    pub(super) limited: u64,
    /// What the upstream says.
    pub(super) upstream: u64,
    /// What the ledger says.
    pub(super) ledger: u64,
}

/// Puts an API on sale, and finds those who will buy it.
pub(super) async fn open_shop(world: &World, story: &mut Story) -> Result<Cast, DemoError> {
    story.section("An owner puts an API on sale")?;
    let owner = &world.owner;
    let product = product(world, owner, "weather", &world.first.publisher.to_string()).await?;
    let starter = plan(owner, &product, "Starter", &starter_terms()).await?;
    let team = plan(owner, &product, "Team", &team_terms()).await?;
    let business = plan(owner, &product, "Business", &business_terms()).await?;
    for _ in 0..2 {
        let path = format!("/api/v1/products/{product}/monetize");
        let answer = owner.post(&path, &json!({ "enabled": true })).await?;
        story.say(format_args!(
            "monetize: enabled, changed: {}",
            answer["changed"]
        ))?;
    }
    on_sale(owner, &product).await?;
    show_catalogue(owner, story).await?;
    let other_owner = other_market(world).await?;
    let maps = maps(world, &other_owner).await?;
    Ok(Cast {
        starter: developer(owner, "developer-1", "weather", starter).await?,
        team: developer(owner, "developer-2", "weather", team).await?,
        business: developer(owner, "developer-3", "weather", business).await?,
        engine_billed: developer(&other_owner, "developer-4", "maps", maps).await?,
        other_owner,
    })
}

impl Cast {
    pub(super) fn all(&self) -> [&Developer; 4] {
        [
            &self.starter,
            &self.team,
            &self.business,
            &self.engine_billed,
        ]
    }

    pub(super) fn all_mut(&mut self) -> [&mut Developer; 4] {
        [
            &mut self.starter,
            &mut self.team,
            &mut self.business,
            &mut self.engine_billed,
        ]
    }

    /// Everybody subscribes. Nobody gets in on a promise to pay.
    pub(super) async fn buy(&mut self, world: &World, story: &mut Story) -> Result<(), DemoError> {
        story.section("Developers subscribe")?;
        self.starter.subscribe().await?;
        story.say("developer-1 takes Starter, which is free: the key works at once")?;
        self.starter.tell_call(world, story).await?;
        let link = self.team.subscribe().await?;
        story.say("developer-2 takes Team and has not paid yet")?;
        self.team.tell_call(world, story).await?;
        self.team.pays(world, link).await?;
        story.say("developer-2 pays at the checkout page of the mock engine")?;
        self.team.tell_call(world, story).await?;
        let link = self.business.subscribe().await?;
        self.business.pays(world, link).await?;
        story.say("developer-3 takes Business and pays the first base price")?;
        self.business.tell_call(world, story).await?;
        let link = self.engine_billed.subscribe().await?;
        self.engine_billed.pays(world, link).await?;
        story.say("developer-4 buys in another marketplace of this server, whose engine makes the invoices")?;
        self.engine_billed.tell_call(world, story).await
    }
}

impl Developer {
    /// Subscribes; answers where to pay, if anything is due before the first call.
    async fn subscribe(&mut self) -> Result<Option<String>, DemoError> {
        let order = json!({
            "plan": self.plan,
            "buyer": { "user_id": format!("user-of-{}", self.name), "name": self.name },
            "application": "forecast page",
            "request_key": format!("order-of-{}", self.name),
        });
        let ordered = self.api.post("/api/v1/subscriptions", &order).await?;
        self.subscription = text(&ordered, "/id")?.to_owned();
        self.key = Secret::new(text(&ordered, "/key/key")?);
        Ok(ordered["payment_url"].as_str().map(ToOwned::to_owned))
    }

    async fn pays(&self, world: &World, link: Option<String>) -> Result<(), DemoError> {
        let link = link.ok_or_else(|| missing("a payment link"))?;
        super::pay(world, &link).await
    }

    /// Calls once, and counts it.
    pub(super) async fn call(&mut self, world: &World) -> Result<Answer, DemoError> {
        let url = world.url(self.product, "/today");
        let answer = world.http.call(&url, &self.key).await?;
        self.january.sent = self.january.sent.saturating_add(1);
        let good = u64::from(answer.status.is_success());
        self.january.received = self.january.received.saturating_add(good);
        Ok(answer)
    }

    pub(super) async fn tell_call(
        &mut self,
        world: &World,
        story: &mut Story,
    ) -> Result<(), DemoError> {
        let answer = self.call(world).await?;
        let request = format!("{}: GET /{}/today", self.name, self.product);
        Ok(story.call(&request, &answer)?)
    }
}

fn starter_terms() -> Value {
    json!({
        "billing": "free", "currency": "USD", "cycle": "month",
        "rates": [{ "kind": "calendar", "window": "minute", "max": 20 }],
        "quotas": [{ "window": "month", "max": 100, "overage": "strict" }],
        "price_label": "Free, 100 calls a month",
    })
}

fn team_terms() -> Value {
    json!({
        "billing": "fixed", "currency": "USD", "cycle": "month",
        "base_price": "49.00", "setup_fee": "10.00",
    })
}

fn business_terms() -> Value {
    json!({
        "billing": "metered", "currency": "USD", "cycle": "month", "base_price": "25.00",
        "usage": [{ "meter": "requests", "unit_price": "0.01", "included": "1000", "overage": "loose" }],
        "rates": [{ "kind": "calendar", "window": "minute", "max": 600 }],
    })
}

/// A product that is served by the upstream of the demo.
async fn product(
    world: &World,
    owner: &Api,
    slug: &str,
    publisher: &str,
) -> Result<String, DemoError> {
    let new = json!({
        "publisher": publisher, "slug": slug, "name": format!("The {slug} API"),
        "description": "An API of the demo.",
        "gateway_endpoint": format!("http://{}", world.upstream.address()),
    });
    let made = owner.post("/api/v1/products", &new).await?;
    Ok(text(&made, "/id")?.to_owned())
}

async fn plan(owner: &Api, product: &str, name: &str, terms: &Value) -> Result<String, DemoError> {
    let path = format!("/api/v1/products/{product}/plans");
    let made = owner
        .post(&path, &json!({ "name": name, "terms": terms }))
        .await?;
    Ok(text(&made, "/id")?.to_owned())
}

async fn on_sale(owner: &Api, product: &str) -> Result<(), DemoError> {
    let path = format!("/api/v1/products/{product}");
    owner
        .patch(&path, &json!({ "status": "active" }))
        .await
        .map(drop)
}

async fn show_catalogue(owner: &Api, story: &mut Story) -> Result<(), DemoError> {
    let catalogue = owner.get("/api/v1/catalogue").await?;
    let plans = catalogue
        .pointer("/items/0/plans")
        .and_then(Value::as_array);
    let rows: Result<Vec<_>, DemoError> = plans
        .ok_or_else(|| missing("plans"))?
        .iter()
        .map(|plan| {
            Ok(vec![
                text(plan, "/name")?.to_owned(),
                text(plan, "/price_label")?.to_owned(),
            ])
        })
        .collect();
    story.say("the catalogue, as everybody sees it:")?;
    Ok(story.table(&[Column::Left("plan"), Column::Left("price")], &rows?)?)
}

/// Another marketplace on the same server: a tenant is made by whoever runs the server.
async fn other_market(world: &World) -> Result<Api, DemoError> {
    let monetizer = world.server.monetizer();
    let name: Name = "Second marketplace"
        .parse()
        .map_err(|_| missing("a name"))?;
    let tenant = monetizer
        .create_tenant(NewTenant {
            name,
            engine: "mock".parse().map_err(|_| missing("an engine"))?,
            invoicing: Invoicing::ByEngine,
            payment_days: 14,
            grace_days: 0,
        })
        .await?;
    let (_, token) = monetizer
        .create_access_token(tenant.id, Role::PlatformOwner)
        .await?;
    Ok(world.owner.with_token(&token))
}

async fn maps(world: &World, owner: &Api) -> Result<String, DemoError> {
    let publisher = owner
        .post("/api/v1/publishers", &json!({ "name": "Second publisher" }))
        .await?;
    let product = product(world, owner, "maps", text(&publisher, "/id")?).await?;
    let plan = plan(owner, &product, "Pay as you go", &business_terms()).await?;
    let path = format!("/api/v1/products/{product}/monetize");
    owner.post(&path, &json!({ "enabled": true })).await?;
    on_sale(owner, &product).await?;
    Ok(plan)
}

async fn developer(
    owner: &Api,
    name: &'static str,
    product: &'static str,
    plan: String,
) -> Result<Developer, DemoError> {
    let consumer = json!({ "name": format!("Organisation of {name}") });
    let consumer = owner.post("/api/v1/consumers", &consumer).await?;
    let consumer = text(&consumer, "/id")?.to_owned();
    let token = json!({ "role": "developer", "consumer": consumer });
    let token = owner.post("/api/v1/tokens", &token).await?;
    Ok(Developer {
        name,
        api: owner.with_token(&Secret::new(text(&token, "/token")?)),
        product,
        plan,
        consumer,
        subscription: String::new(),
        key: Secret::new(""),
        january: Tally::default(),
    })
}
