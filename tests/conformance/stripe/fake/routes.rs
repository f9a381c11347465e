//! Which operation a path stands for.

use serde_json::Value;

use super::books::Books;
use super::problem::Problem;
use super::unsupported;
use crate::stripe::form::Form;

type Served = Result<Value, Problem>;

impl Books {
    /// Carries out an operation that the specification knows.
    pub(super) fn serve(&mut self, method: &str, path: &str, form: &Form) -> Served {
        if method == "POST" {
            unsupported::refuse(form)?;
        }
        let steps: Vec<&str> = path.split('/').skip(2).collect();
        let served = match steps.split_first() {
            Some((&"billing", rest)) => self.serve_billing(method, rest, form, path),
            Some((&"products" | &"prices", _)) => self.serve_catalogue(method, &steps, form),
            Some((&"customers" | &"payment_methods", _)) => {
                self.serve_customers(method, &steps, form)
            }
            Some((&"subscriptions" | &"subscription_items" | &"subscription_schedules", _)) => {
                self.serve_subscriptions(method, &steps, form)
            }
            Some((&"invoices" | &"invoiceitems" | &"credit_notes", _)) => {
                self.serve_invoices(method, &steps, form)
            }
            Some((&"checkout" | &"billing_portal", _)) => self.serve_pages(method, &steps, form),
            Some((&"core", rest)) => self.serve_second(method, rest, form),
            Some(_) => self.serve_rest(method, &steps, form),
            None => None,
        };
        let served = served.unwrap_or_else(|| {
            let message = format!("Unrecognized request URL ({method}: {path}).");
            Err(Problem::invalid(message).status(404))
        });
        served.map(|answer| self.expanded(answer, form))
    }

    fn serve_billing(
        &mut self,
        method: &str,
        steps: &[&str],
        form: &Form,
        path: &str,
    ) -> Option<Served> {
        Some(match (method, steps) {
            ("POST", ["meters"]) => self.create_meter(form),
            ("GET", ["meters"]) => self.list_meters(form),
            ("GET", ["meters", id]) => self.retrieve_meter(id),
            ("POST", ["meters", id]) => self.update_meter(id, form),
            ("POST", ["meters", id, "deactivate"]) => self.switch_meter(id, false),
            ("POST", ["meters", id, "reactivate"]) => self.switch_meter(id, true),
            ("GET", ["meters", id, "event_summaries"]) => self.summaries(id, form, path),
            ("POST", ["meter_events"]) => self.take_meter_event(form),
            ("POST", ["meter_event_adjustments"]) => self.adjust_meter_event(form),
            _ => return None,
        })
    }

    fn serve_catalogue(&mut self, method: &str, steps: &[&str], form: &Form) -> Option<Served> {
        Some(match (method, steps) {
            ("POST", ["products"]) => self.create_product(form),
            ("GET", ["products"]) => self.list_products(form),
            ("GET", ["products", id]) => self.retrieve_product(id),
            ("POST", ["products", id]) => self.update_product(id, form),
            ("DELETE", ["products", id]) => self.delete_product(id),
            ("POST", ["prices"]) => self.create_price(form),
            ("GET", ["prices"]) => self.list_prices(form),
            ("GET", ["prices", id]) => self.retrieve_price(id),
            ("POST", ["prices", id]) => self.update_price(id, form),
            _ => return None,
        })
    }

    fn serve_customers(&mut self, method: &str, steps: &[&str], form: &Form) -> Option<Served> {
        Some(match (method, steps) {
            ("POST", ["customers"]) => self.create_customer(form),
            ("GET", ["customers"]) => self.list_customers(form),
            ("GET", ["customers", "search"]) => self.search_customers(form),
            ("GET", ["customers", id]) => self.retrieve_customer(id),
            ("POST", ["customers", id]) => self.update_customer(id, form),
            ("DELETE", ["customers", id]) => self.delete_customer(id),
            ("GET", ["customers", id, "payment_methods"]) => {
                self.list_payment_methods(Some(id), form)
            }
            ("GET", ["payment_methods"]) => {
                let customer = form.word("customer");
                self.list_payment_methods(customer, form)
            }
            ("GET", ["payment_methods", id]) => self.retrieve_payment_method(id),
            ("POST", ["payment_methods", id, "attach"]) => self.attach(id, form),
            _ => return None,
        })
    }

    fn serve_subscriptions(&mut self, method: &str, steps: &[&str], form: &Form) -> Option<Served> {
        Some(match (method, steps) {
            ("POST", ["subscriptions"]) => self.create_subscription(form),
            ("GET", ["subscriptions"]) => self.list_subscriptions(form),
            ("GET", ["subscriptions", id]) => self.retrieve_subscription(id),
            ("POST", ["subscriptions", id]) => self.update_subscription(id, form),
            ("DELETE", ["subscriptions", id]) => self.cancel_subscription(id, form),
            ("GET", ["subscription_items"]) => self.list_subscription_items(form),
            ("POST", ["subscription_schedules"]) => self.create_schedule(form),
            ("GET", ["subscription_schedules"]) => self.list_schedules(form),
            ("GET", ["subscription_schedules", id]) => self.retrieve_schedule(id),
            ("POST", ["subscription_schedules", id]) => self.update_schedule(id, form),
            ("POST", ["subscription_schedules", id, "release"]) => self.release_schedule(id),
            ("POST", ["subscription_schedules", id, "cancel"]) => self.cancel_schedule(id, form),
            _ => return None,
        })
    }

