//! Experiments beside the service.

use std::time::Duration;

use crate::served::{Service, empty_home};
use serde_json::{Value, json};

/// A run, once it does not work any more.
fn rested(service: &Service, run: &str) -> Value {
    for _ in 0..1_200 {
        let view = service.get(&format!("/api/v1/experiments/{run}")).ok();
        if view["standing"] != "running" {
            return view;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the run {run} does not end");
}

/// An experiment of so many cells.
fn experiment(seeds: usize) -> String {
    format!(
        r#"name = "mine"
about = "A few cells."
dimension = 3
questions = 10
measured_at = [0, 10]
target_nats = 0.08
seeds = {:?}
strategies = ["random"]
learners = ["single_prior"]
[settings]
signal_scales = [1.5]
bands = [0.3]
slow_drift_weight = 0.0
[[prior]]
name = "start"
angle_degrees = [0.0]
confidence = [0.2]
[[person]]
name = "plain"
signal = [4.0]
lapse_rate = 0.02
"#,
        (1..=seeds).collect::<Vec<_>>()
    )
}

#[test]
fn experiments_run_beside_the_service_stop_go_on_and_outlive_it() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let given = service.get("/api/v1/experiments").ok();
    assert!(given["given"].as_array().unwrap().iter().any(|g| g["name"] == "first"), "{given}");
    for (body, status) in [
        (json!({ "toml": "name = 7" }), 422),
        (json!({ "given": "nothing" }), 404),
        (json!({}), 422),
        (json!({ "given": "first", "toml": experiment(1) }), 422),
    ] {
        assert_eq!(service.post("/api/v1/experiments", &body).status, status, "{body}");
    }
    let short = service.post("/api/v1/experiments", &json!({ "toml": experiment(3) })).ok();
    assert_eq!((&short["run"], &short["cells"]), (&json!("mine-1"), &json!(3)));
    let followed = service.get("/api/v1/experiments/mine-1/events");
    let events: Vec<&str> = followed.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!((&last["standing"], &last["done"]), (&json!("done"), &json!(3)), "{}", followed.text);
    let done = rested(&service, "mine-1");
    assert_eq!(
        (&done["standing"], &done["done"], &done["has_report"]),
        (&json!("done"), &json!(3), &json!(true)),
        "{done}"
    );
    let report = service.get("/api/v1/experiments/mine-1/report");
    assert!(report.text.starts_with("<!") && report.policy.contains("sandbox"), "{}", report.policy);

    // A long one is stopped, goes on, and is cut short with the service.
    let long = service.post("/api/v1/experiments", &json!({ "toml": experiment(8_000) })).ok();
    assert_eq!((&long["run"], &long["standing"]), (&json!("mine-2"), &json!("running")));
    let second = service.post("/api/v1/experiments", &json!({ "given": "first" }));
    assert_eq!((second.status, second.problem()), (409, "conflict".into()), "one at a time");
    let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    assert_eq!(turn["question"]["number"], 1, "people answer meanwhile");
    let stopped = service.post("/api/v1/experiments/mine-2/stop", &json!({})).ok();
    assert_eq!(stopped["standing"], "stopped");
    assert_eq!(service.post("/api/v1/experiments/mine-2/stop", &json!({})).status, 409);
    assert_eq!(service.post("/api/v1/experiments/mine-2/go-on", &json!({})).ok()["standing"], "running");
    assert_eq!(service.post("/api/v1/experiments/mine-1/go-on", &json!({})).status, 409, "that one is at work");
    service.kill();
    let service = Service::start(home.path(), &[]);
    let runs = service.get("/api/v1/experiments").ok()["runs"].clone();
    let found: Vec<(&str, &str)> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["run"].as_str().unwrap(), r["standing"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [("mine-2", "stopped"), ("mine-1", "done")]);
    assert_eq!(service.post("/api/v1/experiments/mine-1/go-on", &json!({})).status, 409, "it is done");
    // A folder that another program damaged fails, and says why.
    std::fs::create_dir_all(home.path().join("experiments/mine-2/out")).unwrap();
    std::fs::write(home.path().join("experiments/mine-2/out/cells.jsonl"), "no journal\n").unwrap();
    service.post("/api/v1/experiments/mine-2/go-on", &json!({})).ok();
    let failed = rested(&service, "mine-2");
    assert_eq!(failed["standing"], "failed");
    assert!(failed["said"].as_str().unwrap().contains("cells.jsonl"), "{failed}");
    // The owner's only.
    let made = service.post("/api/v1/tokens", &json!({ "role": "facilitator" })).ok();
    let facilitator = service.with_token(made["token"].as_str().unwrap());
    for path in ["/api/v1/experiments", "/experiments", "/api/v1/experiments/mine-1/report", "/experiments/mine-1"] {
        assert_eq!(facilitator.get(path).status, 403, "{path}");
    }
    assert_eq!(facilitator.post("/api/v1/experiments", &json!({ "given": "first" })).status, 403);
    for name in ["..", "%2e%2e%2fevidence", "mine-9"] {
        assert_eq!(service.get(&format!("/api/v1/experiments/{name}")).status, 404, "{name}");
    }
    service.stop();
}
