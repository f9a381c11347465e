//! Plans to sell, made up.

use monetization_core::ids::{MeterId, TypedId};
use monetization_core::money::{Quantity, Rounding, Scale};
use monetization_core::period::Cycle;
use monetization_core::plan::{
    Billing, PlanTerms, PlanVersion, TermsDraft, Trial, TrialEnd, UsageDraft,
};
use monetization_core::product::{Meter, Product, ProductState};

use super::Bench;
use crate::sample::{START, text};

/// What a plan shall cost, in words of the plan: nothing where nothing is said.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "checks name what they change and keep the rest"
)]
pub struct Offer {
    /// The currency.
    pub currency: &'static str,
    /// How often it is billed.
    pub cycle: Cycle,
    /// What the start costs once.
    pub setup_fee: &'static str,
    /// What each period costs.
    pub base_price: &'static str,
    /// What a unit costs; a fixed plan where there is no such price.
    pub unit_price: Option<&'static str>,
    /// Another price of requests in the place of that one.
    pub price: Option<fn() -> UsageDraft>,
    /// Units that cost nothing.
    pub included: &'static str,
    /// Decimals of the meter.
    pub scale: u8,
    /// How a line is rounded.
    pub rounding: Rounding,
    /// Days that it is tried before it is paid.
    pub trial_days: u16,
}

impl Offer {
    /// A monthly plan in dollars at a cent for each request.
    pub const A_CENT_EACH: Self = Self {
        currency: "USD",
        cycle: Cycle::MONTH,
        setup_fee: "0",
        base_price: "0",
        unit_price: Some("0.01"),
        price: None,
        included: "0",
        scale: 0,
        rounding: Rounding::HalfAwayFromZero,
        trial_days: 0,
    };

    /// A monthly plan at 25 dollars, whatever is used.
    pub const FIXED: Self = Self {
        base_price: "25",
        unit_price: None,
        ..Self::A_CENT_EACH
    };

    /// The terms.
    #[must_use]
    pub fn terms(self) -> PlanTerms {
        let billing = if self.unit_price.is_some() {
            Billing::Metered
        } else {
            Billing::Fixed
        };
        let mut draft = TermsDraft::new(billing, text(self.currency), self.cycle);
        draft.setup_fee = Some(self.setup_fee.to_owned());
        draft.base_price = Some(self.base_price.to_owned());
        draft.rounding = self.rounding;
        draft.trial = (self.trial_days > 0).then_some(Trial {
            days: self.trial_days,
            then: TrialEnd::Convert,
        });
        let per_unit = |unit_price| UsageDraft::per_unit(text(Meter::REQUESTS), text(unit_price));
        let by_model = self.price.map(|price| price());
        let usage = by_model.or(self.unit_price.map(per_unit));
        draft.usage.extend(usage.map(|usage| UsageDraft {
            included: Some(self.included.to_owned()),
            ..usage
        }));
        PlanTerms::new(draft, &[self.meter()]).unwrap()
    }

    /// What it counts.
    #[must_use]
    pub fn meter(self) -> Meter {
        let requests = Meter::requests(MeterId::derived(&[b"requests", &[self.scale]]));
        Meter {
            scale: Scale::try_from(self.scale).unwrap(),
            ..requests.unwrap()
        }
    }

    /// A quantity of its meter.
    #[must_use]
    pub fn units(self, quantity: &str) -> Quantity {
        self.meter().scale.parse(quantity).unwrap()
    }
}

impl Bench {
    /// A product.
    #[must_use]
    pub fn product(&self) -> Product {
        Product {
            id: self.sample.id(),
            tenant: self.tenant,
            publisher: self.sample.id(),
            slug: text("weather"),
            name: text("Weather"),
            description: text("Forecasts"),
            gateway_endpoint: text("https://api.example.com"),
            state: ProductState::Active,
            meters: vec![Offer::A_CENT_EACH.meter()],
            resources: Vec::new(),
            monetization: None,
            created_at: START,
        }
    }

    /// Whether the engine says that it can invoice this by itself.
    #[must_use]
    pub fn can_invoice(&self, offer: Offer) -> bool {
        let shapes = self.fixture.engine().descriptor.shapes;
        shapes.check(&offer.terms()).is_ok()
    }

    /// The first version of a plan of this product.
    #[must_use]
    pub fn version(&self, product: &Product, offer: Offer) -> PlanVersion {
        PlanVersion {
            id: self.sample.id(),
            tenant: self.tenant,
            product: product.id,
            plan: self.sample.id(),
            number: 1,
            name: text("Gold"),
            terms: offer.terms(),
            created_at: START,
        }
    }
}
