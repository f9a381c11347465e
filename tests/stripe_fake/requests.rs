//! Requests of Stripe's own SDK are right, and forms are read as it writes them.

use monetization_conformance::sample::Sample;
use monetization_conformance::size;
use monetization_conformance::stripe::form::Form;
use monetization_conformance::stripe::spec::Spec;

use super::mistakes::{NOW, found};

/// Bodies and queries as Stripe's Python SDK 16.0.1 sends them.
const OF_THE_SDK: &str = include_str!("of_the_sdk.txt");

#[test]
fn what_stripes_own_sdk_sends_is_right() {
    let lines = OF_THE_SDK.lines().filter(|line| !line.starts_with('#'));
    let mut seen = 0;
    for line in lines {
        let mut fields = line.splitn(3, ' ');
        let (method, path) = (fields.next().unwrap(), fields.next().unwrap());
        let parameters = fields.next().unwrap_or_default();
        let parameters = parameters.replace("NOW", &NOW.to_string());
        assert_eq!(found(method, path, &parameters), [""; 0], "{line}");
        seen += 1;
    }
    assert!(seen > 40, "{seen} requests");
}

#[test]
fn every_operation_is_tried() {
    let tried: Vec<String> = OF_THE_SDK.lines().filter_map(operation_of).collect();
    let untried: Vec<String> = Spec::official()
        .operations()
        .filter(|it| !tried.contains(it))
        .collect();
    assert_eq!(untried, [""; 0], "add a line to of_the_sdk.txt");
}

fn operation_of(line: &str) -> Option<String> {
    let mut fields = line.split(' ');
    Spec::official().operation(fields.next()?, fields.next()?)
}

#[test]
fn names_of_a_form_are_read_at_any_depth() {
    let (form, wrong) =
        Form::read("a%5Bb%5D[0][c]=x+y%26&a[b][10]=z&a[b][2]=y&l[]=1&l[]=2&o[][k]=1&o[][k]=2");
    assert_eq!(wrong, [""; 0]);
    let list = form
        .member("a")
        .unwrap()
        .member("b")
        .unwrap()
        .list()
        .unwrap();
    assert_eq!(list[0].text_of("c"), Some("x y&"));
    assert_eq!([list[1].text(), list[2].text()], [Some("y"), Some("z")]);
    assert_eq!(form.member("l").unwrap().list().unwrap().len(), 2);
    assert_eq!(form.member("o").unwrap().list().unwrap().len(), 2);
    let (_, wrong) = Form::read("a=1&a[b]=2&c[]=1&c[d]=2");
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}

#[test]
fn whatever_is_written_as_a_form_is_read_again() {
    let sample = Sample::seeded(3);
    for _ in 0..size(200, 100_000) {
        let form = made_up(&sample, 0);
        let mut pairs = Vec::new();
        write(&form, "", &mut pairs);
        let (read, wrong) = Form::read(&pairs.join("&"));
        assert_eq!((&read, wrong.len()), (&form, 0), "{pairs:?}");
    }
}

/// A hash of texts, hashes and lists of texts; nothing is empty, which no form can say.
fn made_up(sample: &Sample, depth: u64) -> Form {
    let count = 1 + sample.below(3);
    let members = (0..count).map(|number| {
        let inner = match sample.below(5) {
            0 if depth < 3 => made_up(sample, depth + 1),
            1 => {
                let texts = (0..=sample.below(3)).map(|_| text(sample));
                Form::List(texts.collect())
            }
            _ => text(sample),
        };
        (format!("m{number} %&=+"), inner)
    });
    Form::Hash(members.collect())
}

fn text(sample: &Sample) -> Form {
    let letters = ['a', '%', '&', '=', '+', ' ', '[', ']', 'é', '€'];
    let index = |_| usize::try_from(sample.below(10)).unwrap();
    Form::Text(
        (0..sample.below(6))
            .map(index)
            .map(|it| letters[it])
            .collect(),
    )
}

fn write(form: &Form, name: &str, pairs: &mut Vec<String>) {
    match form {
        Form::Text(text) => pairs.push(format!("{name}={}", escaped(text))),
        Form::List(elements) => {
            for element in elements {
                write(element, &format!("{name}[]"), pairs);
            }
        }
        Form::Hash(members) => {
            for (own, member) in members {
                let own = escaped(own);
                let name = if name.is_empty() {
                    own
                } else {
                    format!("{name}[{own}]")
                };
                write(member, &name, pairs);
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
