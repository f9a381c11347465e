//! What is found when somebody looks into a database from outside, whichever store keeps it.
//!
//! Each [invariant](crate::for_each_invariant) holds after every transaction of a store, so also while
//! use is published, while a period is being closed, and after a crash anywhere. A store that
//! keeps a database asks it with a query for each: the query answers a row for everything it
//! looks at, its id, and its problem where it has one.

/// What was found of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub invariant: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// How many rows were looked at.
    pub looked: u64,
    /// How many of them break it.
    pub broken: u64,
    /// The first ten of those.
    pub examples: Vec<Example>,
}

/// A row that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What it is about, by its id.
    pub id: String,
    /// In which way.
    pub problem: String,
}

/// What waits for an operator, of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// `operation`, `batch`, `invoice`, or `use` that came after the last invoice.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Why it waits.
    pub reason: String,
    /// How many there are of this kind, this one counted.
    pub of_its_kind: u64,
}

impl Finding {
    /// Whether no row breaks it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken == 0
    }
}

/// Hands what must hold in every database to a macro: `name => meaning,` for each invariant, from
/// use over quotas and invoices to what is left to do.
///
/// ```
/// macro_rules! names {
///     ($($name:literal => $meaning:literal,)+) => { [$($name),+] };
/// }
///
/// let names = monetization_core::for_each_invariant!(names);
/// assert_eq!(names.first(), Some(&"ledger_equals_sums"));
/// ```
#[macro_export]
macro_rules! for_each_invariant {
    ($to:ident) => {
        $to! {
            "ledger_equals_sums" =>
                "records of a segment and meter add up to the sums of that origin",
            "sums_have_a_payer" =>
                "late use stands under a segment that follows the one it was used in",
            "events_count_once" =>
                "a reported event is one record, in one segment",
            "quotas_equal_ledger" =>
                "quotas have committed what records spent, and leased that and what is out",
            "leases_equal_ledger" =>
                "blocks of quotas have committed what records spent of them",
            "quotas_within_limit" =>
                "no more of a strict quota is leased than the plan allows",
            "batches_tile_sums" =>
                "batches of a sum follow each other without gap or overlap",
            "use_is_conserved" =>
                "used = confirmed + under way + held for an operator + not sealed",
            "billed_periods_are_closed" =>
                "no segment of a billed period takes use any more",
            "use_is_invoiced_once" =>
                "use of a billed period is on one line of one invoice, as it was used",
            "late_use_is_invoiced_once" =>
                "late use is on one line of the invoice of the segment that pays",
            "one_invoice_an_occasion" =>
                "a start or a period of a subscription has one invoice",
            "lines_equal_total" =>
                "lines of an invoice add up to its total, in its currency",
            "unpaid_is_blocked" =>
                "who has not paid the first invoice, or is past due without grace, has no access",
            "what_is_owed_is_asked_for" =>
                "what is not at the engine yet has an intent that asks for it",
            "credits_are_asked_for" =>
                "credits of an invoice come to no more than its total, and the engine is asked for each",
            "operations_are_asked_once" =>
                "each operation at an engine has one intent",
            "references_are_unique" =>
                "a subscription or invoice is one object at one engine, and none is two here",
            "work_is_fenced" =>
                "nothing was tried or ended without a claim",
            "facts_are_found" =>
                "facts are found by their keys, and by jobs when they fall due",
            "tenants_are_apart" =>
                "what belongs together belongs to one tenant",
        }
    };
}
