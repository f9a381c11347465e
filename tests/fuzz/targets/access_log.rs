//! Any bytes as an access log: each line a call with what a call has, or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reference_server::access_log::{ConsumerBy, Lines};

const CONSUMERS: [&str; 4] = ["address", "user", "header:user-agent", "header:x-api-key"];

fuzz_target!(|bytes: &[u8]| {
    let consumers = CONSUMERS.map(|by| by.parse::<ConsumerBy>().expect("a way to tell them apart"));
    let mut lines = Lines::new(bytes);
    let mut last = 0;
    while let Some(line) = lines.next().expect("a slice has no failures") {
        assert!(line.number > last);
        last = line.number;
        for by in &consumers {
            match line.entry(by) {
                Ok(entry) => {
                    assert!((200..600).contains(&entry.status), "{entry:?}");
                    assert!(!entry.target.is_empty() && !entry.target.contains(' '), "{entry:?}");
                }
                Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
            }
        }
    }
});
