use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use axum::extract::State;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{ConsumerId, InvoiceId, MeterId, ProductId, SubscriptionId};
use monetization_core::invoice::{
    CommitmentBound, Credit, CreditTo, Invoice, InvoiceState, Invoicing, Line, LineItem, Occasion,
    UsageLine,
};
use monetization_core::money::{Exact, Money, Scale, UnitPrice};
use monetization_core::period::Share;
use monetization_core::product::{Meter, Product};
use monetization_core::store::{Index, RowKey, StoreExt};
use monetization_core::tenant::Role;
use monetization_core::text::{Prose, Slug};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Params};
use super::page::{List, Page};
use super::problem::Problem;
use crate::app::App;

/// An invoice, as those see it whose business it is.
#[derive(Debug, Serialize)]
pub(super) struct InvoiceView {
    id: InvoiceId,
    consumer: ConsumerId,
    subscription: SubscriptionId,
    product: ProductId,
    invoicing: Invoicing,
    /// Present where it bills a period; otherwise what was due before the first call.
    period: Option<Span>,
    lines: Vec<LineView>,
    total: Money,
    /// What of it was given back, or is no longer asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credits: Vec<CreditView>,
    status: InvoiceState,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_url: Option<String>,
    issued_at: Timestamp,
    due_at: Timestamp,
    /// While it is past due and calls still pass: until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_ends_at: Option<Timestamp>,
    paid_at: Option<Timestamp>,
}

/// A credit of an invoice.
#[derive(Debug, Serialize)]
struct CreditView {
    number: u32,
    credit: Money,
    reason: Prose,
    to: CreditTo,
    made_at: Timestamp,
    /// Whether the engine has it.
    settled: bool,
    /// Why the engine does not give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_because: Option<String>,
}

impl From<Credit> for CreditView {
    fn from(credit: Credit) -> Self {
        Self {
            number: credit.number,
            credit: credit.amount,
            reason: credit.reason,
            to: credit.to,
            made_at: credit.made_at,
            settled: credit.external.is_some(),
            refused_because: credit.refused_because,
        }
    }
}

/// One line of an invoice.
#[derive(Debug, Serialize)]
pub(super) struct LineView {
    kind: &'static str,
    description: String,
    amount: Money,
    #[serde(flatten)]
    usage: Option<UsageLineView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commitment: Option<CommitmentView>,
    /// What share of a cycle a base price is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<Share>,
}

/// The use that a line bills.
#[derive(Debug, Serialize)]
struct UsageLineView {
    meter: Slug,
    used: String,
    charged: String,
    parts: Vec<PartView>,
    taken_off: Money,
}

/// One step of a price; its amount is in major units and not rounded.
#[derive(Debug, Serialize)]
struct PartView {
    tier: usize,
    quantity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<String>,
    unit_price: UnitPrice,
    flat: UnitPrice,
    amount: Exact,
}

/// What a commitment adds or takes off.
#[derive(Debug, Serialize)]
struct CommitmentView {
    bound: CommitmentBound,
    #[serde(skip_serializing_if = "Option::is_none")]
    meter: Option<Slug>,
    committed: Money,
    used: Money,
}

/// Which invoices, and which page of them. What is left out is any.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InvoiceQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    status: Option<InvoiceState>,
    product: Option<ProductId>,
    consumer: Option<ConsumerId>,
    subscription: Option<SubscriptionId>,
}

impl InvoiceQuery {
    fn asks_for(&self, invoice: &Invoice) -> bool {
        self.status.is_none_or(|it| it == invoice.state)
            && self.product.is_none_or(|it| it == invoice.product)
            && self.consumer.is_none_or(|it| it == invoice.consumer)
            && self
                .subscription
                .is_none_or(|it| it == invoice.subscription)
    }

