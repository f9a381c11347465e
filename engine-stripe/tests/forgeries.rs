//! Messages of Stripe's of which somebody has changed something on the way, or which their sender has
//! made strangely: believed if they say what was signed, refused otherwise, whatever they are.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say what they expect and stop where it is not so"
)]

use std::sync::{Arc, LazyLock};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::engine::Webhooks;
use monetization_core::secret::Secret;
use monetization_engine_stripe::{StripeOptions, engine};
use proptest::prelude::*;
use proptest::sample::Index;
use sha2::Sha256;

const SECRET: &str = "whsec_of_the_tests";
const HEADER: HeaderName = HeaderName::from_static("stripe-signature");
const BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"invoice.paid"}"#;
/// 2026-01-01, 00:00 UTC.
const SENT_AT: i64 = 1_767_225_600;
/// Cases where nothing is said of more.
const CASES: u32 = 20_000;
/// Bytes of a header that are read at most.
const HEADER_BYTES_MAX: usize = 4_096;

static WEBHOOKS: LazyLock<Arc<dyn Webhooks>> =
    LazyLock::new(|| engine(&StripeOptions::default()).unwrap().webhooks.unwrap());

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(CASES),
        ..ProptestConfig::default()
    })]

    /// R-W1: whatever is changed, only what says the same as was signed is believed.
    #[test]
    fn no_changed_message_of_stripe_is_believed_r_w1(mutations in mutations()) {
        let mut wire = Wire::signed(&SENT_AT.to_string());
        for mutation in mutations {
            wire.mutate(mutation);
        }
        if let Some(believed) = is_believed(&wire) {
            prop_assert_eq!(believed, wire.is_genuine(), "{:?}", wire);
        }
    }
}

/// Otherwise refusing everything would do.
#[test]
fn a_message_of_stripe_with_more_around_its_signature_is_believed_r_w1() {
    let signed = Wire::signed(&SENT_AT.to_string());
    assert_eq!(is_believed(&signed), Some(true));
    for element in ["v0=00", "v1=", "v1=zz", "x=1", "v2=00", " v1=00 "] {
        for first in [true, false] {
            let mut wire = signed.clone();
            wire.mutate(Mutation::AddElement(element.to_owned(), first));
            assert_eq!(is_believed(&wire), Some(true), "{wire:?}");
        }
    }
    for (seconds, believed) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let mut wire = signed.clone();
        wire.mutate(Mutation::ReceiveAfter(seconds));
        assert_eq!(is_believed(&wire), Some(believed), "{seconds}");
    }
}

/// The sender itself may say any time, and its receiver does not fall over it.
#[test]
fn no_time_that_stripe_signs_is_too_much_r_w1() {
    let times = [i64::MIN, -1, 0, SENT_AT, i64::MAX / 1_000_000, i64::MAX];
    for time in times {
        for now in [Timestamp::MIN, Timestamp::EPOCH, Timestamp::MAX] {
            let mut wire = Wire::signed(&time.to_string());
            wire.now = now;
            assert_eq!(is_believed(&wire), Some(wire.is_genuine()), "{wire:?}");
        }
    }
}

/// A message as it lies on the wire, and when it is received.
#[derive(Debug, Clone)]
struct Wire {
    /// Every value of the header.
    headers: Vec<Vec<u8>>,
    body: Vec<u8>,
    now: Timestamp,
}

/// What is done to a message.
#[derive(Debug, Clone)]
enum Mutation {
    FlipBody(Index, u8),
    CutBody(Index),
    ExtendBody(Vec<u8>),
    FlipHeader(Index, Index, u8),
    SetHeader(Index, Vec<u8>),
    RemoveHeader(Index),
    RepeatHeader(Index),
    AddElement(String, bool),
    RotateElements(Index),
    RepeatElement(Index),
    /// The sender itself signs this time.
    SignTime(String),
    ReceiveAfter(i64),
    ReceiveAt(Timestamp),
}

impl Wire {
    fn signed(seconds: &str) -> Self {
        let signature = signature(seconds.as_bytes(), BODY);
        Self {
            headers: vec![format!("t={seconds},v1={signature}").into_bytes()],
            body: BODY.to_vec(),
            now: Timestamp::from_secs(SENT_AT),
        }
    }

    fn mutate(&mut self, mutation: Mutation) {
        match mutation {
            Mutation::FlipBody(at, bit) => flip(&mut self.body, at, bit),
            Mutation::CutBody(at) => self.body.truncate(at.index(self.body.len() + 1)),
            Mutation::ExtendBody(more) => self.body.extend(more),
            Mutation::ReceiveAfter(seconds) => self.now = Timestamp::from_secs(SENT_AT + seconds),
            Mutation::ReceiveAt(now) => self.now = now,
            Mutation::SignTime(seconds) => self.headers = Self::signed(&seconds).headers,
            of_headers if !self.headers.is_empty() => self.mutate_headers(of_headers),
            _ => {}
        }
    }

