//! What the provider has, in every account: this is the provider's side, and nothing is hidden from
//! it.

use axum::extract::{Path, State};
use monetization_core::field::FieldError;
use monetization_core::ids::MeterId;
use monetization_core::money::Quantity;
use monetization_core::text::ForeignId;
use serde::{Deserialize, Serialize};

use super::Desk;
use super::input::{Named, Params};
use super::problem::Problem;
use crate::control::Control;
use crate::provider::{Customer, Invoice, Plan, Subscription};

/// Which of many are shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Those after this one.
    after: Option<ForeignId>,
    /// So many at most.
    limit: Option<usize>,
}

/// Some of many.
#[derive(Debug, Serialize)]
pub(super) struct Listed<T> {
    items: Vec<T>,
    /// Whether there are others beyond them.
    more: bool,
}

/// An invoice, and where it can be paid.
#[derive(Debug, Serialize)]
pub(super) struct InvoiceView {
    #[serde(flatten)]
    invoice: Invoice,
    /// Its newest link; `None` where nothing is owed.
    payment_url: Option<String>,
}

/// A sum of use.
#[derive(Debug, Serialize)]
pub(super) struct UsageView {
    /// In the meter's scale.
    quantity: Quantity,
}

/// Objects of one list.
const LIMIT_MAX: usize = 1_000;

impl Page {
    /// The oldest of `all` that stand after the name that was given. Names sort by age.
    pub(super) fn oldest<T>(
        &self,
        all: Vec<T>,
        name: impl Fn(&T) -> &ForeignId,
    ) -> Result<Listed<T>, Problem> {
        let limit = self.limit()?;
        let after = self.after.as_ref();
        let mut items: Vec<T> = all
            .into_iter()
            .filter(|item| after.is_none_or(|after| name(item) > after))
            .collect();
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Listed { items, more })
    }

    /// The newest of things without names.
    pub(super) fn newest<T>(&self, mut all: Vec<T>) -> Result<Listed<T>, Problem> {
        let limit = self.limit()?;
        if self.after.is_some() {
            return Err(FieldError::new("after", "these have no names to come after").into());
        }
        let older = all.len().saturating_sub(limit);
        let items = all.split_off(older);
        let more = older > 0;
        Ok(Listed { items, more })
    }

    fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(LIMIT_MAX),
            Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
            Some(limit) => {
                let problem = format!("{limit} is no limit: allowed are 1 to {LIMIT_MAX}");
                Err(FieldError::new("limit", problem).into())
            }
        }
    }
}

/// The plans, archived ones too.
pub(super) async fn plans(
    State(desk): State<Desk>,
    Params(page): Params<Page>,
) -> Result<axum::Json<Listed<Plan>>, Problem> {
    let plans = desk.control.plans();
    page.oldest(plans, |plan| &plan.id).map(axum::Json)
}

/// The customers, and how each of them pays.
pub(super) async fn customers(
    State(desk): State<Desk>,
    Params(page): Params<Page>,
) -> Result<axum::Json<Listed<Customer>>, Problem> {
    let customers = desk.control.customers();
    page.oldest(customers, |customer| &customer.id)
        .map(axum::Json)
}

/// The subscriptions, those that are over too.
pub(super) async fn subscriptions(
    State(desk): State<Desk>,
    Params(page): Params<Page>,
) -> Result<axum::Json<Listed<Subscription>>, Problem> {
    let subscriptions = desk.control.subscriptions();
    page.oldest(subscriptions, |subscription| &subscription.id)
        .map(axum::Json)
}

/// What was counted of a meter for a subscription in all its life.
pub(super) async fn usage(
    State(desk): State<Desk>,
    Path((subscription, meter)): Path<(String, String)>,
) -> Result<axum::Json<UsageView>, Problem> {
    let subscription: ForeignId = subscription.parse().map_err(|_| Problem::not_found())?;
    let meter: MeterId = meter
        .parse()
        .map_err(|error| FieldError::new("meter", error))?;
    let quantity = desk.control.usage(&subscription, meter);
    quantity
        .map(|quantity| axum::Json(UsageView { quantity }))
        .ok_or_else(Problem::not_found)
}

/// The invoices, of either kind. A draft has no lines yet.
pub(super) async fn invoices(
    State(desk): State<Desk>,
    Params(page): Params<Page>,
) -> Result<axum::Json<Listed<InvoiceView>>, Problem> {
    let listed = page.oldest(desk.control.invoices(), |invoice| &invoice.id)?;
    let items = listed.items.into_iter();
    Ok(axum::Json(Listed {
        items: items.map(|invoice| view(&desk.control, invoice)).collect(),
        more: listed.more,
    }))
}

/// One invoice.
pub(super) async fn invoice(
    State(desk): State<Desk>,
    Named(id): Named,
) -> Result<axum::Json<InvoiceView>, Problem> {
    let mut all = desk.control.invoices().into_iter();
    let invoice = all.find(|invoice| invoice.id == id);
    let invoice = invoice.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(&desk.control, invoice)))
}

fn view(control: &Control, invoice: Invoice) -> InvoiceView {
    InvoiceView {
        payment_url: control.payment_url(&invoice.id),
        invoice,
    }
}
