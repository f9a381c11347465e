use http::HeaderValue;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::ids::TypedId;
use crate::product::MeterDraft;

const EVENTS: &str = "text/event-stream; charset=utf-8";
const DOCUMENT: &str = "application/json";

fn meter(pointer: &str) -> Meter {
    let source = serde_json::json!({ "response_field": pointer });
    let draft = serde_json::json!({ "name": "tokens", "source": source });
    let draft: MeterDraft = serde_json::from_value(draft).unwrap();
    let id = MeterId::derived(&[pointer.as_bytes()]);
    draft.check(id).unwrap()
}

fn head(media: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))])
}

/// What is found at a pointer, and whether the answer was not read.
fn read(media: &'static str, pointer: &str, pieces: &[&[u8]]) -> (Option<String>, bool) {
    let mut reader = AnswerReader::new(&[meter(pointer)], &head(media)).unwrap();
    for piece in pieces {
        reader.read(piece);
    }
    let is_unread = reader.is_unread();
    (reader.finish().pop().map(|(_, said)| said), is_unread)
}

fn found(media: &'static str, pieces: &[&[u8]]) -> Option<String> {
    read(media, "/usage/total_tokens", pieces).0
}

#[test]
fn the_last_event_that_has_the_field_counts() {
    let pieces: [&[u8]; 5] = [
        b"event: data\ndata: {\"usage\": null}\n\nda",
        b"ta: {\"usage\":{\"total_tokens\": 3}}\r\n\r\n",
        b"data: {\"usage\":{\"total_tokens\"",
        b": 358}}\n\ndata: [DONE]\n\n: still here\n\n",
        b"data: {\"text\": \"bye\"}\n\n",
    ];
    assert_eq!(found(EVENTS, &pieces).as_deref(), Some("358"));
}

#[test]
fn an_event_may_have_its_document_on_several_lines() {
    let lines = b"data: {\"usage\":\ndata:   {\"total_tokens\": 7}\ndata: }\n\n";
    assert_eq!(found(EVENTS, &[lines]).as_deref(), Some("7"));
    let broken_off = b"data: {\"usage\":\n\ndata: {\"usage\":{\"total_tokens\": 8}}\n\n";
    assert_eq!(found(EVENTS, &[broken_off]).as_deref(), Some("8"));
}

#[test]
fn what_cannot_be_read_counts_nothing_and_is_told() {
    let whole: &[u8] = br#"{"usage": {"total_tokens": 5}}"#;
    let nothing = (None, true);
    let unread = |media, piece: &[u8]| read(media, "/usage/total_tokens", &[piece]);
    for media in ["application/json", "Application/Problem+JSON; a=b"] {
        assert_eq!(unread(media, whole), (Some("5".to_owned()), false));
    }
    assert_eq!(unread("text/plain", whole), nothing);
    assert_eq!(unread(DOCUMENT, &whole[..12]), nothing);
    assert_eq!(unread(DOCUMENT, b"<html>"), nothing);
    // It says nothing, and there is nothing wrong with that.
    let silent = (None, false);
    for document in [&br#"{"usage": [5]}"#[..], b"{}", b"null", b"7", b"", b"\n"] {
        assert_eq!(unread(DOCUMENT, document), silent, "{document:?}");
    }
    assert_eq!(unread(EVENTS, b"data: [DONE]\n\n"), silent);
    let mut headers = head(DOCUMENT);
    for (coding, is_unread) in [("gzip", true), ("Identity", false)] {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        let mut reader = AnswerReader::new(&[meter("/usage/total_tokens")], &headers).unwrap();
        reader.read(whole);
        assert_eq!(reader.is_unread(), is_unread, "{coding}");
    }
}

// Answers were held until their end, a mebibyte of each: of larger ones nothing was read.
#[test]
fn an_answer_of_any_length_and_depth_is_read_and_none_of_it_is_held() {
    let mut reader = AnswerReader::new(&[meter("/usage/total_tokens")], &head(DOCUMENT)).unwrap();
    reader.read(br#"{"embedding": "#);
    for _ in 0..100_000 {
        reader.read(b"[[{\"a\":");
    }
    reader.read(b"0");
    for _ in 0..100_000 {
        reader.read(b"}],\"long ] } \\\" text\"]");
    }
    reader.read(b", \"text\": \"");
    for _ in 0..1_000 {
        reader.read(&[b'x'; 4_096]);
    }
    assert!(format!("{reader:?}").len() < 64 << 10);
    reader.read(br#"", "usage": {"total_tokens": 9}}"#);
    assert!(!reader.wants_more() && !reader.is_unread());
    assert_eq!(
        reader.finish().pop().map(|(_, said)| said).as_deref(),
        Some("9")
    );
}

#[test]
fn pointers_lead_through_arrays_and_names_of_any_kind() {
    let document = r#" {"a/b": [ 1, {"~": "x\u00e9\"\n"}, [2.50] ], "": {"k": -1e3}, "b": true} "#;
    let table = [
        ("/a~1b/0", Some("1")),
        ("/a~1b/1/~0", Some("xé\"\n")),
        ("/a~1b/2/0", Some("2.50")),
        ("//k", Some("-1e3")),
        ("/a~1b/00", None),
        ("/a~1b/3", None),
        ("/a~1b", None),
        ("/b", None),
    ];
    for (pointer, expected) in table {
        let (said, is_unread) = read(DOCUMENT, pointer, &[document.as_bytes()]);
        assert_eq!((said.as_deref(), is_unread), (expected, false), "{pointer}");
    }
}

/// Documents whose names and pointers meet often.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ab\"\\\\{}\\[\\],:é\n]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab01/~\"]{0,2}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_found_is_what_a_parser_of_whole_documents_finds(
        document in documents(),
        steps in prop::collection::vec("([ab01/\"]|~0|~1){0,2}", 1..4),
        is_pretty in any::<bool>(),
        piece in 1..20_usize,
    ) {
        let pointer = format!("/{}", steps.join("/"));
        let text = if is_pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let expected = match document.pointer(&pointer) {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(piece).collect();
        prop_assert_eq!(read(DOCUMENT, &pointer, &pieces), (expected, false), "{} {}", pointer, text);
    }

    #[test]
    fn whatever_comes_is_read_without_a_panic(bytes in "[\\[\\]{}\",:\\\\0-9a ~\n]{0,60}") {
        for media in [DOCUMENT, EVENTS] {
            read(media, "/a/0", &[bytes.as_bytes()]);
        }
        let is_whole = serde_json::from_str::<Value>(&bytes).is_ok();
        let (said, is_unread) = read(DOCUMENT, "/a/0", &[bytes.as_bytes()]);
        // It is more lenient than a parser, never stricter.
        prop_assert!(!is_whole || !is_unread, "{:?} {:?}", bytes, said);
    }
}
