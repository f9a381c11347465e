//! Requests of Stripe's own SDK are right, and forms are read as it writes them.

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
