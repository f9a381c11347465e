//! The schema says what the types say: every field, what has to be given, and what may be chosen.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// What every definition of the schema has an example in, beside those of the other tests.
const MORE: &str = r#"
[[plans]]
name = "Steps"

[plans.terms]
billing = "metered"
currency = "EUR"
cycle = "3 months"
rates_when_away = "refuse"

[[plans.terms.usage]]
meter = "requests"
volume = [{ up_to = "10", unit_price = "1", flat = "2", package = "5" }, { unit_price = "0.5" }]

[[plans.terms.usage]]
meter = "tokens"
stairstep = [{ up_to = "10", price = "1" }, { price = "2" }]
commitment = { minimum = "1" }

[[plans]]
name = "In advance"

[plans.terms]
billing = "fixed"
currency = "EUR"
cycle = "month"

[[plans.terms.bundles]]
name = "ten"
resource = "forecast"
calls = 10
price = "5.00"
"#;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn document(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

fn whole() -> Value {
    let text = format!("{}{}{MORE}", tests::WHOLE, tests::counted::COUNTED);
    PlanFile::parse("whole", text.as_bytes()).unwrap();
    document(&text)
}

/// What the types make of a document, in serde's words.
fn read(document: &Value) -> Result<(), String> {
    let each = |name: &str| document[name].as_array().cloned().unwrap_or_default();
    let told = |error: serde_json::Error| error.to_string();
    serde_json::from_value::<ProductDraft>(document["product"].clone()).map_err(told)?;
    for meter in each("meters") {
        serde_json::from_value::<MeterDraft>(meter).map_err(told)?;
    }
    for plan in each("plans") {
        serde_json::from_value::<PlanDraft>(plan).map_err(told)?;
    }
    Ok(())
}

