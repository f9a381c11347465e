//! Plan versions as products with prices.
//!
//! A plan version is one product, whose id is ours, and its prices are found by their lookup keys. So
//! making it again finds what there is and adds what is missing. Gold at 25 dollars a month, with 1,000
//! calls included, a cent for each further one and 10 dollars at the start, is made so:
//!
//! ```text
//! POST /v1/products          id=plv_1 name=Gold+1 metadata[monetization_prices]=3
//! POST /v1/prices            lookup_key=plv_1/base product=plv_1 recurring[interval]=month
//!                            unit_amount_decimal=2500
//! GET  /v1/billing/meters    which is the one whose event_name is monetization_mtr_1?
//! POST /v1/billing/meters    event_name=monetization_mtr_1 default_aggregation[formula]=sum
//! POST /v1/prices            lookup_key=plv_1/mtr_1 recurring[usage_type]=metered recurring[meter]=…
//!                            billing_scheme=tiered tiers_mode=graduated
//!                            tiers[0]: up_to=1000 unit_amount_decimal=0
//!                            tiers[1]: up_to=inf unit_amount_decimal=1
//! POST /v1/prices            lookup_key=plv_1/setup unit_amount_decimal=1000
//! ```
//!
//! | what there is already | what is done |
//! |---|---|
//! | nothing | all of it, without looking, where the call was not made before |
//! | the product, with some prices | the prices that are missing |
//! | the product, off sale | it is put on sale again |
//! | a price, archived | it is put on sale again |
//! | the meter | it is used: a meter of ours is one in each account, whatever the plans |
//!
//! The product says how many prices it has, so that nobody subscribes to a plan of which a crash has
//! left some out. Prices never change at Stripe, and neither do plan versions here.

use monetization_core::engine::{EngineError, Removal};
use monetization_core::money::Currency;
use monetization_core::period::CycleUnit;
use monetization_core::plan::{PlanTerms, PlanVersion};
use monetization_core::product::Meter;
use monetization_core::text::ForeignId;
use stripe_billing::billing_meter::{
    CreateBillingMeter, CreateBillingMeterCustomerMapping, CreateBillingMeterCustomerMappingType,
    CreateBillingMeterDefaultAggregation, CreateBillingMeterDefaultAggregationFormula,
    CreateBillingMeterValueSettings, ListBillingMeter,
};
use stripe_product::price::{
    CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval, CreatePriceRecurringUsageType,
    CreatePriceTiers, CreatePriceTiersUpTo, CreatePriceTransformQuantity,
    CreatePriceTransformQuantityRound, ListPrice, UpdatePrice,
};
use stripe_product::product::{CreateProduct, RetrieveProduct, UpdateProduct};
use stripe_product::{PriceBillingScheme, PriceTiersMode};

use super::{foreign, missing_is_none, permanent};
use crate::answer::{Meter as StripeMeter, Page, Price, Product};
use crate::error::Failure;
use crate::names;
use crate::price::{self, Interval, Mode, Role, Shape};
use crate::session::{Session, page};

/// What became of a plan that was to be on sale.
#[derive(Debug)]
pub(super) struct OnSale {
    /// The product, which is called as the plan version is.
    pub(super) external: ForeignId,
    /// Whether it was so before.
    pub(super) existed: bool,
}