    fn mutate_headers(&mut self, mutation: Mutation) {
        let count = self.headers.len();
        match mutation {
            Mutation::FlipHeader(which, at, bit) => {
                flip(&mut self.headers[which.index(count)], at, bit);
            }
            Mutation::SetHeader(which, value) => self.headers[which.index(count)] = value,
            Mutation::RemoveHeader(which) => drop(self.headers.remove(which.index(count))),
            Mutation::RepeatHeader(which) => {
                let again = self.headers[which.index(count)].clone();
                self.headers.push(again);
            }
            Mutation::AddElement(element, first) => self.edit_elements(|elements| {
                let at = if first { 0 } else { elements.len() };
                elements.insert(at, element.into_bytes());
            }),
            Mutation::RotateElements(by) => self.edit_elements(|elements| {
                let by = by.index(elements.len());
                elements.rotate_left(by);
            }),
            Mutation::RepeatElement(which) => self.edit_elements(|elements| {
                let again = elements[which.index(elements.len())].clone();
                elements.push(again);
            }),
            other => panic!("{other:?} changes no header"),
        }
    }

    fn edit_elements(&mut self, edit: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let mut elements = elements(&self.headers[0]).map(<[u8]>::to_vec).collect();
        edit(&mut elements);
        self.headers[0] = elements.join(&b',');
    }

    /// Whether it says what was signed, and is received in time: told without the code under test.
    fn is_genuine(&self) -> bool {
        let [header] = self.headers.as_slice() else {
            return false;
        };
        let is_text = header
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        if !is_text || header.len() > HEADER_BYTES_MAX {
            return false;
        }
        // An element that is none makes the header one that others could read differently.
        if !elements(header).all(|element| element.contains(&b'=')) {
            return false;
        }
        let times: Vec<&[u8]> = named(header, b"t=").collect();
        let [time] = times.as_slice() else {
            return false;
        };
        let right = signature(time, &self.body);
        let is_signed = named(header, b"v1=").any(|it| it.to_ascii_lowercase() == right.as_bytes());
        let is_plain = (1..=12).contains(&time.len()) && time.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(time).unwrap_or_default();
        let is_fresh = text.parse::<i64>().is_ok_and(|seconds| {
            let apart = i128::from(seconds) * 1_000_000 - i128::from(self.now.as_micros());
            apart.abs() <= 300_000_000
        });
        is_signed && is_plain && is_fresh
    }

    /// `None` where no server would hand it on.
    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for value in &self.headers {
            headers.append(HEADER, HeaderValue::from_bytes(value).ok()?);
        }
        Some(headers)
    }
}

/// What stands between the commas, without the blanks around it.
fn elements(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The values of the elements of a name.
fn named<'a>(header: &'a [u8], name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    elements(header).filter_map(move |element| element.strip_prefix(name))
}

fn flip(bytes: &mut [u8], at: Index, bit: u8) {
    if !bytes.is_empty() {
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << (bit % 8);
    }
}

fn signature(seconds: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&[seconds, b".", body].concat());
    let digest = mac.finalize().into_bytes();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<Index>;
    let bytes = || prop::collection::vec(any::<u8>(), 0..8);
    let one = prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, bit)| Mutation::FlipBody(at, bit)),
        index().prop_map(Mutation::CutBody),
        bytes().prop_map(Mutation::ExtendBody),
        (index(), index(), any::<u8>())
            .prop_map(|(which, at, bit)| Mutation::FlipHeader(which, at, bit)),
        (index(), bytes()).prop_map(|(which, value)| Mutation::SetHeader(which, value)),
        index().prop_map(Mutation::RemoveHeader),
        index().prop_map(Mutation::RepeatHeader),
        (element(), any::<bool>())
            .prop_map(|(element, first)| Mutation::AddElement(element, first)),
        index().prop_map(Mutation::RotateElements),
        index().prop_map(Mutation::RepeatElement),
        time().prop_map(Mutation::SignTime),
        (-310_i64..310).prop_map(Mutation::ReceiveAfter),
        prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX)].prop_map(Mutation::ReceiveAt),
    ];
    prop::collection::vec(one, 0..4)
}

/// What may stand beside time and signature: nothing, halves, other schemes, other people's.
fn element() -> impl Strategy<Value = String> {
    let foreign = format!("v1={}", "07".repeat(32));
    let said = [
        "",
        "v1",
        "v1=",
        "v1=%%",
        "v0=00",
        "v2=00",
        "=",
        "t=1767225600",
        "t=",
        "T=1",
    ];
    let said = prop::sample::select(said.map(ToOwned::to_owned).to_vec());
    let long = (4_000_usize..4_100).prop_map(|length| format!("x={}", "0".repeat(length)));
    prop_oneof![4 => said, 2 => Just(foreign), 2 => "[ -~]{0,20}", 1 => long]
}

fn time() -> impl Strategy<Value = String> {
    let said = [
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "999999999999",
        "9999999999999",
        "99999999999999999999999999",
        "-1",
        "+1767225600",
        " 1767225600",
        "1767225600.0",
        "01767225600",
        "0001767225600",
        "",
        "0",
    ];
    let said = prop::sample::select(said.map(ToOwned::to_owned).to_vec());
    let near = (SENT_AT - 700..SENT_AT + 700).prop_map(|seconds| seconds.to_string());
    prop_oneof![said, near, any::<i64>().prop_map(|it| it.to_string())]
}

fn is_believed(wire: &Wire) -> Option<bool> {
    let secrets = [Secret::new("whsec_another"), Secret::new(SECRET)];
    let headers = wire.headers()?;
    let verified = WEBHOOKS.verify(&wire.body, &headers, &secrets, wire.now);
    Some(verified.is_ok_and(|event| {
        assert_eq!(event.body, wire.body, "the bytes that were signed");
        assert_eq!(event.id.as_str(), "evt_1", "the name that was signed");
        true
    }))
}
