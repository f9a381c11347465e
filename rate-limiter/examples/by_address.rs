//! Limits for each client address, with a bound on how many addresses are remembered.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::net::IpAddr;
use std::num::NonZeroU32;

use monetization_rate_limiter::{Keyed, Limit, Limits, Timestamp, Window};

const ADDRESSES_MAX: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

fn main() -> Result<(), Box<dyn Error>> {
    let limits = Limits::new([
        Limit::calendar(Window::Second, 2),
        Limit::calendar(Window::Hour, 100),
    ])?;
    let limiter: Keyed<IpAddr> = Keyed::new(limits, ADDRESSES_MAX)?;

    let log = [
        ("2026-03-01T09:00:00.1Z", "192.0.2.7"),
        ("2026-03-01T09:00:00.2Z", "192.0.2.7"),
        ("2026-03-01T09:00:00.3Z", "192.0.2.7"),
        ("2026-03-01T09:00:00.4Z", "2001:db8::1"),
        ("2026-03-01T09:00:01Z", "192.0.2.7"),
    ];
    for (at, address) in log {
        let now: Timestamp = at.parse()?;
        match limiter.take(&address.parse()?, now, 1) {
            Ok(decision) if decision.is_allowed() => println!("{at} {address} served"),
            Ok(_) => println!("{at} {address} refused"),
            // Too many addresses are active to count this one: serving it or not is this program's choice.
            Err(full) => println!("{at} {address} refused: {full}"),
        }
    }
    println!("{} addresses are counted", limiter.len());
    Ok(())
}
