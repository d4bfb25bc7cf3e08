//! Everybody at a glance.

use credence_agent::pack::Pack;

use crate::logs::done;
use crate::say;
use crate::served::{Service, empty_home, empty_home_about};
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
    // They are drawn from left to right, and not in the order of their names, which would say whose each is.
    let across =
        shared.split("<circle cx=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse::<f64>().unwrap());
    assert!(across.collect::<Vec<_>>().is_sorted(), "{shared}");
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

/// Two camps of four vote on four statements, and one of them left one out.
#[test]
fn a_conversation_shows_groups_what_unites_and_divides_and_whom_to_ask() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let texts =
        ["Buses should run at night.", "Parking should be free.", "Trees should be planted.", "Fares should fall."];
    let mut comments =
        String::from("timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n");
    let mut votes = String::from("timestamp,datetime,comment-id,voter-id,vote\n");
    for (item, text) in texts.iter().enumerate() {
        comments += &format!("1700000000,,{item},0,4,4,1,{text}\n");
        for voter in 0..8 {
            // All want trees; the camps part on everything else.
            let agrees = item == 2 || (voter < 4) == (item == 0);
            if (item, voter) != (3, 7) {
                votes += &format!("17000001{item}{voter},,{item},{voter},{}\n", if agrees { 1 } else { -1 });
            }
        }
    }
    let archive = super::imports::polis(&comments, &votes);
    let looked_at = service.bytes("/api/v1/imports?format=polis", "application/zip", &archive).ok();
    let commit = format!("/api/v1/imports/{}/commit?format=polis", looked_at["import"].as_str().unwrap());
    assert_eq!(service.post(&commit, &json!({})).ok()["found"]["evidence"], 31);
    let together = service.get("/api/v1/people/together").ok();
    let view = &together["view"];
    let sizes: f64 = view["groups"].as_array().unwrap().iter().map(|group| group["people"].as_f64().unwrap()).sum();
    assert!((sizes - 8.0).abs() < 0.5 && view["people"].as_array().unwrap().len() == 8, "{together}");
    let item = |text: &str| view["items"].as_array().unwrap().iter().find(|item| item["text"] == text).unwrap().clone();
    for (text, agreements, answers) in [(texts[0], 4, 8), (texts[2], 8, 8), (texts[3], 3, 7)] {
        assert_eq!(
            (&item(text)["agreements"], &item(text)["answers"]),
            (&json!(agreements), &json!(answers)),
            "{text}"
        );
    }
    // Whoever left one out is asked.
    let asks = together["asks"].as_array().unwrap();
    let names: Vec<(&str, &str)> =
        asks.iter().map(|ask| (ask["person"].as_str().unwrap(), ask["statement"].as_str().unwrap())).collect();
    assert_eq!(names, [("polis:7town:7", texts[3])]);
    let page = service.get("/people").text;
    for says in ["Whom to ask next", "What unites", "What divides", "polis:7town:7"] {
        assert!(page.contains(says), "{says}: {page}");
    }
    let shared = service.get("/people/page.html").text;
    assert!(shared.contains(texts[2]) && !shared.contains("polis:7town:7"), "{shared}");

    // A long list comes page by page.
    let names = |query: &str| -> Vec<String> {
        let people = service.get(&format!("/api/v1/people{query}")).ok();
        people.as_array().unwrap().iter().map(|person| person["person"].as_str().unwrap().to_owned()).collect()
    };
    let all = names("");
    let first = names("?limit=3");
    assert_eq!((all.len(), &first[..]), (8, &all[..3]));
    assert_eq!(names(&format!("?limit=99&after={}", crate::served::coded(&first[2]))), all[3..]);
    service.stop();
}

/// The folder that the pack came from is gone; the home's copy says what values are called.
#[test]
fn values_of_a_pack_in_a_folder_have_their_names_on_pages_and_in_the_api() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tea");
    done(&dir.path().join("none"), &["pack", "new", folder.to_str().unwrap()]);
    let schema = folder.join("schema.toml");
    let text = std::fs::read_to_string(&schema).unwrap();
    std::fs::write(&schema, text.replace("\"Strength\"", "\"How dark it is\"")).unwrap();
    let home = empty_home_about(&Pack::load(&folder).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let service = Service::start(home.path(), &[]);
    let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    let first = match turn["question"]["kind"].as_str().unwrap() {
        "choice" => json!({ "said": "choose", "index": 0 }),
        _ => json!({ "said": "rate", "level": 6 }),
    };
    say(&service, &turn, &first).ok();
    let told = service.get("/api/v1/values?person=ada").ok().to_string();
    assert!(told.contains("How dark it is") && !told.contains("Strength"), "{told}");
    for page in ["/values?person=ada", "/log?person=ada"] {
        let told = service.get(page).text;
        assert!(told.contains("How dark it is") && !told.contains("Strength"), "{page}: {told}");
    }
}
