//! Evidence from files.

use crate::CHOICES;
use crate::logs::{done, json as command_json};
use crate::served::{Service, empty_home};
use serde_json::{Value, json};

#[test]
fn a_file_is_looked_at_first_and_then_brought_in_once() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let records = |service: &Service| service.get("/health").ok()["head"].as_u64().unwrap();
    let before = records(&service);
    let looked_at = service.file("/api/v1/imports?format=csv", CHOICES).ok();
    let found = &looked_at["found"];
    assert_eq!((&found["dry_run"], &found["evidence"], &found["people"]), (&json!(true), &json!(3), &json!(2)));
    assert_eq!((&found["new_statements"], &found["records"]), (&json!(4), &Value::Null));
    assert_eq!(records(&service), before, "nothing was changed");
    let commit = format!("/api/v1/imports/{}/commit?format=csv", looked_at["import"].as_str().unwrap());
    let brought_in = service.post(&commit, &json!({})).ok()["found"].clone();
    let [first, last] = [0, 1].map(|n| brought_in["records"][n].as_u64().unwrap());
    assert_eq!((first, last, &brought_in["evidence"]), (before + 1, records(&service), &json!(3)));
    let again = service.post(&commit, &json!({})).ok()["found"].clone();
    assert_eq!((&again["evidence"], &again["known"], &again["records"]), (&json!(0), &json!(3), &Value::Null));
    assert_eq!(records(&service), last, "the same again brings nothing");

    // What the command says of a file, the service says of it.
    for (content, says) in [
        ("person,first,second\nada,a,b\n", "no column"),
        ("person,first,second,chosen\nada,a,b,third\n", "line 2"),
        ("person,first,second,chosen\nada,a,a,first\n", "both alternatives are the same"),
        ("", "holds no evidence"),
    ] {
        let refused = service.file("/api/v1/imports?format=csv", content);
        assert_eq!((refused.status, refused.problem()), (422, "wrong-input".into()), "{content}");
        assert!(refused.text.contains(says) && !refused.text.contains("serve/imports"), "{}", refused.text);
    }
    let left_out = service.file("/api/v1/imports?format=csv&skip_bad=true", &format!("{CHOICES}ada,a,a,first\n")).ok();
    assert_eq!(left_out["found"]["left_out"].as_array().map(Vec::len), Some(1), "{left_out}");
    let trl = "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n";
    assert!(service.file("/api/v1/imports?format=trl", trl).text.contains("say whose they are"));
    assert_eq!(service.file("/api/v1/imports?format=trl&person=cy", trl).ok()["found"]["people"], 1);
    for path in ["/api/v1/imports?format=xml", "/api/v1/imports", "/api/v1/imports?format=csv&dry=1"] {
        assert_eq!(service.file(path, CHOICES).status, 400, "{path}");
    }
    for name in ["..%2Ftokens.jsonl", &"0".repeat(64)] {
        assert_eq!(service.post(&format!("/api/v1/imports/{name}/commit?format=csv"), &json!({})).status, 404);
    }
    let too_large = service.file("/api/v1/imports?format=csv", &"x".repeat((32 << 20) + 1));
    assert_eq!((too_large.status, too_large.problem()), (413, "too-large".into()));

    // Facilitators do so too, others do not.
    let token = |body: Value| service.post("/api/v1/tokens", &body).ok()["token"].as_str().unwrap().to_owned();
    let facilitator = service.with_token(&token(json!({ "role": "facilitator" })));
    facilitator.file("/api/v1/imports?format=csv", CHOICES).ok();
    for body in [json!({ "role": "participant", "person": "ada" }), json!({ "role": "agent" })] {
        let other = service.with_token(&token(body));
        assert_eq!(other.file("/api/v1/imports?format=csv", CHOICES).status, 403);
        assert_eq!(other.post(&commit, &json!({})).status, 403);
    }
    service.stop();
    // By the command it is the same file still.
    let path = home.path().join("choices.csv");
    std::fs::write(&path, CHOICES).unwrap();
    let known = command_json(home.path(), &["evidence", "import", "csv", path.to_str().unwrap()]);
    assert_eq!((&known["known"], &known["records"]), (&json!(3), &Value::Null), "{known}");
    assert!(done(home.path(), &["evidence", "verify"]).contains("3 of them evidence"));
}

