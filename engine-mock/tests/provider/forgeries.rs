//! Messages of which somebody has changed something on the way, or which their sender has made
//! strangely: believed if they say what was signed, refused otherwise, whatever they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::engine::Webhooks;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use monetization_engine_mock::MockEngine;
use monetization_engine_mock::webhooks::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use proptest::prelude::*;
use proptest::sample::Index;
use sha2::Sha256;

const SECRET: &str = "the secret of the tests";
/// 2026-01-01, 00:00 UTC.
const SENT_AT: i64 = 1_767_225_600;
const ID: usize = 0;
const TIMESTAMP: usize = 1;
const SIGNATURE: usize = 2;

/// A message as it lies on the wire, and when it is received.
#[derive(Debug, Clone)]
struct Wire {
    headers: Vec<(HeaderName, Vec<u8>)>,
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
    RotateHeaders(Index),
    AddSignature(String, bool),
    RotateSignatures(Index),
    /// The sender itself signs this time.
    SignTime(String),
    ReceiveAfter(i64),
    ReceiveAt(Timestamp),
}

impl Wire {
    fn signed(seconds: &str) -> Self {
        let body = br#"{"type":"weather.changed","account":null}"#.to_vec();
        let signature = signature(b"evt_1", seconds.as_bytes(), &body);
        Self {
            headers: vec![
                (ID_HEADER, b"evt_1".to_vec()),
                (TIMESTAMP_HEADER, seconds.as_bytes().to_vec()),
                (SIGNATURE_HEADER, signature.into_bytes()),
            ],
            body,
            now: Timestamp::from_secs(SENT_AT),
        }
    }

    fn mutate(&mut self, mutation: Mutation) {
        match mutation {
            Mutation::FlipBody(at, bit) => flip(&mut self.body, at, bit),
            Mutation::CutBody(at) => self.body.truncate(at.index(self.body.len() + 1)),
            Mutation::ExtendBody(more) => self.body.extend(more),
            Mutation::ReceiveAfter(seconds) => {
                self.now = Timestamp::from_secs(SENT_AT + seconds);
            }
            Mutation::ReceiveAt(now) => self.now = now,
            Mutation::SignTime(seconds) => {
                let now = self.now;
                *self = Self {
                    now,
                    ..Self::signed(&seconds)
                };
            }
            of_headers => self.mutate_headers(of_headers),
        }
    }

    fn mutate_headers(&mut self, mutation: Mutation) {
        let count = self.headers.len();
        if count == 0 {
            return;
        }
        match mutation {
            Mutation::FlipHeader(which, at, bit) => {
                flip(&mut self.headers[which.index(count)].1, at, bit);
            }
            Mutation::SetHeader(which, value) => self.headers[which.index(count)].1 = value,
            Mutation::RemoveHeader(which) => drop(self.headers.remove(which.index(count))),
            Mutation::RepeatHeader(which) => {
                let again = self.headers[which.index(count)].clone();
                self.headers.push(again);
            }
            Mutation::RotateHeaders(by) => self.headers.rotate_left(by.index(count)),
            Mutation::AddSignature(token, first) => self.edit_signatures(|tokens| {
                let at = if first { 0 } else { tokens.len() };
                tokens.insert(at, token.into_bytes());
            }),
            Mutation::RotateSignatures(by) => self.edit_signatures(|tokens| {
                let by = by.index(tokens.len());
                tokens.rotate_left(by);
            }),
            other => panic!("{other:?} changes no header"),
        }
    }

    fn edit_signatures(&mut self, edit: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let found = self.headers.iter_mut().find(|it| it.0 == SIGNATURE_HEADER);
        if let Some((_, value)) = found {
            let tokens = value.split(|byte| *byte == b' ');
            let mut tokens = tokens.map(<[u8]>::to_vec).collect();
            edit(&mut tokens);
            *value = tokens.join(&b' ');
        }
    }

    /// The only value of a header.
    fn only(&self, which: usize) -> Option<&[u8]> {
        let name = [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER][which].clone();
        let mut values = self.headers.iter().filter(|it| it.0 == name);
        let only = values.next().filter(|_| values.next().is_none());
        only.map(|(_, value)| value.as_slice())
    }

