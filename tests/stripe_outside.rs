//! Stripe's engine against what others wrote: servers that know nothing of us, and Stripe's own signer,
//! verifier and client. Nothing of them is part of the project; `scripts/outside.sh` installs them, each
//! runs as a process of its own, and no test contacts anything but loopback.
//!
//! | program | what of it is used | what it does not serve |
//! |---|---|---|
//! | stripe-stateful-mock 0.0.16 (MIT) | replay of idempotency keys and their reuse, accounts, what is missing | meters, invoices, webhooks; subscriptions by prices, changes of what it has, filters of lists |
//! | localstripe 1.15.10 (GPL-3.0-or-later) | webhooks over the life of an invoice, signed by its code; lists of invoices | prices, meters, accounts, idempotency |
//! | stripe 16.0.1 (MIT), Stripe's SDK for Python | its signer and its verifier; its client against the fake; the specification that it is made from | it is no server |
//!
//! The faults that stripe-stateful-mock plays on demand befall charges only, which the engine makes none of:
//! replies are lost on the way to it instead.
//!
//! Without these programs the tests are ignored: they are run by `scripts/outside.sh`, which is part of
//! `scripts/test.sh`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail"
)]

mod stripe_outside {
    mod asking;
    mod processes {
        mod accounts;
        mod invoices;
        mod repeats;
        mod sdk;
    }
    mod program;
    mod relay;
    mod stateful;
}
