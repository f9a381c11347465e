use super::{COUNTED, PRODUCT, PlanFile, mistakes};

/// What is written in place of what, and what is told.
const MISTAKES: [(&str, &str, &str); 34] = [
    (
        "\"response_bytes\"",
        "\"response_byte\"",
        "17:10: meters[1].source: \"response_byte\" is none of them: allowed are calls, request_bytes, response_bytes, bytes, response_header, response_field, reports",
    ),
    (
        "\"response_bytes\"",
        "\"response_header\"",
        "17:10: meters[1].source: the name needs a value: allowed is a table, { name = \"value\" }",
    ),
    (
        "\"response_bytes\"",
        "5",
        "17:10: meters[1].source: its kind is integer: allowed is text in quotes",
    ),
    (
        "\"response_bytes\"",
        "[\"calls\"]",
        "17:10: meters[1].source: its kind is array: allowed is text in quotes",
    ),
    (
        "{ response_header = \"x-connections\" }",
        "{ header = \"x-connections\" }",
        "22:10: meters[2].source: \"header\" is none of them: allowed are calls, request_bytes, response_bytes, bytes, response_header, response_field, reports",
    ),
    (
        "{ response_header = \"x-connections\" }",
        "{ response_header = \"x\", response_field = \"/a\" }",
        "22:10: meters[2].source: the table says no one thing: allowed is one name with its value",
    ),
    (
        "{ response_header = \"x-connections\" }",
        "{ calls = \"x\" }",
        "22:10: meters[2].source: the name takes no value: allowed is it alone, in quotes",
    ),
    (
        "{ response_header = \"x-connections\" }",
        "{ }",
        "22:10: meters[2].source: the table says no one thing: allowed is one name with its value",
    ),
    (
        "\"x-connections\"",
        "\"x connections\"",
        "22:10: meters[2].source: \"x connections\" is no name of a header: allowed are up to 64 letters, digits and -",
    ),
    (
        "\"x-connections\"",
        "5",
        "22:30: meters[2].source.response_header: 5 is a number without quotes: allowed is text, \"5\"",
    ),
    (
        "slug = \"weather\"",
        "slug = \"Weather\"",
        "3:8: product.slug: \"Weather\" begins with another character: allowed is 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit",
    ),
    (
        "\"/usage/total_tokens\"",
        "\"usage.total_tokens\"",
        "12:10: meters[0].source: \"usage.total_tokens\" is no JSON pointer: allowed is / with the name of a field, at most 256 bytes",
    ),
    (
        "\"max\"",
        "\"maximum\"",
        "23:15: meters[2].aggregation: \"maximum\" is none of them: allowed are sum, count, max, last, unique",
    ),
    (
        "\"404\"",
        "404",
        "18:29: meters[1].filter.status[1]: 404 is a number without quotes: allowed is text, \"404\"",
    ),
    (
        "\"404\"",
        "\"4x4\"",
        "18:29: meters[1].filter.status[1]: \"4x4\" is no status: allowed are 100 to 599 and 1xx to 5xx",
    ),
    (
        "unit = \"bytes\"",
        "unit = \"octets\"",
        "16:8: meters[1].unit: \"octets\" is none of them: allowed are requests, bytes, events, tokens, amount",
    ),
    (
        "status = [",
        "statuses = [",
        "18:12: meters[1].filter.statuses: there is no such field: allowed are status, resources",
    ),
    (
        "\"forecast\"] }",
        "\"forecasts\"] }",
        "18:50: meters[1].filter.resources[0]: \"forecasts\" is no resource of the product: allowed are forecast",
    ),
    (
        "source = \"response_bytes\"\n",
        "",
        "17:10: meters[1].filter: only calls have a status and a resource: leave it out, or count calls",
    ),
    (
        "source = { response_header = \"x-connections\" }",
        "source = \"calls\"",
        "23:15: meters[2].aggregation: every call is one: allowed are sum and count",
    ),
    (
        "meter = \"words\"",
        "meter = \"word\"",
        "41:61: plans[0].terms.quotas[0].meter: \"word\" is no meter of the product: allowed are requests, words, traffic, peak, sales",
    ),
    (
        "meter = \"words\"",
        "meter = \"sales\"",
        "41:61: plans[0].terms.quotas[0].meter: a meter with decimals cannot be limited: allowed are those of whole units",
    ),
    (
        "meter = \"words\"",
        "meter = \"peak\"",
        "41:61: plans[0].terms.quotas[0].meter: only what is added up can be limited: allowed are meters with sum and count",
    ),
    (
        "meter = \"words\"",
        "resource = \"search\"",
        "41:64: plans[0].terms.quotas[0].resource: \"search\" is no resource of the product: allowed are forecast",
    ),
    (
        "meter = \"words\"",
        "resource = \"forecast\", meter = \"words\"",
        "41:3: plans[0].terms.quotas[0]: it counts a resource or a meter: leave one out",
    ),
    (
        "\"ever\"",
        "\"always\"",
        "42:14: plans[0].terms.quotas[1].window: \"always\" is none of them: allowed are day, month, year, period, ever",
    ),
    (
        "\"day 31\"",
        "\"friday\"",
        "37:13: plans[0].terms.alignment: periods of a month cannot be aligned to friday: allowed are start, calendar and day 1 to day 31",
    ),
    (
        "\"day 31\"",
        "\"day 32\"",
        "37:13: plans[0].terms.alignment: \"day 32\" is no alignment of billing periods: allowed are start, calendar, day 1 to day 31, and monday to sunday",
    ),
    (
        "\"by_days\"",
        "\"by_day\"",
        "39:13: plans[0].terms.proration: \"by_day\" is none of them: allowed are per_second, by_days, none",
    ),
    (
        "meter = \"sales\"",
        "meter = \"words\"",
        "47:14: plans[0].terms.usage[0].percentage: a percentage is of amounts: allowed are meters in the unit amount that are summed up",
    ),
    (
        "rate = \"2.9\"",
        "rate = 2.9",
        "47:23: plans[0].terms.usage[0].percentage.rate: 2.9 is a number without quotes: allowed is text, \"2.9\"",
    ),
    (
        "maximum = \"20\"",
        "maximum = \"0.40\"",
        "47:72: plans[0].terms.usage[0].percentage.maximum: 0.40 is less than the minimum: allowed is 0.50 or more",
    ),
    (
        "free_events = 3",
        "free_events = \"3\"",
        "47:92: plans[0].terms.usage[0].percentage.free_events: its kind is string: allowed is a whole number from 0 to 4294967295",
    ),
    (
        "percentage = {",
        "unit_price = \"1\"\npercentage = {",
        "45:1: plans[0].terms.usage[0]: there are two prices: allowed is one of unit_price, graduated, volume, stairstep, package, percentage",
    ),
];

