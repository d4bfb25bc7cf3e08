//! Whether what a command prints with `--json` is what its schema says.

use std::process::Command;

use jsonschema::Validator;
use serde_json::Value;

use crate::served::close;

/// The schema of a command; objects have no members that it does not name.
pub(crate) fn schema(command: &str) -> Validator {
    let printed = Command::new(env!("CARGO_BIN_EXE_credence")).arg("schema").args(command.split(' ')).output().unwrap();
    let mut schema: Value = serde_json::from_slice(&printed.stdout).unwrap_or_else(|e| panic!("{command}: {e}"));
    close(&mut schema);
    close_together(&mut schema);
    jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{command}: {e}"))
}

/// What is made of several parts has no members but theirs; each part alone has others then.
fn close_together(schema: &mut Value) {
    let mut parts = Vec::new();
    each_object(schema, &mut |members| {
        if let Some(all) = members.get("allOf").and_then(Value::as_array) {
            let named = all.iter().filter_map(|part| part["$ref"].as_str()?.rsplit('/').next());
            parts.extend(named.map(str::to_owned));
            members.insert("unevaluatedProperties".into(), Value::Bool(false));
        }
    });
    for part in parts {
        if let Some(part) = schema["components"]["schemas"].get_mut(&part) {
            // A part that is one of several has its members in each of them.
            let each = part.get_mut("oneOf").and_then(Value::as_array_mut);
            each.into_iter().flatten().for_each(open);
            open(part);
        }
    }
}

fn open(schema: &mut Value) {
    if let Value::Object(members) = schema {
        members.remove("additionalProperties");
    }
}

fn each_object(value: &mut Value, work: &mut dyn FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            work(members);
            members.values_mut().for_each(|member| each_object(member, work));
        }
        Value::Array(all) => all.iter_mut().for_each(|one| each_object(one, work)),
        _ => {}
    }
}

/// Panics unless what was printed, one value or one a line, is what the schema says. Gives the values.
#[track_caller]
pub(crate) fn fits(schema: &Validator, lines: &str) -> Vec<Value> {
    // One value may stand on several lines.
    let lines: Vec<Value> = match serde_json::from_str(lines) {
        Ok(whole) => vec![whole],
        Err(_) => lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    };
    assert!(!lines.is_empty());
    for line in &lines {
        let wrong: Vec<String> = schema.iter_errors(line).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {line}");
    }
    lines
}
