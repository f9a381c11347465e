//! Plan files that the server sells: what they name and what is not there yet is made at its start.
//!
//! A product is found by its slug, a plan of it by its name. Terms that differ become the plan's next
//! version, and everything else that is there stays as it is: nothing is removed, and what an owner
//! has changed since is kept. The same file twice changes nothing the second time.

use std::path::{Path, PathBuf};

use monetization_core::field::FieldError;
use monetization_core::flows::{FlowError, Monetizer, NewPlan, NewProduct, ProductChange};
use monetization_core::ids::{PublisherId, TenantId};
use monetization_core::plan::{Plan, PlanState, PlanTerms, PlanVersion};
use monetization_core::plan_file::{FilePlan, PlanFile, ProductDraft};
use monetization_core::product::{Meter, Product, ProductState};
use monetization_core::store::{Index, RowKey, StoreError, StoreExt};
use monetization_core::tenant::Publisher;

use crate::plan_choice::{PlanChoice, PlanChoiceError};
use crate::report;
pub(crate) use turn::Turn;

mod turn;

/// Why a plan file cannot be sold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlansError {
    /// It cannot be read, or there are mistakes in it.
    #[error(transparent)]
    File(#[from] PlanChoiceError),
    /// It does not say what its plans are plans of.
    #[error(
        "{}: product: it is missing: a server has to know what it sells",
        path.display()
    )]
    NoProduct {
        /// The file.
        path: PathBuf,
    },
    /// Other servers put plans on sale, and do not come to an end.
    #[error("other servers have been putting plans on sale for a minute: see what keeps them")]
    Busy,
    /// The store does not answer.
    #[error("failed to wait for other servers that put plans on sale")]
    Store(#[from] StoreError),
    /// What it says does not go together with what is there.
    #[error("{}: {what}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Which product or plan.
        what: String,
        /// Why.
        source: Box<FlowError>,
    },
}

/// A file with what it sells.
#[derive(Debug)]
pub(crate) struct SalesFile {
    path: PathBuf,
    file: PlanFile,
    product: ProductDraft,
}

impl SalesFile {
    /// Reads a file and sees that a server can sell it.
    pub(crate) fn read(path: &Path) -> Result<Self, PlansError> {
        let choice = PlanChoice {
            path: path.to_owned(),
            name: None,
        };
        let file = choice.file()?;
        match file.product().cloned() {
            Some(product) => Ok(Self {
                path: choice.path,
                file,
                product,
            }),
            None => Err(PlansError::NoProduct { path: choice.path }),
        }
    }

    /// What it sells, in a few words.
    pub(crate) fn summary(&self) -> String {
        let (path, count) = (self.path.display(), self.file.plans().len());
        let plans = if count == 1 { "plan" } else { "plans" };
        format!("{path}: {count} {plans} of {}", self.product.slug)
    }
}

/// Reads all files, before anything is made of any.
///
/// # Errors
/// [`PlansError`].
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<SalesFile>, PlansError> {
    paths.iter().map(|path| SalesFile::read(path)).collect()
}

/// Makes what these files name and what is not there yet.
///
/// # Errors
/// [`PlansError`].
pub(crate) async fn put_on_sale(
    monetizer: &Monetizer,
    tenant: TenantId,
    files: &[SalesFile],
) -> Result<(), PlansError> {
    for sales in files {
        let seller = Seller {
            monetizer,
            tenant,
            sales,
        };
        let slug = &sales.product.slug;
        let product = seller.product().await;
        let product =
            product.map_err(|source| seller.refused(format!("product {slug}"), source))?;
        let mut made = 0_usize;
        for plan in sales.file.plans() {
            let sold = seller.plan(&product, plan).await;
            let what = || format!("plan {}", plan.draft.name);
            made = made.saturating_add(
                sold.map_err(|source| seller.refused(what(), source))?
                    .into(),
            );
        }
        if made == 0 {
            report::line(format_args!("{}: all of them are there", sales.summary()));
        }
    }
    Ok(())
}

struct Seller<'a> {
    monetizer: &'a Monetizer,
    tenant: TenantId,
    sales: &'a SalesFile,
}

