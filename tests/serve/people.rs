//! Everybody at a glance.

use crate::say;
use crate::served::{Service, empty_home};
use serde_json::json;

#[test]
fn who_was_asked_different_things_is_placed_by_values() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    for (n, person) in ["ada", "bo", "cy", "di"].into_iter().enumerate() {
        let mut turn = service.post("/api/v1/sessions", &json!({ "person": person })).ok();
        for k in 0..5 {
            let say_this = match turn["question"]["kind"].as_str().unwrap() {
                "choice" => json!({ "said": "choose", "index": (n + k) % 2 }),
                "portrait" => json!({ "said": "rate", "level": if (n + k) % 2 == 0 { 6 } else { 1 } }),
                _ => json!({ "said": "best_and_worst", "best": n % 4, "worst": (n + 1) % 4 }),
            };
            turn = say(&service, &turn, &say_this).ok();
        }
    }
    let page = service.get("/people").text;
    for says in ["Where people stand by their values", "not of who answered alike", "Further to the right: "] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(page.matches("<circle").count(), 4, "{page}");
    let shared = service.get("/people/page.html").text;
    assert!(shared.contains("Where people stand by their values"));
    assert!(["ada", "bo", "cy", "di"].iter().all(|name| !shared.contains(&format!(">{name}<"))), "{shared}");
    assert_eq!(service.get("/api/v1/people/page.html").text, shared);
    // The same by the API, and to the same people only.
    let together = service.get("/api/v1/people/together").ok();
    assert_eq!(together["values"]["points"].as_array().map(Vec::len), Some(4), "{together}");
    assert_eq!(together["conversations"], json!([]));
    let csv = service.get("/api/v1/people/answers.csv");
    assert!(csv.kind.starts_with("text/csv") && csv.text.lines().count() > 10, "{}", csv.text);
    let model = service.get("/api/v1/model").ok();
    assert_eq!((&model["header"]["values"], &model["generations"]), (&json!(18), &json!([])), "{model}");
    assert!(model["prior"]["values"].as_array().is_some_and(|values| values.len() == 18));
    let made = service.post("/api/v1/tokens", &json!({ "role": "participant", "person": "ada" })).ok();
    let ada = service.with_token(made["token"].as_str().unwrap());
    for path in ["/api/v1/people/together", "/api/v1/people/answers.csv", "/api/v1/people/page.html", "/api/v1/model"] {
        assert_eq!(ada.get(path).status, 403, "{path}");
    }
    service.stop();
}
