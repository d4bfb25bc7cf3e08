//! Whether what the service answers is what its OpenAPI document says: status, kind and body of every response.

use serde_json::{Value, json};

use super::Answer;

/// The document, and the same with objects that have no members but those that it names.
pub(crate) struct Contract {
    document: Value,
    strict: Value,
}

/// What the document says of one kind of request.
struct Operation<'a>(&'a Value);

impl Contract {
    /// Of the text of a document.
    pub(crate) fn of(text: &str) -> Self {
        let document: Value = serde_json::from_str(text).unwrap();
        let mut strict = document["components"].clone();
        close(&mut strict["schemas"]);
        Self { document, strict }
    }

    /// Panics unless the answer is one that the document allows. What was asked is checked too, where it was taken.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, sent: Option<&str>, answer: &Answer) {
        let path = path.split('?').next().unwrap_or_default();
        let Some(operation) = self.operation(method, path) else {
            // Where there is no such operation the service must say so.
            assert!(
                matches!(answer.status, 401 | 403 | 404 | 405 | 429),
                "{method} {path} is not in the document and answered {}",
                answer.status
            );
            return;
        };
        let what = format!("{method} {path}, {}", answer.status);
        let responses = &operation.0["responses"];
        let status = answer.status.to_string();
        let response = responses.get(&status).or_else(|| responses.get("default").filter(|_| answer.status >= 400));
        let response = response.unwrap_or_else(|| panic!("{what}: the document knows no such status"));
        let Some(contents) = response.get("content").and_then(Value::as_object) else {
            assert_eq!(answer.text, "", "{what}: the document knows no body");
            return;
        };
        let kind = answer.kind.split(';').next().unwrap_or_default().trim();
        let content = contents.get(kind).unwrap_or_else(|| panic!("{what}: {kind:?} is none of {:?}", contents.keys()));
        let schema = &content["schema"];
        match kind {
            "text/event-stream" if !schema.is_null() => {
                let events = answer.text.lines().filter_map(|line| line.strip_prefix("data: "));
                events.filter(|data| *data != "[DONE]").for_each(|data| fits(&what, &self.strict, schema, data));
            }
            "application/json" | "application/problem+json" => fits(&what, &self.strict, schema, &answer.text),
            _ => {}
        }
        if let (200..=299, Some(sent)) = (answer.status, sent) {
            let asked = &operation.0["requestBody"]["content"]["application/json"]["schema"];
            if !asked.is_null() {
                fits(&format!("{what}, as it was asked"), &self.document["components"], asked, sent);
            }
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let is_at = |template: &str| {
            let (a, b): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || a.starts_with('{') && !b.is_empty())
        };
        let paths = self.document["paths"].as_object()?;
        // A path without parts that vary comes first.
        let found =
            paths.get(path).or_else(|| paths.iter().find(|(template, _)| is_at(template)).map(|(_, item)| item));
        found?.get(method.to_lowercase()).map(Operation)
    }
}

#[track_caller]
fn fits(what: &str, components: &Value, schema: &Value, text: &str) {
    let body: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{what}: {e}: {text}"));
    // References are to components of the document.
    let schema = json!({ "components": components, "allOf": [schema] });
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{what}: {e}"));
    let wrong: Vec<String> =
        validator.iter_errors(&body).map(|e| format!("{e} at {:?}", e.instance_path().to_string())).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?} in {body}");
}

/// Lets objects of named members have no others, unless a schema is made of several.
pub(crate) fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".into(), Value::Bool(false));
            }
            for (name, member) in members.iter_mut() {
                // What several parts say of an object together cannot be said of each.
                if name != "allOf" {
                    close(member);
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}
