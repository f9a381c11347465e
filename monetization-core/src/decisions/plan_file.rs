//! Plans as a file: what a product is, what it counts, and what its plans cost, in TOML.
//!
//! One format for programs that serve, estimate and replay. Its words are those of the control
//! plane's JSON: `[product]` is what a product is made from, `[[meters]]` what it counts beside
//! calls, and each of the `[[plans]]` a plan with its `terms`.
//!
//! ```
//! use monetization_core::plan_file::PlanFile;
//!
//! let text = r#"
//! [[meters]]
//! name = "tokens"
//!
//! [[plans]]
//! name = "Pro"
//!
//! [plans.terms]
//! billing = "metered"
//! currency = "USD"
//! cycle = "month"
//! base_price = "25.00"
//!
//! [[plans.terms.usage]]
//! meter = "requests"
//! included = "1000"
//! graduated = [
//!     { up_to = "10000", unit_price = "0.01" },
//!     { unit_price = "0.008" },
//! ]
//!
//! [[plans.terms.usage]]
//! meter = "tokens"
//! unit_price = "0.00002"
//! "#;
//! let file = PlanFile::parse("plans.toml", text.as_bytes())?;
//! let pro = file.plan(None)?;
//! assert_eq!(pro.terms.base_price().to_string(), "25.00 USD");
//!
//! // A mistake is answered by file, line, column and field, and so are all others in one go.
//! let text = text.replace("\"25.00\"", "25").replace("unit_price = \"0.008\"", "price = \"0.008\"");
//! let error = PlanFile::parse("plans.toml", text.as_bytes()).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "2 mistakes in plans.toml:\n  \
//!      plans.toml:12:14: plans[0].terms.base_price: 25 is a number without quotes: allowed is text, \"25\"\n  \
//!      plans.toml:19:7: plans[0].terms.usage[0].graduated[1].price: there is no such field: \
//!      allowed are up_to, unit_price, flat, package",
//! );
//! # Ok::<(), monetization_core::plan_file::PlanFileError>(())
//! ```
//!
//! Amounts, prices and quantities are texts, as they are in JSON: numbers without quotes would be
//! read by other tools as binary fractions, which most amounts have none of, and one way to write
//! them is enough. Counts of limits (`max`, `count`, `decimals`) are whole numbers, as they are there.
//!
//! A file names at most [`PLANS_MAX`](PlanFile::PLANS_MAX) plans and [`METERS_MAX`](PlanFile::METERS_MAX)
//! meters, and has at most [`BYTES_MAX`](PlanFile::BYTES_MAX) bytes. [`SCHEMA`] tells it to editors.

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::ids::{MeterId, TypedId};
use crate::plan::{Countable, PlanDraft, PlanTerms};
use crate::product::{Meter, MeterDraft, Product, ProductState, Resource};
use crate::routing::Routes;
use crate::text::{Endpoint, Name, Prose, Slug};

pub use mistake::{Mistake, PlanFileError};

use field::Field;
use reading::Reading;

mod explaining;
mod field;
mod mistake;
mod reading;
mod syntax;

/// The format as a JSON schema (draft 07), for editors. A test holds it against the types.
pub const SCHEMA: &str = include_str!("plan_file/schema.json");

/// What a plan file sells, all of it checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// What the file is called.
    file: String,
    /// What is sold, where the file says so.
    product: Option<ProductDraft>,
    /// What is counted beside calls, as it is written.
    meter_drafts: Vec<MeterDraft>,
    /// What is counted, `requests` first.
    meters: Vec<Meter>,
    /// At least one.
    plans: Vec<FilePlan>,
}

/// A plan of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct FilePlan {
    /// As it is written.
    pub draft: PlanDraft,
    /// Its terms, checked.
    pub terms: PlanTerms,
}

/// A product as a file writes it: the words of the control plane, with the state it is to be in.
///
/// Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "what files may say is written out in the schema"
)]
pub struct ProductDraft {
    /// The first segment of its path at the gateway.
    pub slug: Slug,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub description: Prose,
    /// Where it is served.
    pub gateway_endpoint: Endpoint,
    /// Where it is in its life; a draft if nothing is said.
    #[serde(default = "draft")]
    pub status: ProductState,
    /// What it consists of; empty for everything below its endpoint.
    #[serde(default)]
    pub resources: Vec<Resource>,
}

fn draft() -> ProductState {
    ProductState::Draft
}

impl PlanFile {
    /// Bytes a file may have.
    pub const BYTES_MAX: usize = 1 << 20;
    /// Plans a file may name.
    pub const PLANS_MAX: usize = 100;
    /// Meters a file may name: as many as a product has beside `requests`.
    pub const METERS_MAX: usize = Product::METERS_MAX - 1;