impl Session<'_> {
    /// Puts a plan version on sale: what there is stays, what is missing is made.
    ///
    /// # Errors
    /// `Permanent` for a plan that Stripe cannot sell, before any request; else that of the request that failed.
    pub(super) async fn put_on_sale(&self, plan: &PlanVersion) -> Result<OnSale, EngineError> {
        let refuse = |error| permanent("Stripe cannot sell this plan").because(error);
        let wanted = price::wanted(&plan.terms).map_err(refuse)?;
        let interval = price::interval(plan.terms.cycle()).map_err(refuse)?;
        let external = foreign(&plan.id.to_string())?;
        let known = self.known_product(plan, wanted.len()).await?;
        let was_on_sale = known.as_ref().is_some_and(|product| product.active);
        let there = match &known {
            Some(product) => {
                let every = ListPrice::new().product(product.id.as_str());
                self.all(|after| page!(every.clone(), after)).await?
            }
            None => Vec::new(),
        };
        let mut existed = was_on_sale;
        let mut meters = None;
        for wanted in &wanted {
            let lookup_key = wanted.lookup_key(plan.id);
            let is_it = |price: &&Price| price.lookup_key.as_ref() == Some(&lookup_key);
            match there.iter().find(is_it) {
                Some(price) if price.active => continue,
                Some(price) => self.unarchive(price).await?,
                None => {
                    let meter = self.meter_of(plan, wanted.role, &mut meters).await?;
                    let recurring =
                        (wanted.role != Role::Setup).then(|| recurring(interval, meter));
                    let create = create_price(plan, &wanted.shape, &lookup_key, recurring);
                    self.make_price(&lookup_key, &create).await?;
                }
            }
            existed = false;
        }
        if known.is_some() && !was_on_sale {
            let update = UpdateProduct::new(external.as_str()).active(true);
            self.step::<Product>("sale", &update).await?;
        }
        Ok(OnSale { external, existed })
    }

    /// The product, where it was there before.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn known_product(
        &self,
        plan: &PlanVersion,
        prices: usize,
    ) -> Result<Option<Product>, Failure> {
        let id = plan.id.to_string();
        let retrieve = RetrieveProduct::new(id.as_str());
        if self.cx.repeated
            && let Some(known) = missing_is_none(self.ask(&retrieve).await)?
        {
            return Ok(Some(known));
        }
        let create = CreateProduct::new(format!("{} {}", plan.name, plan.number))
            .id(id.as_str())
            .metadata([
                (names::TENANT.to_owned(), plan.tenant.to_string()),
                (names::PRODUCT.to_owned(), plan.product.to_string()),
                (names::PRICES.to_owned(), prices.to_string()),
            ]);
        match self.step::<Product>("product", &create).await {
            Ok(_) => Ok(None),
            Err(failure) if failure.is_there_already() => self.ask(&retrieve).await.map(Some),
            Err(failure) => Err(failure),
        }
    }

    /// The prices of a product that are on sale.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn prices_of(&self, product: &str) -> Result<Vec<Price>, Failure> {
        self.all(|after| page!(ListPrice::new().product(product).active(true), after))
            .await
    }

    /// Makes one price, or finds that somebody was faster.
    ///
    /// # Errors
    /// That of the request that failed: a price that is not there afterwards was not made.
    async fn make_price(&self, lookup_key: &str, create: &CreatePrice) -> Result<(), Failure> {
        let step = format!("price:{lookup_key}");
        let Err(failure) = self.step::<Price>(&step, create).await else {
            return Ok(());
        };
        if !failure.is_about("lookup_key") && !failure.is_there_already() {
            return Err(failure);
        }
        let list = ListPrice::new().lookup_keys([lookup_key.to_owned()]);
        let known: Page<Price> = self.ask(&list).await?;
        match known.data.first() {
            Some(known) if known.active => Ok(()),
            Some(known) => self.unarchive(known).await,
            None => Err(failure),
        }
    }

    /// Puts a price on sale again that somebody has archived.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn unarchive(&self, price: &Price) -> Result<(), Failure> {
        let update = UpdatePrice::new(price.id.as_str()).active(true);
        let step = format!("unarchive:{}", price.id);
        self.step::<Price>(&step, &update).await?;
        Ok(())
    }

    /// Stripe's id of the meter that a price counts by, if it counts.
    ///
    /// # Errors
    /// `Permanent` for a price of a meter that the plan lacks; else that of the request that failed.
    async fn meter_of(
        &self,
        plan: &PlanVersion,
        role: Role,
        known: &mut Option<Vec<StripeMeter>>,
    ) -> Result<Option<String>, EngineError> {
        let Role::Usage(meter) = role else {
            return Ok(None);
        };
        let missing = || permanent("the plan prices a meter that it does not have");
        let meter = &plan.terms.price_of(meter).ok_or_else(missing)?.meter;
        let known = match known {
            Some(known) => known,
            None => {
                let all = self.all(|after| page!(ListBillingMeter::new(), after));
                known.insert(all.await?)
            }
        };
        let event_name = names::event_name(meter.id);
        match known.iter().find(|known| known.event_name == event_name) {
            Some(known) => Ok(Some(known.id.clone())),
            None => self.make_meter(meter, &event_name).await.map(Some),
        }
    }

    /// Makes a meter, or finds that somebody was faster.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn make_meter(&self, meter: &Meter, event_name: &str) -> Result<String, EngineError> {
        let formula = CreateBillingMeterDefaultAggregationFormula::Sum;
        let create = CreateBillingMeter::new(
            CreateBillingMeterDefaultAggregation::new(formula),
            meter.name.as_str(),
            event_name,
        );
        let mapping = CreateBillingMeterCustomerMapping::new(
            names::CUSTOMER_IN_EVENT,
            CreateBillingMeterCustomerMappingType::ById,
        );
        let value = CreateBillingMeterValueSettings::new(names::VALUE_IN_EVENT);
        let create = create.customer_mapping(mapping).value_settings(value);
        let made = self
            .step::<StripeMeter>(&format!("meter:{}", meter.id), &create)
            .await;
        match made {
            Ok(made) => Ok(made.object.id),
            Err(failure) => match self.known_meter(event_name).await? {
                Some(known) => Ok(known.id),
                None => Err(failure.into()),
            },
        }
    }

    /// The meter that counts events of this name.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn known_meter(
        &self,
        event_name: &str,
    ) -> Result<Option<StripeMeter>, Failure> {
        let request = |after: Option<&str>| page!(ListBillingMeter::new(), after);
        self.find(request, |meter: &StripeMeter| {
            meter.event_name == event_name
        })
        .await
    }

    /// Takes a plan off sale: Stripe keeps products that have prices.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn take_off_sale(&self, plan: &ForeignId) -> Result<Removal, EngineError> {
        let Ok(id) = names::in_path(plan) else {
            return Ok(Removal::AlreadyGone);
        };
        let product = missing_is_none(self.ask::<Product>(&RetrieveProduct::new(id)).await)?;
        if !product.is_some_and(|product| product.active) {
            return Ok(Removal::AlreadyGone);
        }
        self.order::<Product>(&UpdateProduct::new(id).active(false))
            .await?;
        Ok(Removal::Archived)
    }
}

