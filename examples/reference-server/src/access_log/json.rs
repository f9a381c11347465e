//! JSON lines.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, Method};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::entry::{ConsumerBy, Entry, LineError, client, request, said, size, status};
use super::time;

/// Reads one line.
pub(super) fn parse<'a>(line: &'a [u8], by: &ConsumerBy) -> Result<Entry<'a>, LineError> {
    let mut found = Found {
        header: match by {
            ConsumerBy::Header(name) => Some(name),
            ConsumerBy::Address | ConsumerBy::User => None,
        },
        fields: Default::default(),
        request: None,
        value: None,
    };
    let mut from = serde_json::Deserializer::from_slice(line);
    let whole = found.deserialize_into(&mut from);
    whole
        .and_then(|()| from.end())
        .map_err(|_| LineError::Json)?;
    found.entry(by)
}

/// What a field tells, in the order of the names in [`NAMES`].
#[derive(Clone, Copy)]
enum What {
    Address,
    User,
    Time,
    Method,
    Target,
    Status,
    Sent,
    Received,
}

/// The names under which each is looked for, best first.
const NAMES: [&[&str]; 8] = [
    &[
        "remote_addr",
        "client_ip",
        "remote_ip",
        "ClientHost",
        "ClientAddr",
    ],
    &["remote_user", "user_id", "user", "ClientUsername"],
    &[
        "time_iso8601",
        "StartUTC",
        "msec",
        "time_local",
        "ts",
        "time",
        "timestamp",
        "@timestamp",
    ],
    &["request_method", "RequestMethod", "method"],
    &["request_uri", "RequestPath", "uri", "path"],
    &["status", "DownstreamStatus"],
    &[
        "body_bytes_sent",
        "bytes_sent",
        "DownstreamContentSize",
        "size",
        "bytes",
    ],
    &["request_length", "RequestContentSize", "bytes_read"],
];

/// What was found so far: of each field the value under its best name.
struct Found<'a, 'h> {
    header: Option<&'h HeaderName>,
    fields: [Option<(usize, Cow<'a, str>)>; 8],
    /// The line of the request, where it is one text.
    request: Option<Cow<'a, str>>,
    /// The value of the header that was asked for.
    value: Option<Cow<'a, str>>,
}

impl<'a> Found<'a, '_> {
    fn deserialize_into(
        &mut self,
        from: &mut serde_json::Deserializer<serde_json::de::SliceRead<'a>>,
    ) -> Result<(), serde_json::Error> {
        from.deserialize_map(Object {
            found: self,
            within: Within::Line,
        })
    }

    /// The field's place, and which of its names this is.
    fn place(name: &str) -> Option<(usize, usize)> {
        NAMES.iter().enumerate().find_map(|(place, names)| {
            let rank = names.iter().position(|known| *known == name)?;
            Some((place, rank))
        })
    }

    fn take(&mut self, name: &str, value: Cow<'a, str>) {
        let Some((place, rank)) = Self::place(name) else {
            return;
        };
        let Some(field) = self.fields.get_mut(place) else {
            return;
        };
        if field.as_ref().is_none_or(|(known, _)| rank <= *known) {
            *field = Some((rank, value));
        }
    }

    /// Whether this field of the line is the header that was asked for.
    fn is_header(&self, field: &str) -> bool {
        let Some(header) = self.header.map(HeaderName::as_str) else {
            return false;
        };
        let nginx = field.strip_prefix("http_");
        let nginx = nginx.is_some_and(|name| {
            name.len() == header.len()
                && name.bytes().zip(header.bytes()).all(|(one, other)| {
                    let other = if other == b'-' { b'_' } else { other };
                    one.eq_ignore_ascii_case(&other)
                })
        });
        let traefik = field.strip_prefix("request_");
        nginx || traefik.is_some_and(|name| name.eq_ignore_ascii_case(header))
    }

    fn field(&mut self, what: What) -> Option<Cow<'a, str>> {
        let field = self.fields.get_mut(what as usize)?;
        field.take().map(|(_, value)| value)
    }