impl Seller<'_> {
    fn refused(&self, what: String, source: FlowError) -> PlansError {
        PlansError::Refused {
            path: self.sales.path.clone(),
            what,
            source: source.into(),
        }
    }

    /// The product that is there, or a new one.
    async fn product(&self) -> Result<Product, FlowError> {
        let draft = &self.sales.product;
        let key = RowKey::new(Index::ProductSlug, &draft.slug);
        let store = self.monetizer.store();
        if let Some(known) = store.fact_by::<Product>(self.tenant, key).await? {
            self.check_meters(&known.fact)?;
            return Ok(known.fact);
        }
        let new = NewProduct {
            publisher: self.publisher().await?,
            slug: draft.slug.clone(),
            name: draft.name.clone(),
            description: draft.description.clone(),
            gateway_endpoint: draft.gateway_endpoint.clone(),
            resources: draft.resources.clone(),
            meters: self.sales.file.meter_drafts().to_vec(),
        };
        let mut product = self.monetizer.create_product(self.tenant, new).await?;
        if draft.status != ProductState::Draft {
            let state = ProductChange {
                state: Some(draft.status),
                ..ProductChange::default()
            };
            let changed = self
                .monetizer
                .change_product(self.tenant, product.id, state);
            product = changed.await?;
        }
        report::line(format_args!("product {} was made", product.slug));
        Ok(product)
    }

    /// Meters never change once a product is made.
    fn check_meters(&self, product: &Product) -> Result<(), FieldError> {
        for meter in self.sales.file.meters() {
            match product.meter(meter.name.as_str()) {
                Some(known)
                    if Meter {
                        id: known.id,
                        ..meter.clone()
                    } == *known => {}
                Some(_) => {
                    let problem = format!("{} counts otherwise: meters never change", meter.name);
                    return Err(FieldError::new("meters", problem));
                }
                None => {
                    let problem = format!(
                        "{} is not there: a product's meters never change",
                        meter.name
                    );
                    return Err(FieldError::new("meters", problem));
                }
            }
        }
        Ok(())
    }

    /// Makes a plan, or its next version; answers whether anything had to be made.
    async fn plan(&self, product: &Product, wanted: &FilePlan) -> Result<bool, FlowError> {
        let (tenant, draft) = (self.tenant, &wanted.draft);
        let store = self.monetizer.store();
        let key = RowKey::new(Index::PlansOfProduct, product.id);
        let plans = store.facts_by::<Plan>(tenant, key).await?;
        let Some(known) = plans.into_iter().find(|plan| plan.fact.name == draft.name) else {
            let new = NewPlan {
                product: product.id,
                name: draft.name.clone(),
                approval: draft.approval,
                terms: draft.terms.clone(),
            };
            self.monetizer.create_plan(tenant, new).await?;
            report::line(format_args!(
                "plan {} of {} was made",
                draft.name, product.slug
            ));
            return Ok(true);
        };
        let terms = PlanTerms::new(draft.terms.clone(), product)?;
        let current = store
            .fact::<PlanVersion>(tenant, known.fact.current)
            .await?;
        let is_same = current.is_some_and(|version| version.fact.terms == terms);
        if is_same || known.fact.state != PlanState::Active {
            return Ok(false);
        }
        let revised = self
            .monetizer
            .revise_plan(tenant, known.fact.id, draft.terms.clone());
        let (plan, _) = revised.await?;
        report::line(format_args!(
            "plan {} of {} has version {}: new subscribers get it",
            plan.name, product.slug, plan.number
        ));
        Ok(true)
    }

    /// The publisher of the first start: the one that has been there longest.
    async fn publisher(&self) -> Result<PublisherId, FlowError> {
        let all = self.monetizer.store().facts::<Publisher>(self.tenant);
        let all = all.await?.into_iter().map(|stored| stored.fact);
        let oldest = all.min_by_key(|publisher| publisher.created_at);
        let problem = "there is none yet: make one, then start again";
        let oldest = oldest.ok_or_else(|| FieldError::new("publisher", problem))?;
        Ok(oldest.id)
    }
}
