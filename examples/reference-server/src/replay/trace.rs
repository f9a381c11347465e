use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use monetization_core::clock::Timestamp;
use monetization_core::ids::RecordId;
use monetization_core::product::Meter;
use monetization_core::usage::Counted;
use serde::Serialize;

use super::order::Call;

/// Writes what became of each line, as lines of JSON: whatever is billed can be found in it.
pub(super) struct Trace {
    to: Box<dyn Write + Send>,
    files: Vec<String>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It was let through, and this is its record.
    Recorded(RecordId),
    /// It was refused, for this reason.
    Refused(&'static str),
}

#[derive(Serialize)]
struct Traced<'a> {
    file: &'a str,
    line: u64,
    at: Timestamp,
    consumer: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    /// What its record counts, by meter.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    counted: BTreeMap<&'a str, String>,
}

impl Trace {
    /// Writes there, of logs of these names.
    pub(super) fn new(to: Box<dyn Write + Send>, files: Vec<String>) -> Self {
        Self { to, files }
    }

    /// Writes what became of one line. What its record counts is `counted`, of these meters.
    pub(super) fn write(
        &mut self,
        (call, made): &(Call, Made),
        consumer: &str,
        meters: &[Meter],
        counted: &[Counted],
    ) -> io::Result<()> {
        let file = usize::try_from(call.file).ok();
        let file = file.and_then(|file| self.files.get(file));
        let counted = counted.iter().filter_map(|counted| {
            let meter = meters.iter().find(|meter| meter.id == counted.meter)?;
            let quantity = meter.scale.render(counted.quantity);
            Some((meter.name.as_str(), quantity))
        });
        let traced = Traced {
            file: file.map(String::as_str).unwrap_or_default(),
            line: call.line,
            at: call.at,
            consumer,
            status: call.status,
            refused: match made {
                Made::Recorded(_) => None,
                Made::Refused(reason) => Some(reason),
            },
            counted: counted.collect(),
        };
        serde_json::to_writer(&mut self.to, &traced)?;
        self.to.write_all(b"\n")
    }

    /// Writes what is left.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Trace").finish_non_exhaustive()
    }
}
