//! `credence schema`: what commands print with `--json` is what their schemas say.
#![cfg(unix)]

mod logs;
mod served;

use credence_agent::bank::Bank;
use jsonschema::Validator;
use logs::{done, run};
use serde_json::Value;
use served::tiny_model;

/// Choices of three people, and a row that cannot be read.
const CHOICES: &str = "person,first,second,chosen\nxi,walk,cycle,first\nyo,walk,cycle,second\nzed,walk,cycle,first\nxi,read,sing,first\nyo,a,a,first\n";

/// The schema of a command; objects have no members that it does not name.
fn schema(command: &str) -> Validator {
    let home = tempfile::tempdir().unwrap();
    let mut schema: Value = serde_json::from_str(&done(home.path(), &["schema", command])).unwrap();
    served::close(&mut schema);
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
        if let Some(Value::Object(part)) = schema["components"]["schemas"].get_mut(&part) {
            part.remove("additionalProperties");
        }
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

#[track_caller]
fn fits(schema: &Validator, lines: &str) -> Vec<Value> {
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        let wrong: Vec<String> = schema.iter_errors(line).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {line}");
    }
    lines
}

#[test]
fn commands_print_what_their_schemas_say() {
    let home = tempfile::tempdir().unwrap();
    let listed = done(home.path(), &["schema"]);
    assert!(listed.contains("session-answer") && listed.contains("values"), "{listed}");

    let model = tiny_model(home.path());
    let root = home.path().join("home");
    let (root, model) = (root.as_path(), model.to_str().unwrap());
    // A session: what it prints, and what it takes.
    let said = [
        "{\"said\":\"why\"}",
        "{\"said\":\"values\"}",
        "{\"said\":\"skip\"}",
        "{\"said\":\"choose\",\"index\":77}",
        "{\"said\":\"important\",\"words\":\"I think honesty is more important than loyalty.\"}",
        "{\"said\":\"yes\"}",
        "{\"said\":\"undo\"}",
        "{\"said\":\"stop\"}",
    ]
    .join("\n");
    fits(&schema("session-answer"), &said);
    let mut session = logs::credence(root, &["session", "--person", "ada", "--seed", "3", "--json", "--model", model]);
    let printed = String::from_utf8(session.write_stdin(said).output().unwrap().stdout).unwrap();
    let shown = fits(&schema("session"), &printed);
    for kind in ["opened", "question", "why", "values", "confirm", "moved", "summary"] {
        assert!(shown.iter().any(|line| line["shown"] == kind), "{kind} in {printed}");
    }
    fits(&schema("values"), &serde_json::to_string(&logs::json(root, &["values", "--person", "ada"])).unwrap());

    // What moved a value; what comes in, and goes out.
    let one = |args: &[&str]| serde_json::to_string(&logs::json(root, args)).unwrap();
    fits(&schema("explain"), &one(&["explain", "honesty", "--person", "ada"]));
    let choices = home.path().join("choices.csv");
    std::fs::write(&choices, CHOICES).unwrap();
    let choices = choices.to_str().unwrap();
    fits(&schema("evidence-import"), &one(&["evidence", "import", "csv", choices, "--skip-bad", "--dry-run"]));
    fits(&schema("evidence-import"), &one(&["evidence", "import", "csv", choices, "--skip-bad"]));
    let out = home.path().join("out.csv");
    fits(&schema("evidence-export"), &one(&["evidence", "export", "csv", out.to_str().unwrap()]));
    let asks = fits(&schema("people-ask"), &one(&["people", "ask"]));
    assert!(asks[0].as_array().is_some_and(|asks| !asks.is_empty()), "{asks:?}");

    // A decision between two acts of the bank, which needs no reading.
    let bank = Bank::built_in();
    let question = bank.questions.iter().find(|q| q.is_keyed() && q.alternatives.len() == 2).unwrap();
    let (a, b) = (&*question.alternatives[0].text, &*question.alternatives[1].text);
    let between = ["--alternative", a, "--alternative", b, "--json", "--model", model, "--person", "bo"];
    for start in [["decide", "--situation"], ["agent", "--task"]] {
        let args: Vec<&str> = start.iter().copied().chain([&*question.situation]).chain(between).collect();
        let (out, err, code) = run(root, &args);
        assert_eq!(code, 10, "{err}");
        let decided = fits(&schema(start[0]), &out);
        assert_eq!(decided[0]["decision"]["verdict"], "ask");
    }
}