    fn entry(mut self, by: &ConsumerBy) -> Result<Entry<'a>, LineError> {
        let at = self.field(What::Time);
        let at = at.and_then(|at| time::json(&at)).ok_or(LineError::Time)?;
        let (method, target) = self.asked().ok_or(LineError::Request)?;
        let found = self.field(What::Status);
        let status = found.and_then(|found| status(&found));
        let status = status.ok_or(LineError::Status)?;
        let bytes = |field: Option<Cow<'_, str>>| match field {
            Some(field) => size(&field).ok_or(LineError::Size),
            None => Ok(0),
        };
        let consumer = match by {
            ConsumerBy::Address => match self.field(What::Address) {
                Some(address) => Some(client(address).ok_or(LineError::Address)?),
                None => None,
            },
            ConsumerBy::User => self.field(What::User),
            ConsumerBy::Header(_) => self.value.take(),
        };
        Ok(Entry {
            consumer,
            at,
            method,
            target,
            status,
            sent_bytes: bytes(self.field(What::Sent))?,
            received_bytes: bytes(self.field(What::Received))?,
        })
    }

    fn asked(&mut self) -> Option<(Method, Cow<'a, str>)> {
        match self.request.take() {
            Some(Cow::Borrowed(line)) => {
                let (method, target) = request(line)?;
                Some((method, Cow::Borrowed(target)))
            }
            Some(Cow::Owned(line)) => {
                let (method, target) = request(&line)?;
                Some((method, Cow::Owned(target.to_owned())))
            }
            None => {
                let method = self.field(What::Method)?;
                let method = Method::from_bytes(method.as_bytes()).ok()?;
                let target = self.field(What::Target)?;
                (!target.contains(' ')).then_some((method, target))
            }
        }
    }
}

/// What an object is part of.
#[derive(Clone, Copy)]
enum Within {
    Line,
    Request,
    Headers,
}

/// An object of the line, whose fields are put where they belong.
struct Object<'f, 'a, 'h> {
    found: &'f mut Found<'a, 'h>,
    within: Within,
}

impl<'a> Visitor<'a> for Object<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { found, within } = self;
        while let Some(name) = map.next_key_seed(Scalar)? {
            let name = name.unwrap_or_default();
            let nested = match (within, &*name) {
                (Within::Line, "request") => Some(Within::Request),
                (Within::Request, "headers") if found.header.is_some() => Some(Within::Headers),
                _ => None,
            };
            if let Some(within) = nested {
                let inner = Object { found, within };
                if let Some(text) = map.next_value_seed(inner)? {
                    found.request = said(text);
                }
                continue;
            }
            let is_header = match within {
                Within::Line => found.is_header(&name),
                Within::Request => false,
                Within::Headers => found
                    .header
                    .is_some_and(|header| name.eq_ignore_ascii_case(header.as_str())),
            };
            let wanted = !matches!(within, Within::Headers) && Found::place(&name).is_some();
            if !is_header && !wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if let Some(value) = map.next_value_seed(Scalar)?.and_then(said) {
                if is_header {
                    found.value = Some(value.clone());
                }
                if wanted {
                    found.take(&name, value);
                }
            }
        }
        Ok(())
    }
}

/// An object within the line, or a text in its place.
impl<'a> DeserializeSeed<'a> for Object<'_, 'a, '_> {
    type Value = Option<Cow<'a, str>>;

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(ObjectOrText(self))
    }
}

struct ObjectOrText<'f, 'a, 'h>(Object<'f, 'a, 'h>);

impl<'a> Visitor<'a> for ObjectOrText<'_, 'a, '_> {
    type Value = Option<Cow<'a, str>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object or a text")
    }

    fn visit_map<M: MapAccess<'a>>(self, map: M) -> Result<Self::Value, M::Error> {
        self.0.visit_map(map).map(|()| None)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A text, or a number as it is written; of a list its first. Anything else is nothing.
struct Scalar;

impl<'a> DeserializeSeed<'a> for Scalar {
    type Value = Option<Cow<'a, str>>;

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Scalar {
    type Value = Option<Cow<'a, str>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let first = list.next_element_seed(Self)?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.flatten())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
