use reference_server::replay::{Replay, Report};

use super::plans;
use super::world::{SLICE, free, log, of_one, offer, replay, text};

/// A report with two plans.
fn compared(lines: &str) -> Report {
    let [plan, other] = ["fixed", "free with limits"].map(|name| offer(&plans::named(name).1));
    let replay = Replay {
        compare: Some(other),
        ..of_one(plan)
    };
    replay.run(vec![text(lines)], |_| {}).unwrap()
}

#[test]
fn a_page_shows_calls_refusals_revenue_and_the_difference() {
    let page = compared(SLICE).page();
    assert_eq!(page.matches("<svg ").count(), 4);
    for part in [
        "Plan compared with Plan",
        "Refused calls",
        "What consumers pay: the first 20",
        "Who would pay more, and who less",
        "<bdi>75.97.9.59</bdi>",
        "the path has an empty segment",
        "quota_exceeded: ",
        "rate_exceeded: ",
        "prefers-color-scheme",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let one = replay(&offer(&plans::named("per unit").1), SLICE).page();
    assert_eq!(one.matches("<svg ").count(), 2, "nobody is refused");
    assert!(!one.contains("compared"));
    let nothing = replay(&free(), "").page();
    assert!(nothing.contains("there is nothing to replay"));
    assert!(!nothing.contains("<svg "));
}

#[test]
fn a_page_needs_nothing_else_and_runs_nothing() {
    let page = compared(SLICE).page();
    for fetched in [
        "<script", "<link", "<img", "src=", "href=", "url(", "@import",
    ] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn whatever_a_log_says_is_text_on_the_page() {
    let names = [
        "<script>alert(1)</script>",
        "\"><img/src=x>",
        "'onload='x",
        "&lt;b&gt;",
        "</svg></style>",
        "\u{202e}gnirts",
        "-->",
        "\u{0}\u{1b}[31m",
        "]]>",
    ];
    let lines: Vec<String> = names
        .iter()
        .map(|name| format!("{name} - - [17/May/2015:10:05:00 +0000] \"GET / HTTP/1.1\" 200 1\n"))
        .collect();
    let mut hostile = log(std::io::Cursor::new(lines.concat() + "nonsense"));
    hostile.name = "<u>access</u>.log".to_owned();
    let replay = of_one(offer(&plans::named("fixed").1));
    let report = replay.run(vec![hostile], |_| {}).unwrap();
    assert_eq!(report.consumers.len(), names.len());
    let page = report.page();
    for harmful in [
        "<script",
        "<img",
        "<u>",
        "</svg></style>",
        "\u{202e}",
        "\u{0}",
        "\u{1b}",
    ] {
        assert!(!page.contains(harmful), "{harmful:?}");
    }
    assert!(page.contains("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"));
    assert!(page.contains("<bdi>&amp;lt;b&amp;gt;</bdi>"));
    // Every element that is opened is closed, and nothing else stands in angle brackets.
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.split(' ').next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if tag.ends_with('/') || ["!doctype", "meta", "br"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}
