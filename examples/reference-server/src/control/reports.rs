//! Reports for people who add things up: as JSON, or as CSV for a spreadsheet.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use monetization_core::clock::{Span, Timestamp};
use monetization_core::field::FieldError;
use monetization_core::flows::{Earned, Revenue, RevenueQuestion};
use monetization_core::ids::{ConsumerId, InvoiceId, ProductId, SubscriptionId};
use monetization_core::invoice::{Invoice, InvoiceState};
use monetization_core::money::{Currency, Money};
use monetization_core::store::{Index, Kind, Listing, RowKey, StoreExt, Stored};
use monetization_core::tenant::Role;
use serde::{Deserialize, Serialize};

use super::input::{Caller, Params};
use super::problem::Problem;
use crate::app::App;

/// What a report is about, and how it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportParams {
    product: Option<ProductId>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Csv,
}

/// What products have earned, in each currency by itself.
#[derive(Debug, Serialize)]
struct RevenueView {
    subscriptions: Vec<RevenueRowView>,
    products: Vec<ProductRevenueView>,
    total: Vec<EarnedView>,
}

#[derive(Debug, Serialize)]
struct RevenueRowView {
    subscription: SubscriptionId,
    consumer: ConsumerId,
    product: ProductId,
    #[serde(flatten)]
    earned: EarnedView,
    /// Why the running period is not in `accrued`.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct ProductRevenueView {
    product: ProductId,
    #[serde(flatten)]
    earned: EarnedView,
}

#[derive(Debug, Serialize)]
struct EarnedView {
    currency: Currency,
    paid: String,
    unpaid: String,
    /// What the running periods would be invoiced now.
    accrued: String,
}

/// Lines of invoices, and what they add up to in each currency by itself.
#[derive(Debug, Serialize)]
struct LinesView {
    lines: Vec<InvoiceLineView>,
    total: Vec<Money>,
}

#[derive(Debug, Serialize)]
struct InvoiceLineView {
    invoice: InvoiceId,
    subscription: SubscriptionId,
    consumer: ConsumerId,
    product: ProductId,
    status: InvoiceState,
    issued_at: Timestamp,
    paid_at: Option<Timestamp>,
    description: String,
    amount: String,
    currency: Currency,
}

/// What products have earned (WSO2: total revenue of an API).
pub(super) async fn revenue(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ReportParams>,
) -> Result<Response, Problem> {
    let question = RevenueQuestion {
        products: app.asked_products(caller, params.product).await?,
        span: params.span()?,
    };
    let revenue = app.monetizer.revenue(caller.tenant, &question).await?;
    let view = RevenueView::from(revenue);
    match params.format {
        Format::Json => Ok(axum::Json(view).into_response()),
        Format::Csv => {
            let names = [
                "subscription",
                "consumer",
                "product",
                "currency",
                "paid",
                "unpaid",
                "accrued",
                "problem",
            ];
            let rows = view.subscriptions.into_iter().map(|row| {
                let earned = row.earned;
                [
                    row.subscription.to_string(),
                    row.consumer.to_string(),
                    row.product.to_string(),
                    earned.currency.to_string(),
                    earned.paid,
                    earned.unpaid,
                    earned.accrued,
                    row.problem.unwrap_or_default(),
                ]
            });
            csv("revenue", names, rows)
        }
    }
}

/// Every line of every invoice that was not taken back.
pub(super) async fn invoices(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ReportParams>,
) -> Result<Response, Problem> {
    let span = params.span()?;
    let products = app.asked_products(caller, params.product).await?;
    let mut view = LinesView {
        lines: Vec::new(),
        total: Vec::new(),
    };
    let is_asked = |invoice: &Invoice| {
        products
            .as_ref()
            .is_none_or(|asked| asked.contains(&invoice.product))
            && span.is_none_or(|span| span.contains(invoice.issued_at))
            && invoice.state != InvoiceState::Void
    };
    for invoice in app.invoices_of(caller, is_asked).await? {
        view.add(invoice)?;
    }
    match params.format {
        Format::Json => Ok(axum::Json(view).into_response()),
        Format::Csv => {
            let names = [
                "invoice",
                "subscription",
                "consumer",
                "product",
                "status",
                "issued_at",
                "paid_at",
                "description",
                "amount",
                "currency",
            ];
            let rows = view.lines.into_iter().map(|line| {
                [
                    line.invoice.to_string(),
                    line.subscription.to_string(),
                    line.consumer.to_string(),
                    line.product.to_string(),
                    line.status.as_str().to_owned(),
                    line.issued_at.to_string(),
                    line.paid_at.map(|at| at.to_string()).unwrap_or_default(),
                    line.description,
                    line.amount,
                    line.currency.to_string(),
                ]
            });
            csv("invoices", names, rows)
        }
    }
}

impl ReportParams {
    fn span(&self) -> Result<Option<Span>, FieldError> {
        let (start, end) = match (self.from, self.to) {
            (None, None) => return Ok(None),
            (from, to) => (from.unwrap_or(Timestamp::MIN), to.unwrap_or(Timestamp::MAX)),
        };
        if start >= end {
            let problem = format!("{end} is not after {start}: allowed are later instants");
            return Err(FieldError::new("to", problem));
        }
        Ok(Some(Span { start, end }))
    }
}

