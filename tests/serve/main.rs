//! `credence serve` as its clients meet it, by the API and by forms. One binary: each costs its linking.
#![cfg(unix)]

#[path = "../logs/mod.rs"]
mod logs;
#[path = "../served/mod.rs"]
mod served;

mod access;
mod decisions;
mod document;
mod experiments;
mod imports;
mod once;
mod people;
mod sessions;
mod trouble;

use serde_json::{Value, json};
use served::{Answer, Service, coded};

/// Choices of two people between two things, as a file.
pub(crate) const CHOICES: &str =
    "person,first,second,chosen\nada,walk,cycle,first\nbo,walk,cycle,second\nada,read,sing,neither\n";

/// What to answer to a question, always the same.
pub(crate) fn reply(turn: &Value) -> Value {
    match turn["question"]["kind"].as_str().unwrap() {
        "choice" => json!({ "said": "choose", "index": 0 }),
        "portrait" => json!({ "said": "rate", "level": 5 }),
        _ => json!({ "said": "best_and_worst", "best": 0, "worst": 1 }),
    }
}

pub(crate) fn say(service: &Service, turn: &Value, say: &Value) -> Answer {
    let path = format!("/api/v1/sessions/{}/said", coded(turn["session"].as_str().unwrap()));
    service.post(&path, &json!({ "question": turn["question"]["number"], "say": say }))
}

/// The events of a stream, each with its data.
pub(crate) fn events(text: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            found.push((name.clone(), serde_json::from_str(data).unwrap()));
        }
    }
    found
}