    /// Whether it says what was signed, and is received in time: told without the code under test.
    fn is_genuine(&self) -> bool {
        let fields = [ID, TIMESTAMP, SIGNATURE].map(|which| self.only(which));
        let [Some(id), Some(time), Some(tokens)] = fields else {
            return false;
        };
        // A header that is no text is refused whole, whatever stands in it beside.
        let is_text = tokens
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        let right = signature(id, time, &self.body);
        let is_signed = tokens
            .split(|byte| *byte == b' ')
            .any(|token| token == right.as_bytes());
        let digits_only = time.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(time).unwrap_or_default();
        let is_fresh = text.parse::<i64>().is_ok_and(|seconds| {
            let apart = i128::from(seconds) * 1_000_000 - i128::from(self.now.as_micros());
            apart.abs() <= 300_000_000
        });
        is_text && is_signed && digits_only && is_fresh
    }

    /// `None` where no server would hand it on.
    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.clone(), HeaderValue::from_bytes(value).ok()?);
        }
        Some(headers)
    }
}

fn flip(bytes: &mut [u8], at: Index, bit: u8) {
    if !bytes.is_empty() {
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << (bit % 8);
    }
}

fn signature(id: &[u8], seconds: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&[id, b".", seconds, b".", body].concat());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
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
        index().prop_map(Mutation::RotateHeaders),
        (token(), any::<bool>()).prop_map(|(token, first)| Mutation::AddSignature(token, first)),
        index().prop_map(Mutation::RotateSignatures),
        time().prop_map(Mutation::SignTime),
        (-310_i64..310).prop_map(Mutation::ReceiveAfter),
        prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX)].prop_map(Mutation::ReceiveAt),
    ];
    prop::collection::vec(one, 0..4)
}

/// What may stand beside the signature: nothing, halves, other schemes, other people's.
fn token() -> impl Strategy<Value = String> {
    let foreign = STANDARD.encode([7; 32]);
    let said = ["", "v1", "v1,", "v1,=", "v1,%%", "v0,AAAA", "v2,AAAA", ","];
    let said = prop::sample::select(said.map(ToOwned::to_owned).to_vec());
    prop_oneof![said, Just(format!("v1,{foreign}")), "[ -~]{0,20}"]
}

fn time() -> impl Strategy<Value = String> {
    let said = [
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "9223372036854",
        "9223372036855",
        "99999999999999999999999999",
        "-1",
        "+1767225600",
        " 1767225600",
        "1767225600.0",
        "0001767225600",
        "",
        "0",
    ];
    let said = prop::sample::select(said.map(ToOwned::to_owned).to_vec());
    let near = (SENT_AT - 700..SENT_AT + 700).prop_map(|seconds| seconds.to_string());
    prop_oneof![said, near, any::<i64>().prop_map(|it| it.to_string())]
}

fn is_believed(wire: &Wire) -> Option<bool> {
    let webhooks: std::sync::Arc<dyn Webhooks> =
        MockEngine::in_memory(wire.now).engine().webhooks.unwrap();
    let secrets = [Secret::new("another"), Secret::new(SECRET)];
    let verified = webhooks.verify(&wire.body, &wire.headers()?, &secrets, wire.now);
    Some(verified.is_ok_and(|event| {
        assert_eq!(event.body, wire.body, "the bytes that were signed");
        let id: ForeignId = "evt_1".parse().unwrap();
        assert_eq!(event.id, id, "the name that was signed");
        true
    }))
}

proptest! {
    /// R-W1: whatever is changed, only what says the same as was signed is believed.
    #[test]
    fn no_changed_message_is_believed_r_w1(mutations in mutations()) {
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
fn a_message_with_more_around_its_signature_is_believed_r_w1() {
    let signed = Wire::signed(&SENT_AT.to_string());
    assert_eq!(is_believed(&signed), Some(true));
    for token in ["", "v1", "v1,", "v1,AAAA", "v0,AAAA", "v1,%%"] {
        for first in [true, false] {
            let mut wire = signed.clone();
            wire.mutate(Mutation::AddSignature(token.to_owned(), first));
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
fn no_time_that_a_sender_signs_is_too_much_r_w1() {
    for time in [
        i64::MIN,
        i64::MIN + 1,
        -1,
        0,
        i64::MAX / 1_000_000,
        i64::MAX,
    ] {
        for now in [Timestamp::MIN, Timestamp::EPOCH, Timestamp::MAX] {
            let mut wire = Wire::signed(&time.to_string());
            wire.now = now;
            assert_eq!(is_believed(&wire), Some(wire.is_genuine()), "{wire:?}");
        }
    }
}