    /// The shortest list that holds all of them.
    fn index(&self, role: Role) -> Option<RowKey> {
        let of_consumer = match role {
            Role::Developer { consumer } => Some(consumer),
            Role::PlatformOwner | Role::Publisher { .. } => self.consumer,
        };
        let of = |id| RowKey::new(Index::InvoicesOfSubscription, id);
        let of_consumer = of_consumer.map(|id| RowKey::new(Index::InvoicesOfConsumer, id));
        match role {
            Role::Developer { .. } => of_consumer,
            _ => self.subscription.map(of).or(of_consumer),
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(query): Params<InvoiceQuery>,
) -> Result<axum::Json<List<InvoiceView>>, Problem> {
    let key = query.index(caller.role);
    let page = Page::new(query.limit, query.cursor.clone());
    let products = match caller.role {
        Role::Publisher { publisher } => app.products_of(caller, publisher).await?,
        Role::PlatformOwner | Role::Developer { .. } => Vec::new(),
    };
    let is_publisher = matches!(caller.role, Role::Publisher { .. });
    let keep = |invoice: &Invoice| {
        let is_own = || products.iter().any(|product| product.id == invoice.product);
        query.asks_for(invoice) && (!is_publisher || is_own())
    };
    let list = page
        .read(app.store(), (caller.tenant, key), keep, |invoice| invoice)
        .await?;
    let mut known: BTreeMap<ProductId, Option<Product>> = BTreeMap::new();
    for invoice in &list.items {
        if let Entry::Vacant(place) = known.entry(invoice.product) {
            place.insert(app.product_of(invoice).await?);
        }
    }
    Ok(axum::Json(list.map(|invoice| {
        let product = known.get(&invoice.product).and_then(Option::as_ref);
        InvoiceView::new(invoice, product)
    })))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<InvoiceId>,
) -> Result<axum::Json<InvoiceView>, Problem> {
    let invoice = app.own_invoice(caller, id).await?;
    let product = app.product_of(&invoice).await?;
    Ok(axum::Json(InvoiceView::new(invoice, product.as_ref())))
}

/// The invoice with a link by which it can be paid now.
pub(super) async fn renew_payment_url(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<InvoiceId>,
) -> Result<axum::Json<InvoiceView>, Problem> {
    app.own_invoice(caller, id).await?;
    let invoice = app.monetizer.renew_payment_url(caller.tenant, id).await?;
    let product = app.product_of(&invoice).await?;
    Ok(axum::Json(InvoiceView::new(invoice, product.as_ref())))
}

impl App {
    pub(super) async fn product_of(&self, invoice: &Invoice) -> Result<Option<Product>, Problem> {
        let found = self
            .store()
            .fact::<Product>(invoice.tenant, invoice.product);
        Ok(found.await?.map(|stored| stored.fact))
    }
}

impl InvoiceView {
    pub(super) fn new(invoice: Invoice, product: Option<&Product>) -> Self {
        let payable = matches!(
            invoice.state,
            InvoiceState::Open | InvoiceState::PastDue | InvoiceState::Uncollectible
        );
        Self {
            id: invoice.id,
            consumer: invoice.consumer,
            subscription: invoice.subscription,
            product: invoice.product,
            invoicing: invoice.invoicing,
            period: match invoice.occasion {
                Occasion::Start | Occasion::Bundle => None,
                Occasion::Period { period, .. } => Some(period),
            },
            lines: LineView::all(invoice.lines, product),
            total: invoice.total,
            credits: invoice.credits.into_iter().map(Into::into).collect(),
            status: invoice.state,
            payment_url: invoice.payment_url.filter(|_| payable),
            issued_at: invoice.issued_at,
            due_at: invoice.due_at,
            grace_ends_at: invoice.grace_ends_at,
            paid_at: invoice.paid_at,
        }
    }
}

impl LineView {
    /// Lines in their order; with the names of meters where the product is known.
    pub(super) fn all(lines: Vec<Line>, product: Option<&Product>) -> Vec<Self> {
        lines
            .into_iter()
            .map(|line| Self::new(line, product))
            .collect()
    }

    fn new(line: Line, product: Option<&Product>) -> Self {
        let kind = match line.item {
            LineItem::Setup => "setup",
            LineItem::Base { .. } => "base",
            LineItem::Unused { .. } => "unused",
            LineItem::Usage(_) => "usage",
            LineItem::LateUsage(_) => "late_usage",
            LineItem::Commitment(_) => "commitment",
            LineItem::Bundle(_) => "bundle",
            LineItem::Mirrored => "mirrored",
        };
        let meter = |id: MeterId| product?.meters.iter().find(|meter| meter.id == id);
        let usage = match &line.item {
            LineItem::Usage(usage) | LineItem::LateUsage(usage) => {
                meter(usage.meter).map(|meter| UsageLineView::new(usage, meter))
            }
            LineItem::Setup
            | LineItem::Base { .. }
            | LineItem::Unused { .. }
            | LineItem::Commitment(_)
            | LineItem::Bundle(_)
            | LineItem::Mirrored => None,
        };
        let share = match &line.item {
            LineItem::Base { share, .. } | LineItem::Unused { share, .. } => *share,
            _ => None,
        };
        let commitment = match &line.item {
            LineItem::Commitment(commitment) => Some(CommitmentView {
                bound: commitment.bound,
                meter: commitment
                    .meter
                    .and_then(|id| Some(meter(id)?.name.clone())),
                committed: commitment.committed,
                used: commitment.used,
            }),
            _ => None,
        };
        Self {
            kind,
            description: line.description,
            amount: line.amount,
            usage,
            commitment,
            share,
        }
    }
}

impl UsageLineView {
    fn new(line: &UsageLine, meter: &Meter) -> Self {
        let scale = meter.scale;
        let parts = line.parts.iter().map(|part| PartView {
            tier: part.tier,
            quantity: scale.render(part.quantity),
            packages: part.packages.map(|it| Scale::WHOLE.render(it)),
            unit_price: part.unit_price,
            flat: part.flat,
            amount: part.amount,
        });
        Self {
            meter: meter.name.clone(),
            used: scale.render(line.used),
            charged: scale.render(line.charged),
            parts: parts.collect(),
            taken_off: line.taken_off,
        }
    }
}