impl App {
    /// The products that a report is about; `None` for all of the tenant.
    async fn asked_products(
        &self,
        caller: Caller,
        named: Option<ProductId>,
    ) -> Result<Option<Vec<ProductId>>, Problem> {
        let own = match caller.role {
            Role::Publisher { publisher } => {
                let own = self.products_of(caller, publisher).await?;
                Some(
                    own.into_iter()
                        .map(|product| product.id)
                        .collect::<Vec<_>>(),
                )
            }
            Role::PlatformOwner | Role::Developer { .. } => None,
        };
        match (own, named) {
            (own, None) => Ok(own),
            (Some(own), Some(named)) if !own.contains(&named) => Err(Problem::not_found()),
            (_, Some(named)) => Ok(Some(vec![named])),
        }
    }

    /// Those of the caller's that are asked for; no others are held.
    async fn invoices_of(
        &self,
        caller: Caller,
        is_asked: impl Fn(&Invoice) -> bool,
    ) -> Result<Vec<Invoice>, Problem> {
        if let Role::Developer { consumer } = caller.role {
            let key = RowKey::new(Index::InvoicesOfConsumer, consumer);
            let own = self.store().facts_by::<Invoice>(caller.tenant, key).await?;
            let own = own.into_iter().map(|stored| stored.fact);
            return Ok(own.filter(is_asked).collect());
        }
        let mut all = Vec::new();
        let mut listing = Listing {
            kind: Kind::Invoice,
            key: None,
            after: None,
            limit: Listing::LIMIT_MAX,
        };
        loop {
            let rows = self.store().rows(caller.tenant, &listing).await?;
            for row in &rows {
                all.extend(Some(Stored::<Invoice>::read(row)?.fact).filter(&is_asked));
            }
            listing.after = rows.last().map(|row| row.id);
            if rows.len() < listing.limit {
                return Ok(all);
            }
        }
    }
}

impl LinesView {
    fn add(&mut self, mut invoice: Invoice) -> Result<(), Problem> {
        let lines = std::mem::take(&mut invoice.lines).into_iter();
        let mut lines: Vec<(String, Money)> =
            lines.map(|line| (line.description, line.amount)).collect();
        let given = invoice.credits.iter();
        for credit in given.filter(|it| it.refused_because.is_none()) {
            let taken_off = Money::zero(invoice.currency).checked_sub(credit.amount);
            let taken_off = taken_off.map_err(monetization_core::flows::FlowError::from)?;
            lines.push((format!("credit: {}", credit.reason), taken_off));
        }
        for (description, amount) in lines {
            self.count(amount)?;
            self.lines.push(InvoiceLineView {
                invoice: invoice.id,
                subscription: invoice.subscription,
                consumer: invoice.consumer,
                product: invoice.product,
                status: invoice.state,
                issued_at: invoice.issued_at,
                paid_at: invoice.paid_at,
                description,
                amount: amount.amount(),
                currency: invoice.currency,
            });
        }
        Ok(())
    }

    fn count(&mut self, amount: Money) -> Result<(), Problem> {
        let mut totals = self.total.iter_mut();
        match totals.find(|total| total.currency() == amount.currency()) {
            Some(total) => {
                let sum = total.checked_add(amount);
                *total = sum.map_err(monetization_core::flows::FlowError::from)?;
            }
            None => self.total.push(amount),
        }
        Ok(())
    }
}

impl From<Revenue> for RevenueView {
    fn from(revenue: Revenue) -> Self {
        let subscriptions = revenue.rows.into_iter().map(|row| RevenueRowView {
            subscription: row.subscription,
            consumer: row.consumer,
            product: row.product,
            earned: row.earned.into(),
            problem: row.problem,
        });
        let products = revenue.products.into_iter();
        let products = products.map(|((product, _), earned)| ProductRevenueView {
            product,
            earned: earned.into(),
        });
        Self {
            subscriptions: subscriptions.collect(),
            products: products.collect(),
            total: revenue.total.into_values().map(Into::into).collect(),
        }
    }
}

impl From<Earned> for EarnedView {
    fn from(earned: Earned) -> Self {
        Self {
            currency: earned.paid.currency(),
            paid: earned.paid.amount(),
            unpaid: earned.unpaid.amount(),
            accrued: earned.accrued.amount(),
        }
    }
}

/// A file for a spreadsheet.
fn csv<const N: usize>(
    name: &str,
    names: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<Response, Problem> {
    let mut file = csv::Writer::from_writer(Vec::new());
    let written = file.write_record(names).and_then(|()| {
        for row in rows {
            file.write_record(row.map(|cell| harmless(&cell)))?;
        }
        Ok(())
    });
    let bytes = written.ok().and_then(|()| file.into_inner().ok());
    let bytes = bytes.ok_or_else(|| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the report could not be written",
        )
    })?;
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, bytes).into_response())
}

/// A text that no spreadsheet takes for a formula. Numbers stay what they are.
fn harmless(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    if !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_spreadsheet_takes_for_a_formula_is_quoted_and_amounts_are_not_h6() {
        for formula in ["=1+1", "+SUM(A1)", "-2+3", "@now", "\tx", "\r=1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for plain in [
            "-12.50",
            "+3",
            "0.00",
            "a=b",
            "",
            "2026-01-01T00:00:00Z",
            "search",
        ] {
            assert_eq!(harmless(plain), plain);
        }
    }
}