/// How often a price is billed, and by which meter.
fn recurring(interval: Interval, meter: Option<String>) -> CreatePriceRecurring {
    let mut recurring = CreatePriceRecurring::new(match interval.unit {
        CycleUnit::Day => CreatePriceRecurringInterval::Day,
        CycleUnit::Week => CreatePriceRecurringInterval::Week,
        CycleUnit::Month => CreatePriceRecurringInterval::Month,
        CycleUnit::Year => CreatePriceRecurringInterval::Year,
    });
    recurring.interval_count = Some(interval.count.into());
    recurring.usage_type = meter
        .is_some()
        .then_some(CreatePriceRecurringUsageType::Metered);
    recurring.meter = meter;
    recurring
}

/// The request that makes a price: the shape in Stripe's parameters.
fn create_price(
    plan: &PlanVersion,
    shape: &Shape,
    lookup_key: &str,
    recurring: Option<CreatePriceRecurring>,
) -> CreatePrice {
    let terms: &PlanTerms = &plan.terms;
    let mut create = CreatePrice::new(currency(terms.currency()))
        .product(plan.id.to_string())
        .lookup_key(lookup_key);
    if let Some(recurring) = recurring {
        create = create.recurring(recurring);
    }
    match shape {
        Shape::Unit(unit) => create.unit_amount_decimal(unit.to_string()),
        Shape::Package {
            price,
            size,
            rounded_up,
        } => {
            let round = if *rounded_up {
                CreatePriceTransformQuantityRound::Up
            } else {
                CreatePriceTransformQuantityRound::Down
            };
            let packages = CreatePriceTransformQuantity::new(*size, round);
            create
                .unit_amount_decimal(price.to_string())
                .transform_quantity(packages)
        }
        Shape::Tiered { mode, tiers } => {
            let tiers: Vec<CreatePriceTiers> = tiers
                .iter()
                .map(|tier| {
                    let up_to = tier
                        .up_to
                        .map_or(CreatePriceTiersUpTo::Inf, CreatePriceTiersUpTo::I64);
                    let mut row = CreatePriceTiers::new(up_to);
                    row.unit_amount_decimal = Some(tier.unit.to_string());
                    let flat = Some(tier.flat).filter(|flat| !flat.is_zero());
                    row.flat_amount_decimal = flat.map(|flat| flat.to_string());
                    row
                })
                .collect();
            let mode = match mode {
                Mode::Graduated => PriceTiersMode::Graduated,
                Mode::Volume => PriceTiersMode::Volume,
            };
            create
                .billing_scheme(PriceBillingScheme::Tiered)
                .tiers_mode(mode)
                .tiers(tiers)
        }
    }
}

/// A currency as the generated crates write it.
pub(super) fn currency(currency: Currency) -> stripe_types::Currency {
    let Ok(currency) = currency.code().to_ascii_lowercase().parse();
    currency
}