    /// Reads what stands in a file; `file` is what mistakes call it.
    ///
    /// # Errors
    /// [`PlanFileError`] with every mistake that was found: all of the syntax, or else those of
    /// all meters and plans. What only follows from another mistake is left out.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, PlanFileError> {
        let read = syntax::text_of(bytes).and_then(|text| {
            let document = syntax::document(text)?;
            let mut reading = Reading::new(text);
            let read = Self::read(file, &mut reading, &document);
            read.ok_or_else(|| reading.into_mistakes())
        });
        read.map_err(|mistakes| PlanFileError::new(file, mistakes))
    }

    /// `None` where there is a mistake, which is kept in `reading`.
    fn read<'i>(file: &str, reading: &mut Reading<'i>, document: &DeTable<'i>) -> Option<Self> {
        for key in document.keys() {
            let name = key.get_ref();
            if !["product", "meters", "plans"].contains(&name.as_ref()) {
                let problem = "there is no such field: allowed are product, meters, plans";
                reading.tell(key.span(), &Field::ROOT.key(name), problem.to_owned());
            }
        }
        let product = read_product(reading, document.get("product"));
        let resources = product.as_ref().map(|product| product.resources.as_slice());
        let resources = resources.unwrap_or_default();
        let (meter_drafts, meters) = read_meters(reading, document.get("meters"), resources);
        let countable = Countable {
            meters: &meters,
            resources,
        };
        let plans = read_plans(reading, document.get("plans"), countable);
        reading.is_clean().then(|| Self {
            file: file.to_owned(),
            product,
            meter_drafts,
            meters,
            plans,
        })
    }

    /// What is sold, where the file says so.
    #[must_use]
    pub fn product(&self) -> Option<&ProductDraft> {
        self.product.as_ref()
    }

    /// What is counted beside calls, as it is written.
    #[must_use]
    pub fn meter_drafts(&self) -> &[MeterDraft] {
        &self.meter_drafts
    }

    /// What is counted, `requests` first; the ids are made of the names.
    #[must_use]
    pub fn meters(&self) -> &[Meter] {
        &self.meters
    }

    /// All plans, at least one, in the order of the file.
    #[must_use]
    pub fn plans(&self) -> &[FilePlan] {
        &self.plans
    }

    /// The plan of this name; where no name is given, the only one there is.
    ///
    /// # Errors
    /// [`PlanFileError`] with the names there are.
    pub fn plan(&self, name: Option<&str>) -> Result<&FilePlan, PlanFileError> {
        let found = match (name, self.plans.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), all) => all.iter().find(|plan| plan.draft.name.as_str() == name),
        };
        found.ok_or_else(|| {
            let names = self.plans.iter().map(|plan| plan.draft.name.as_str());
            PlanFileError::no_such_plan(&self.file, name, &names.collect::<Vec<_>>())
        })
    }
}

fn read_product<'i>(
    reading: &mut Reading<'i>,
    node: Option<&Spanned<DeValue<'i>>>,
) -> Option<ProductDraft> {
    let node = node?;
    let field = Field::ROOT.key("product");
    let product: ProductDraft = reading.value(node, &field)?;
    if product.resources.len() > Product::RESOURCES_MAX {
        let (given, allowed) = (product.resources.len(), Product::RESOURCES_MAX);
        let problem = format!("{given} are given: allowed are {allowed}");
        reading.tell_within(node, &field, &Field::ROOT.key("resources"), problem);
    } else if let Err(error) = Routes::new(&product.resources) {
        reading.tell_field(node, &field, &error);
    }
    Some(product)
}

fn read_meters<'i>(
    reading: &mut Reading<'i>,
    node: Option<&Spanned<DeValue<'i>>>,
    resources: &[Resource],
) -> (Vec<MeterDraft>, Vec<Meter>) {
    let is_product_clean = reading.is_clean();
    let id = |name: &str| MeterId::derived(&[b"plan file", name.as_bytes()]);
    let mut meters: Vec<Meter> = Meter::requests(id(Meter::REQUESTS)).into_iter().collect();
    let mut drafts = Vec::new();
    let field = Field::ROOT.key("meters");
    let Some(node) = node else {
        return (drafts, meters);
    };
    for (index, node) in reading.tables(node, &field, PlanFile::METERS_MAX) {
        let field = field.index(index);
        let Some(draft) = reading.value::<MeterDraft>(node, &field) else {
            continue;
        };
        // Of a product with a mistake it is not known which resources there are.
        let known = Some(resources).filter(|_| is_product_clean);
        let id = id(draft.name.as_str());
        match draft.clone().check_beside(&meters, known, id) {
            Ok(meter) => meters.push(meter),
            Err(error) => reading.tell_field(node, &field, &error),
        }
        drafts.push(draft);
    }
    (drafts, meters)
}

fn read_plans<'i>(
    reading: &mut Reading<'i>,
    node: Option<&Spanned<DeValue<'i>>>,
    countable: Countable<'_>,
) -> Vec<FilePlan> {
    let field = Field::ROOT.key("plans");
    let is_clean_before = reading.is_clean();
    let nodes = node.map_or_else(Vec::new, |node| {
        reading.tables(node, &field, PlanFile::PLANS_MAX)
    });
    if nodes.is_empty() && is_clean_before && reading.is_clean() {
        let problem = "there is none: allowed are 1 to 100, each under [[plans]]";
        reading.tell(0..0, &field, problem.to_owned());
    }
    let mut plans: Vec<FilePlan> = Vec::new();
    let mut names: Vec<Name> = Vec::new();
    for (index, node) in nodes {
        let field = field.index(index);
        let Some(draft) = reading.value::<PlanDraft>(node, &field) else {
            continue;
        };
        if names.contains(&draft.name) {
            let problem = format!(
                "{:?} is there already: allowed is a name of its own",
                draft.name
            );
            reading.tell_within(node, &field, &Field::ROOT.key("name"), problem);
        }
        names.push(draft.name.clone());
        match PlanTerms::new(draft.terms.clone(), countable) {
            Ok(terms) => plans.push(FilePlan { draft, terms }),
            // A meter or resource with a mistake is not among those there are.
            Err(error)
                if !is_clean_before
                    && (error.field().ends_with(".meter")
                        || error.field().ends_with(".resource")) => {}
            Err(error) => reading.tell_terms(node, &field, &error),
        }
    }
    plans
}

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