    fn serve_invoices(&mut self, method: &str, steps: &[&str], form: &Form) -> Option<Served> {
        Some(match (method, steps) {
            ("POST", ["invoices"]) => self.create_invoice(form),
            ("POST", ["invoices", "create_preview"]) => self.preview(form),
            ("GET", ["invoices"]) => self.list_invoices(form),
            ("GET", ["invoices", id]) => self.retrieve_invoice(id),
            ("POST", ["invoices", id]) => self.update_invoice(id, form),
            ("DELETE", ["invoices", id]) => self.delete_invoice(id),
            ("GET", ["invoices", id, "lines"]) => self.list_lines(id, form),
            ("POST", ["invoices", id, "finalize"]) => self.finalize_invoice(id, form),
            ("POST", ["invoices", id, "pay"]) => self.pay_invoice(id, form),
            ("POST", ["invoices", id, "void"]) => self.void_invoice(id),
            ("POST", ["invoices", id, "mark_uncollectible"]) => self.give_up_invoice(id),
            ("POST", ["invoiceitems"]) => self.create_invoice_item(form),
            ("GET", ["invoiceitems"]) => self.list_invoice_items(form),
            ("GET", ["invoiceitems", id]) => self.retrieve_invoice_item(id),
            ("DELETE", ["invoiceitems", id]) => self.delete_invoice_item(id),
            ("POST", ["credit_notes"]) => self.create_credit_note(form),
            ("GET", ["credit_notes"]) => self.list_credit_notes(form),
            ("GET", ["credit_notes", id]) => self.retrieve_credit_note(id),
            _ => return None,
        })
    }

    fn serve_pages(&mut self, method: &str, steps: &[&str], form: &Form) -> Option<Served> {
        Some(match (method, steps) {
            ("POST", ["checkout", "sessions"]) => self.create_session(form),
            ("GET", ["checkout", "sessions"]) => self.list_sessions(form),
            ("GET", ["checkout", "sessions", id]) => self.retrieve_session(id),
            ("POST", ["checkout", "sessions", id, "expire"]) => self.expire_session(id),
            ("POST", ["billing_portal", "sessions"]) => self.create_portal_session(form),
            ("POST", ["billing_portal", "configurations"]) => self.create_configuration(form),
            ("GET", ["billing_portal", "configurations"]) => self.list_configurations(form),
            ("GET", ["billing_portal", "configurations", id]) => self.retrieve_configuration(id),
            ("POST", ["billing_portal", "configurations", id]) => {
                self.update_configuration(id, form)
            }
            _ => return None,
        })
    }

    /// What there is of the second version.
    fn serve_second(&mut self, method: &str, steps: &[&str], form: &Form) -> Option<Served> {
        Some(match (method, steps) {
            ("GET", ["events", id]) => self.retrieve_thin_event(id),
            ("POST", ["event_destinations"]) => self.create_destination(form),
            ("GET", ["event_destinations"]) => self.list_destinations(form),
            ("GET", ["event_destinations", id]) => self.retrieve_destination(id, form),
            ("POST", ["event_destinations", id]) => self.update_destination(id, form),
            ("POST", ["event_destinations", id, "enable"]) => self.switch_destination(id, true),
            ("POST", ["event_destinations", id, "disable"]) => self.switch_destination(id, false),
            _ => return None,
        })
    }

    fn serve_rest(&mut self, method: &str, steps: &[&str], form: &Form) -> Option<Served> {
        Some(match (method, steps) {
            ("GET", ["account"]) => Ok(self.account_json()),
            ("POST", ["webhook_endpoints"]) => self.create_endpoint(form),
            ("GET", ["webhook_endpoints"]) => self.list_endpoints(form),
            ("GET", ["webhook_endpoints", id]) => self.retrieve_endpoint(id),
            ("POST", ["webhook_endpoints", id]) => self.update_endpoint(id, form),
            ("DELETE", ["webhook_endpoints", id]) => self.delete_endpoint(id),
            ("GET", ["events"]) => self.list_events(form),
            ("GET", ["events", id]) => self.retrieve_event(id),
            ("POST", ["test_helpers", "test_clocks"]) => self.create_test_clock(form),
            ("GET", ["test_helpers", "test_clocks", id]) => self.retrieve_test_clock(id),
            ("POST", ["test_helpers", "test_clocks", id, "advance"]) => {
                self.advance_test_clock(id, form)
            }
            _ => return None,
        })
    }
}
