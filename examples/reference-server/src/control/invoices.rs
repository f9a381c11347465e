use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use axum::extract::State;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{ConsumerId, InvoiceId, ProductId, SubscriptionId};
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing, Line, LineItem, Occasion};
use monetization_core::money::{Money, UnitPrice};
use monetization_core::product::Product;
use monetization_core::store::{Index, RowKey, StoreExt};
use monetization_core::tenant::Role;
use monetization_core::text::Slug;
use serde::Serialize;

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
    status: InvoiceState,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_url: Option<String>,
    issued_at: Timestamp,
    due_at: Timestamp,
    paid_at: Option<Timestamp>,
}

/// One line of an invoice.
#[derive(Debug, Serialize)]
pub(super) struct LineView {
    kind: &'static str,
    description: String,
    amount: Money,
    #[serde(flatten)]
    usage: Option<UsageLineView>,
}

/// The use that a line bills.
#[derive(Debug, Serialize)]
struct UsageLineView {
    meter: Slug,
    used: String,
    charged: String,
    unit_price: UnitPrice,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<InvoiceView>>, Problem> {
    let key = match caller.role {
        Role::Developer { consumer } => Some(RowKey::new(Index::InvoicesOfConsumer, consumer)),
        Role::PlatformOwner | Role::Publisher { .. } => None,
    };
    let products = match caller.role {
        Role::Publisher { publisher } => app.products_of(caller, publisher).await?,
        Role::PlatformOwner | Role::Developer { .. } => Vec::new(),
    };
    let is_publisher = matches!(caller.role, Role::Publisher { .. });
    let keep = |invoice: &Invoice| {
        !is_publisher || products.iter().any(|product| product.id == invoice.product)
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

impl App {
    async fn product_of(&self, invoice: &Invoice) -> Result<Option<Product>, Problem> {
        let found = self
            .store()
            .fact::<Product>(invoice.tenant, invoice.product);
        Ok(found.await?.map(|stored| stored.fact))
    }
}

impl InvoiceView {
    fn new(invoice: Invoice, product: Option<&Product>) -> Self {
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
                Occasion::Start => None,
                Occasion::Period { period, .. } => Some(period),
            },
            lines: LineView::all(invoice.lines, product),
            total: invoice.total,
            status: invoice.state,
            payment_url: invoice.payment_url.filter(|_| payable),
            issued_at: invoice.issued_at,
            due_at: invoice.due_at,
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
            LineItem::Usage(_) => "usage",
            LineItem::LateUsage(_) => "late_usage",
            LineItem::Mirrored => "mirrored",
        };
        let usage = match line.item {
            LineItem::Usage(usage) | LineItem::LateUsage(usage) => product.and_then(|product| {
                let meter = product
                    .meters
                    .iter()
                    .find(|meter| meter.id == usage.meter)?;
                Some(UsageLineView {
                    meter: meter.name.clone(),
                    used: meter.scale.render(usage.used),
                    charged: meter.scale.render(usage.charged),
                    unit_price: usage.unit_price,
                })
            }),
            LineItem::Setup | LineItem::Base { .. } | LineItem::Mirrored => None,
        };
        Self {
            kind,
            description: line.description,
            amount: line.amount,
            usage,
        }
    }
}