/// A Polis export of a conversation, as its files are downloaded.
pub(crate) fn polis(comments: &str, votes: &str) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("comments.csv", comments), ("votes.csv", votes)] {
        let name = format!("town/2026-01-31-1200-7town-{name}");
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_polis_export_comes_in_as_an_archive_or_as_files_and_says_what_it_marks() {
    const COMMENTS: &str = "timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n\
        1700000000,,0,1,2,1,1,Buses should run at night.\n\
        1700000001,,1,1,1,2,-1,This is no opinion.\n";
    const VOTES: &str = "timestamp,datetime,comment-id,voter-id,vote\n\
        1700000010,,0,1,1\n1700000011,,0,2,1\n1700000012,,0,3,-1\n\
        1700000013,,1,1,1\n1700000014,,1,2,-1\n1700000015,,1,3,-1\n";
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let send = |bytes: &[u8], how: &str| {
        service.bytes(&format!("/api/v1/imports?format=polis{how}"), "application/zip", bytes)
    };
    let looked_at = send(&polis(COMMENTS, VOTES), "").ok();
    let found = &looked_at["found"];
    assert_eq!((&found["evidence"], &found["people"], &found["marked"]), (&json!(6), &json!(3), &json!(1)), "{found}");
    assert_eq!(found["marks"][0]["statement"], "This is no opinion.");
    assert_eq!(found["marks"][0]["counts"], false);
    let commit = format!("/api/v1/imports/{}/commit?format=polis", looked_at["import"].as_str().unwrap());
    service.post(&commit, &json!({})).ok();
    assert!(service.get("/api/v1/people").text.contains("polis:7town:1"));
    let town = service.get("/api/v1/people/together?conversation=7town").ok();
    assert_eq!(town["view"]["items"][0]["text"], "Buses should run at night.", "{town}");
    assert!(service.get("/people?conversation=7town").text.contains("2 of 3"), "how many of a group agree");
    // The next state of the conversation counts it again, and has a row that cannot be read.
    let (comments, votes) = (COMMENTS.replace(",-1,This", ",1,This"), format!("{VOTES}1700000016,,1,4,7\n"));
    let refused = send(&polis(&comments, &votes), "");
    assert_eq!(refused.status, 422, "{}", refused.text);
    let again = send(&polis(&comments, &votes), "&skip_bad=true").ok();
    assert_eq!((&again["found"]["known"], &again["found"]["unmarked"]), (&json!(6), &json!(1)), "{again}");
    assert_eq!(again["found"]["marks"][0]["counts"], true);
    let row = again["found"]["left_out"][0].as_str().unwrap();
    assert!(row.starts_with("2026-01-31-1200-7town-votes.csv, line 8"), "{row}");
    // On the page: several files at once.
    let home_page = service.get("/people").text;
    let csrf = home_page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let part = |disposition: &str, content: &str| {
        format!("--xyz\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    };
    let form = [
        part("name=\"csrf\"", &csrf),
        part("name=\"format\"", "polis"),
        part("name=\"skip_bad\"", "true"),
        part("name=\"file\"; filename=\"2026-01-31-1200-7town-comments.csv\"", &comments),
        part("name=\"file\"; filename=\"2026-01-31-1200-7town-votes.csv\"", &votes),
        "--xyz--\r\n".to_owned(),
    ]
    .concat();
    let page = service.as_it_is("/people/import", "multipart/form-data; boundary=xyz", &form);
    assert_eq!(page.status, 200, "{}", page.text);
    for says in ["Statements that count again", "This is no opinion.", "votes.csv, line 8", "Bring it in"] {
        assert!(page.text.contains(says), "{says}: {}", page.text);
    }
    for (bytes, says) in [(&b"comment-id"[..], "no zip archive"), (&polis("", "")[..], "votes.csv holds no evidence")] {
        let refused = send(bytes, "");
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains(says) && !refused.text.contains("serve/imports"), "{}", refused.text);
    }
    service.stop();
}

#[test]
fn whoever_answers_here_and_has_rows_in_a_file_is_named_before_it_comes_in() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    service.post("/api/v1/tokens", &json!({ "role": "participant", "person": "ada" })).ok();
    let looked_at = service.file("/api/v1/imports?format=csv", CHOICES).ok();
    assert_eq!(looked_at["adds_to"], json!(["ada"]), "{looked_at}");
    service.post("/api/v1/sessions", &json!({ "person": "bo" })).ok();
    let looked_at = service.file("/api/v1/imports?format=csv", CHOICES).ok();
    assert_eq!(looked_at["adds_to"], json!(["ada", "bo"]), "{looked_at}");
    let commit = format!("/api/v1/imports/{}/commit?format=csv", looked_at["import"].as_str().unwrap());
    assert_eq!(service.post(&commit, &json!({})).ok()["adds_to"], json!(["ada", "bo"]));
    service.stop();
}
