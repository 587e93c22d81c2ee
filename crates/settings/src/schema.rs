//! The configuration as a JSON Schema, for editors and for whoever writes files by program.
//!
//! In: the catalogue of keys and the template's comments. Out: one schema document. Never: a rule
//! that the check does not have; rules between keys are the check's alone.

use crate::keys::{Form, Key};
use crate::template::{comments, every_key};
use serde_json::{Map, Value, json};

/// Draft 2020-12.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Largest number of instruments.
const INSTRUMENTS_MAX: u64 = 64;

/// The schema of `fulcrum.toml`, as text with a newline at its end.
#[must_use]
pub fn json_schema() -> String {
    let comments = comments();
    let mut root = object();
    root["$schema"] = json!(DIALECT);
    root["title"] = json!("Fulcrum's configuration");
    root["required"] = json!(["instrument"]);
    let mut kinds: Vec<(String, Value)> = Vec::new();
    for key in every_key() {
        let comment = comments.get(&key.general_path());
        let property = property(&key, comment.map(String::as_str));
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        if let Some(kind) = table.strip_prefix("strategy[") {
            let kind = kind.trim_end_matches(']').to_string();
            if kinds.last().is_none_or(|(last, _)| *last != kind) {
                kinds.push((kind.clone(), object()));
            }
            if let Some((_, schema)) = kinds.last_mut() {
                put(schema, name, kind_or(name, &kind, property), key.required);
            }
            continue;
        }
        let place = match table {
            "" => &mut root,
            "instrument[0]" => &mut entry(&mut root, "instrument", list)["items"],
            table => entry(&mut root, table, object),
        };
        put(place, name, property, key.required);
    }
    let strategies: Vec<Value> = kinds.into_iter().map(|(_, schema)| schema).collect();
    root["properties"]["strategy"] = json!({ "type": "array", "items": { "oneOf": strategies } });
    for (table, comment) in &comments {
        let name = table.trim_end_matches("[]");
        let known = root["properties"].get_mut(name);
        if let Some(schema) = known.filter(|_| !table.contains('.')) {
            schema["description"] = json!(comment);
        }
    }
    let text = serde_json::to_string_pretty(&root);
    text.unwrap_or_default() + "\n"
}

/// Each kind of strategy is told by its own word.
fn kind_or(name: &str, kind: &str, property: Value) -> Value {
    match name {
        "kind" => json!({ "const": kind }),
        _ => property,
    }
}

fn object() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

fn list() -> Value {
    json!({ "type": "array", "minItems": 1, "maxItems": INSTRUMENTS_MAX, "items": object() })
}

/// The schema of a table, made when it is new.
fn entry<'a>(root: &'a mut Value, table: &str, new: fn() -> Value) -> &'a mut Value {
    let tables = &mut root["properties"];
    if tables.get(table).is_none() {
        tables[table] = new();
    }
    &mut tables[table]
}

fn put(schema: &mut Value, name: &str, property: Value, required: bool) {
    schema["properties"][name] = property;
    if required {
        let names = schema
            .as_object_mut()
            .map(|map| map.entry("required").or_insert_with(|| json!([])));
        if let Some(names) = names.and_then(Value::as_array_mut) {
            names.push(json!(name));
        }
    }
}

fn property(key: &Key, comment: Option<&str>) -> Value {
    let number = |text: &str| text.parse::<serde_json::Number>().map(Value::Number);
    let mut schema = Map::new();
    match &key.form {
        Form::Text => schema.extend([("type".to_string(), json!("string"))]),
        Form::Words(words) => schema.extend([("enum".to_string(), json!(words))]),
        Form::Flag => schema.extend([("type".to_string(), json!("boolean"))]),
        Form::Whole { low, high } => schema.extend([
            ("type".to_string(), json!("integer")),
            ("minimum".to_string(), json!(low)),
            ("maximum".to_string(), json!(high)),
        ]),
        Form::Decimal { low, high } => schema.extend([
            ("type".to_string(), json!("number")),
            ("minimum".to_string(), number(low).unwrap_or_default()),
            ("maximum".to_string(), number(high).unwrap_or_default()),
        ]),
        Form::Texts => schema.extend([
            ("type".to_string(), json!("array")),
            ("items".to_string(), json!({ "type": "string" })),
        ]),
    }
    if let Some(default) = key.default.as_deref() {
        // What TOML and JSON write alike: words, numbers, flags, an empty list.
        if let Ok(default) = serde_json::from_str::<Value>(default) {
            schema.insert("default".to_string(), default);
        }
    }
    let unit = key.unit().map(|unit| format!("[{unit}]"));
    let words: Vec<String> = comment
        .map(str::to_string)
        .into_iter()
        .chain(unit)
        .collect();
    if !words.is_empty() {
        schema.insert("description".to_string(), json!(words.join(" ")));
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_schema_that_is_kept_is_the_one_of_this_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fulcrum.schema.json");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if std::env::var_os("FULCRUM_BLESS").is_some() {
            std::fs::write(&path, json_schema()).unwrap();
        } else {
            assert!(
                kept == json_schema(),
                "docs/fulcrum.schema.json is old: FULCRUM_BLESS=1 cargo test -p settings"
            );
        }
    }

    #[test]
    fn a_key_has_its_range_default_and_comment() {
        let schema: Value = serde_json::from_str(&json_schema()).unwrap();
        let leverage = &schema["properties"]["risk"]["properties"]["max_leverage_ratio"];
        assert_eq!(
            *leverage,
            json!({
                "type": "number", "minimum": 0.1, "maximum": 20, "default": 6,
                "description": "gross exposure over equity [ratio]"
            })
        );
        let symbol = &schema["properties"]["instrument"]["items"]["required"];
        assert_eq!(*symbol, json!(["symbol"]));
        let kinds = schema["properties"]["strategy"]["items"]["oneOf"].as_array();
        assert_eq!(kinds.map(Vec::len), Some(2));
    }
}
