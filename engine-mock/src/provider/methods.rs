//! The pages of customers, and what they store on them to pay with.
//!
//! A page's link leads to its customer and back to whoever has sent them there; it is good for ever, since
//! no money is real. What is stored is told at once, and charged from when the engine is asked to: until
//! then customers pay as they did before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use monetization_core::engine::Page;
use monetization_core::text::{ForeignId, PageUrl};

use super::{Account, Customer, NoticeAbout, Outcome, PaymentBehaviour, Provider, Refusal, Reply};

const PORTAL: &str = "portal";
const CHECKOUT: &str = "checkout";

impl Customer {
    /// The token of a page of theirs. It can be computed and is no secret: nothing but a mock's money hangs
    /// on it.
    #[must_use]
    pub fn link(&self, page: Page, return_url: &PageUrl) -> String {
        let page = match page {
            Page::Portal => PORTAL,
            Page::Checkout => CHECKOUT,
        };
        let back = URL_SAFE_NO_PAD.encode(return_url.as_str());
        format!("{page}_{}_{back}", digits(&self.id))
    }
}

impl Provider {
    /// The page that a token leads to, whose it is, and where it leads back to.
    #[must_use]
    pub fn behind_page(&self, token: &str) -> Option<(Page, &Customer, PageUrl)> {
        let (page, rest) = token.split_once('_')?;
        let page = match page {
            PORTAL => Page::Portal,
            CHECKOUT => Page::Checkout,
            _ => return None,
        };
        let (digits, back) = rest.split_once('_')?;
        let customer = self.customers.get(&format!("cus_{digits}").parse().ok()?)?;
        let back = String::from_utf8(URL_SAFE_NO_PAD.decode(back).ok()?).ok()?;
        Some((page, customer, back.parse().ok()?))
    }

    /// A customer stores what they pay with, and everybody is told.
    pub(super) fn store_method(&mut self, id: &ForeignId) -> Outcome {
        let Some(customer) = self.customers.get_mut(id) else {
            return Outcome::Missing;
        };
        customer.methods_stored = customer.methods_stored.saturating_add(1);
        let (account, version) = (customer.account.clone(), customer.methods_stored);
        self.tell(account, version, NoticeAbout::MethodStored(id.clone()));
        Outcome::Done
    }

    /// Charges a customer from now on, if they have stored something; whose bank says no is still declined.
    pub(super) fn charge_stored(
        &mut self,
        account: &Account,
        id: &ForeignId,
    ) -> Result<Reply, Refusal> {
        self.customer(account, id)?;
        let behaviour = self.behaviour(id);
        if let Some(customer) = self.customers.get_mut(id)
            && customer.methods_stored > 0
            && behaviour == PaymentBehaviour::WaitsForLink
        {
            customer.behaviour = Some(PaymentBehaviour::Automatically);
        }
        Ok(Reply::Done)
    }
}

/// The number in a customer's name.
fn digits(customer: &ForeignId) -> &str {
    customer.as_str().trim_start_matches("cus_")
}