/// The names in serde's list of what it expected.
fn expected(said: &str) -> BTreeSet<String> {
    let (_, list) = said.rsplit_once(", expected ").unwrap();
    let names = list.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

fn texts(values: &Value) -> BTreeSet<String> {
    let values = values.as_array().unwrap().iter();
    values
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

/// Goes through a document and its schema side by side.
struct Walk {
    schema: Value,
    document: Value,
    /// The definitions that were compared with the types.
    seen: BTreeSet<String>,
}

impl Walk {
    /// What the types say with another value in one place.
    fn with(&self, at: &str, value: Value) -> Result<(), String> {
        let mut changed = self.document.clone();
        *changed.pointer_mut(at).unwrap() = value;
        read(&changed)
    }

    /// The part of the schema that a value is described by.
    fn resolve(&mut self, part: &Value, value: &Value) -> Value {
        if let Some(name) = part["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap().to_owned();
            let inner = self.schema["definitions"][&name].clone();
            assert!(inner.is_object(), "{name} is not defined");
            self.seen.insert(name);
            return self.resolve(&inner, value);
        }
        let kinds = part["oneOf"].as_array().into_iter().flatten();
        let mut of_kind = kinds.filter(|way| {
            way["properties"]["kind"]["enum"]
                .as_array()
                .is_some_and(|kinds| kinds.contains(&value["kind"]))
        });
        match of_kind.next() {
            Some(kind) if part.get("properties").is_none() => kind.clone(),
            _ => part.clone(),
        }
    }

    fn compare(&mut self, part: &Value, at: &str) {
        let value = self.document.pointer(at).unwrap().clone();
        let part = self.resolve(part, &value);
        match &value {
            _ if part.get("type").is_none() => self.compare_names(&part, at, &value),
            Value::Object(fields) => {
                assert_eq!(part["type"], "object", "{at}");
                assert_eq!(part["additionalProperties"], false, "{at}");
                if !at.is_empty() {
                    self.compare_fields(&part, at, &value);
                }
                for name in fields.keys() {
                    let inner = &part["properties"][name];
                    assert!(inner.is_object(), "{at}/{name} is not in the schema");
                    self.compare(inner, &format!("{at}/{name}"));
                }
            }
            Value::Array(items) => {
                assert_eq!(part["type"], "array", "{at}");
                for place in 0..items.len() {
                    self.compare(&part["items"], &format!("{at}/{place}"));
                }
            }
            Value::String(_) => {
                assert_eq!(part["type"], "string", "{at}");
                assert!(self.with(at, json!(1)).is_err(), "{at} takes a number");
                self.compare_choice(&part, at);
            }
            Value::Number(_) => {
                assert_eq!(part["type"], "integer", "{at}");
                assert!(self.with(at, json!("1")).is_err(), "{at} takes a text");
            }
            other => panic!("{at}: {other}"),
        }
    }

    /// Names, of which some stand alone and each of the others before what belongs to it.
    fn compare_names(&mut self, part: &Value, at: &str, value: &Value) {
        let ways = part["oneOf"].as_array().unwrap();
        let (mut alone, mut before) = (BTreeSet::new(), serde_json::Map::new());
        for way in ways {
            match way["properties"].as_object() {
                None => alone.extend(texts(&way["enum"])),
                Some(properties) => {
                    assert_eq!(way["additionalProperties"], false, "{at}");
                    assert_eq!(
                        texts(&way["required"]),
                        properties.keys().cloned().collect()
                    );
                    assert_eq!(properties.len(), 1, "{at}");
                    before.extend(properties.clone());
                }
            }
        }
        let known = expected(&self.with(at, json!("zzz")).unwrap_err());
        let names = alone.iter().chain(before.keys());
        assert_eq!(
            names.cloned().collect::<BTreeSet<_>>(),
            known,
            "names of {at}"
        );
        for name in &known {
            let stands_alone = self.with(at, json!(name)).is_ok();
            assert_eq!(stands_alone, alone.contains(name), "{at}: {name}");
        }
        for name in value.as_object().into_iter().flat_map(|table| table.keys()) {
            self.compare(&before[name], &format!("{at}/{name}"));
        }
    }

    fn compare_fields(&self, part: &Value, at: &str, value: &Value) {
        let mut more = value.clone();
        more["zzz"] = json!(1);
        let mut known = expected(&self.with(at, more).unwrap_err());
        if value.get("kind").is_some() {
            known.insert("kind".to_owned());
        }
        let properties: BTreeSet<String> = part["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(properties, known, "fields of {at}");
        let required = texts(&part["required"]);
        for name in value.as_object().unwrap().keys() {
            let mut less = value.clone();
            less.as_object_mut().unwrap().remove(name);
            let said = self.with(at, less).err().unwrap_or_default();
            let is_missing = said.starts_with("missing field");
            assert_eq!(required.contains(name), is_missing, "{at}/{name}: {said}");
        }
    }

    fn compare_choice(&self, part: &Value, at: &str) {
        let said = self.with(at, json!("zzz")).err().unwrap_or_default();
        let is_choice = said.starts_with("unknown variant");
        assert_eq!(part.get("enum").is_some(), is_choice, "{at}: {said}");
        if is_choice && !at.ends_with("/kind") {
            assert_eq!(texts(&part["enum"]), expected(&said), "choices of {at}");
        }
    }
}

#[test]
fn the_schema_says_what_the_types_say() {
    let mut walk = Walk {
        schema: schema(),
        document: whole(),
        seen: BTreeSet::new(),
    };
    walk.compare(&schema(), "");
    let defined: BTreeSet<String> = schema()["definitions"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(walk.seen, defined, "each definition is met in the document");
    let error = PlanFile::parse("f", b"zzz = 1").unwrap_err().to_string();
    let (_, allowed) = error
        .split_once("zzz: there is no such field: allowed are ")
        .unwrap();
    let allowed: BTreeSet<String> = allowed
        .lines()
        .next()
        .unwrap()
        .split(", ")
        .map(str::to_owned)
        .collect();
    let properties = schema()["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(allowed, properties);
}

#[test]
fn the_schema_names_the_bounds_that_are_checked() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap().as_u64().unwrap();
    for (pointer, bound) in [
        ("/properties/plans/maxItems", PlanFile::PLANS_MAX),
        ("/properties/meters/maxItems", PlanFile::METERS_MAX),
        (
            "/definitions/product/properties/resources/maxItems",
            Product::RESOURCES_MAX,
        ),
        (
            "/definitions/terms/properties/quotas/maxItems",
            PlanTerms::QUOTAS_MAX,
        ),
        (
            "/definitions/terms/properties/usage/maxItems",
            PlanTerms::USAGE_MAX,
        ),
        (
            "/definitions/usage/properties/graduated/maxItems",
            crate::plan::UsageDraft::TIERS_MAX,
        ),
    ] {
        assert_eq!(at(pointer), u64::try_from(bound).unwrap(), "{pointer}");
    }
}