#[test]
fn mistakes_in_what_is_counted_are_told_by_line_field_and_what_is_allowed() {
    let text = format!("{PRODUCT}{COUNTED}");
    let mut wrong = Vec::new();
    for (from, to, expected) in MISTAKES {
        assert!(text.contains(from), "{from}");
        let told = mistakes(&text.replacen(from, to, 1));
        if told != [expected] {
            wrong.push(format!("{to}\n  expected {expected}\n  told {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Calls were sold that no gate let through.
#[test]
fn a_plan_neither_sells_nor_limits_calls_that_it_does_not_cover_a7_b4() {
    let product = PRODUCT.replace(
        "resources = [",
        r#"resources = [{ identifier = "search", method = "GET", path = "/search", name = "Search" }, "#,
    );
    let plan = |covers: &str| {
        format!(
            r#"{product}
[[plans]]
name = "Half"

[plans.terms]
billing = "fixed"
currency = "EUR"
cycle = "month"
resources = [{covers}]
quotas = [{{ window = "day", max = 9, overage = "strict", resource = "forecast" }}]

[[plans.terms.bundles]]
name = "ten"
resource = "search"
calls = 10
price = "5"
"#
        )
    };
    let told = |field: &str, what: &str, covered: &str| {
        let problem = format!(
            "{what:?} is none of the resources that the plan covers: allowed are {covered}"
        );
        format!("plans[0].terms.{field}: {problem}")
    };
    for (covers, place, expected) in [
        (
            r#""search""#,
            "17:69: ",
            told("quotas[0].resource", "forecast", "search"),
        ),
        (
            r#""forecast""#,
            "21:12: ",
            told("bundles[0].resource", "search", "forecast"),
        ),
    ] {
        assert_eq!(mistakes(&plan(covers)), [format!("{place}{expected}")]);
    }
    for covers in ["", r#""search", "forecast""#] {
        let file = PlanFile::parse("plans.toml", plan(covers).as_bytes()).unwrap();
        assert_eq!(file.plan(None).unwrap().terms.bundles().len(), 1);
    }
}
