//! Who may see and do what, and what is refused from elsewhere.

use std::time::Duration;

use crate::logs;
use crate::served::{Service, coded, empty_home, hidden};
use crate::{events, reply, say};
use serde_json::{Value, json};

#[test]
fn a_stream_ends_when_its_token_is_taken_back() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let token_of = |who: Value| service.post("/api/v1/tokens", &who).ok()["token"].as_str().unwrap().to_owned();
    let ada = service.with_token(&token_of(json!({ "role": "participant", "person": "ada" })));
    let facilitator = service.with_token(&token_of(json!({ "role": "facilitator" })));
    let turn = ada.post("/api/v1/sessions", &json!({})).ok();
    let events_of = format!("/api/v1/sessions/{}/events", coded(turn["session"].as_str().unwrap()));
    std::thread::scope(|scope| {
        let theirs = [scope.spawn(|| ada.get(&events_of)), scope.spawn(|| ada.get(&events_of))];
        let anothers = scope.spawn(|| facilitator.get(&events_of));
        std::thread::sleep(Duration::from_millis(300));
        assert!(theirs.iter().all(|stream| !stream.is_finished()) && !anothers.is_finished());
        assert_eq!(service.send("DELETE", "/api/v1/tokens/participant", None, &[]).status, 204);
        // The session goes on, and nothing of it is told to whom the token was taken from.
        let answered = service.post(&events_of.replace("/events", "/said"), &json!({ "say": reply(&turn) }));
        let seen = theirs.map(|stream| stream.join().unwrap());
        assert_eq!(seen[0].status, 200);
        let told = events(&seen[0].text);
        assert_eq!(
            told.iter().map(|(event, turn)| (event.as_str(), &turn["answers"])).collect::<Vec<_>>(),
            [("turn", &json!(0))]
        );
        assert_eq!(ada.get(&events_of).status, 401);
        // Another's stream is not touched: it ends with the session.
        assert!(!anothers.is_finished());
        let turn = answered.ok();
        say(&service, &turn, &json!({ "said": "stop" })).ok();
        let told = events(&anothers.join().unwrap().text);
        assert_eq!(told.last().map(|(event, _)| event.as_str()), Some("over"), "{told:?}");
    });
    service.stop();
}

#[test]
fn participants_join_by_a_link_and_see_themselves_only() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let link = service.post("/api/v1/join-links", &json!({})).ok()["link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&service.base).unwrap().to_owned();
    assert!(service.as_nobody().get(&path).text.contains("Pseudonym"));
    let [ada, bo] = ["ada", "bo"].map(|name| service.join(&path, name));
    let taken = service.as_nobody().form(&path, &[("pseudonym", "ada")]);
    assert_eq!(taken.status, 409);
    let turn = ada.post("/api/v1/sessions", &json!({})).ok();
    assert_eq!(turn["person"], "ada");
    say(&ada, &turn, &reply(&turn)).ok();
    for path in
        ["/api/v1/people", "/people", "/model", "/metrics", "/api/v1/values?person=ada", "/api/v1/log?person=ada"]
    {
        let answer = bo.get(path);
        assert_eq!((answer.status, answer.problem()), (403, "forbidden".into()), "{path}");
    }
    assert_eq!(say(&bo, &turn, &reply(&turn)).status, 403, "somebody else's session");
    let log = bo.get("/api/v1/log").ok();
    assert!(log["records"].as_array().unwrap().iter().all(|r| r["person"] == "bo"), "{log}");
    let retract = bo.post("/api/v1/log/8/retract", &json!({ "reason": "mine?" }));
    assert_eq!(retract.status, 403);
    // A facilitator sees everybody, and hands out no tokens.
    let made = service.post("/api/v1/tokens", &json!({ "role": "facilitator" })).ok();
    let facilitator = service.with_token(made["token"].as_str().unwrap());
    assert_eq!(facilitator.get("/api/v1/people").ok()[0]["person"], "ada");
    let refused = facilitator.post("/api/v1/tokens", &json!({ "role": "facilitator" }));
    assert_eq!((refused.status, refused.problem()), (403, "forbidden".into()));
    assert_eq!(service.post("/api/v1/tokens", &json!({ "role": "owner" })).status, 422);
    assert_eq!(service.send("DELETE", "/api/v1/tokens/facilitator", None, &[]).status, 204);
    assert_eq!(facilitator.get("/api/v1/people").status, 401);
    assert_eq!(service.send("DELETE", "/api/v1/join-links", None, &[]).status, 204);
    assert_eq!(service.as_nobody().get(&path).status, 410, "the link is taken back");
    assert_eq!(ada.get("/api/v1/values").ok()["values"]["answers"], 1, "those who joined stay, with what they said");
}

#[test]
fn what_comes_from_elsewhere_is_refused() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let nobody = service.as_nobody();
    let answer = nobody.get("/api/v1/people");
    assert_eq!((answer.status, answer.problem()), (401, "unauthorized".into()));
    assert_eq!(answer.kind, "application/problem+json");
    assert_eq!(service.with_token("0123456789abcdef").get("/api/v1/people").status, 401);
    // A name that was made to point here, and a page of another site, or of this one without what makes it safe.
    let other_scheme = service.base.replace("http://", "https://");
    let sat = json!({ "person": "ada" });
    for headers in [&[("Host", "evil.example")][..], &[("Host", "127.0.0.1:1")]] {
        assert_eq!(service.send("POST", "/api/v1/sessions", Some(&sat), headers).status, 403, "{headers:?}");
    }
    for headers in [
        &[("Origin", "http://evil.example")][..],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Origin", &other_scheme)],
    ] {
        assert_eq!(service.send("POST", "/api/v1/sessions", Some(&sat), headers).status, 403, "{headers:?}");
    }
    for (body, says) in [("{", "EOF"), ("7", "invalid type"), ("{\"who\":1}", "unknown field")] {
        let answer = service.raw("POST", "/api/v1/sessions", body);
        assert_eq!((answer.status, answer.problem()), (400, "wrong-input".into()), "{body}");
        assert!(answer.text.contains(says), "{}", answer.text);
    }
    let long = format!("{{\"person\":\"{}\"}}", "x".repeat(100_000));
    assert!(matches!(service.raw("POST", "/api/v1/sessions", &long).status, 400 | 413));
    assert_eq!(service.get("/api/v1/sessions/nobody-7").status, 404);
    assert_eq!(service.get("/nowhere").status, 404);
    let no_number = service.post("/api/v1/log/seven/retract", &json!({ "reason": "x" }));
    assert_eq!((no_number.status, no_number.problem()), (400, "wrong-input".into()));
    let page = service.get("/");
    assert!(page.policy.contains("default-src 'none'") && !page.policy.contains("unsafe"), "{}", page.policy);
    assert!(page.policy.contains("frame-ancestors 'none'"), "{}", page.policy);
    // A form without its secret.
    let cookie = service.as_browser();
    let turn = service.post("/api/v1/sessions", &sat).ok();
    let fields = [("csrf", "0"), ("session", turn["session"].as_str().unwrap()), ("say", "{\"said\":\"skip\"}")];
    assert_eq!(cookie.form("/session/say", &fields).status, 403);
    assert_eq!(service.get("/api/v1/log?person=ada&kind=QuestionSkipped").ok()["records"], json!([]));
}

#[test]
fn nobodys_text_becomes_a_page_of_its_own() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let name = "<script>alert(1)</script>";
    let turn = service.post("/api/v1/sessions", &json!({ "person": name })).ok();
    say(&service, &turn, &reply(&turn)).ok();
    let seq = service.get("/api/v1/log").ok()["records"].as_array().unwrap().last().unwrap()["seq"].clone();
    service
        .post(&format!("/api/v1/log/{seq}/retract"), &json!({ "reason": "<img src=x onerror=alert(2)>\u{202e}" }))
        .ok();
    let name = coded(name);
    for path in [
        "/",
        "/log",
        &format!("/log?person={name}"),
        &format!("/values?person={name}"),
        &format!("/session?person={name}"),
        "/people",
        "/decisions",
    ] {
        let page = service.get(path);
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(
            !page.text.contains("<script>") && !page.text.contains("<img") && !page.text.contains('\u{202e}'),
            "{path}"
        );
    }
}

#[test]
fn beyond_this_machine_a_token_is_asked_for_and_a_certificate_must_be_one() {
    let home = empty_home();
    let service = Service::start(home.path(), &["--listen", "0.0.0.0:0"]);
    assert_eq!(service.as_nobody().get("/api/v1/people").status, 401);
    assert_eq!(service.get("/api/v1/people").status, 200);
    service.stop();
    let wrong = home.path().join("wrong.pem");
    std::fs::write(&wrong, "no certificate").unwrap();
    let wrong = wrong.to_str().unwrap();
    let (_, err, code) =
        logs::run(home.path(), &["serve", "--listen", "127.0.0.1:0", "--tls-cert", wrong, "--tls-key", wrong]);
    assert!(code != 0 && err.contains("failed to use"), "{code}: {err}");
}

#[test]
fn a_program_joins_by_a_link_as_a_browser_does() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let made = service.post("/api/v1/join-links", &json!({})).ok();
    let link = service.with_token(made["token"].as_str().unwrap());
    assert!(made["link"].as_str().unwrap().ends_with(made["token"].as_str().unwrap()));
    let fern = json!({ "pseudonym": " fern " });
    let joined = link.post("/api/v1/participants", &fern).ok();
    assert_eq!(joined["person"], "fern");
    let taken = link.post("/api/v1/participants", &fern);
    assert_eq!((taken.status, taken.problem()), (409, "conflict".into()));
    assert_eq!(service.as_nobody().form(&format!("/join/{}", link.token), &[("pseudonym", "fern")]).status, 409);
    for (body, status) in [(json!({ "pseudonym": "" }), 422), (json!({ "pseudonym": "a\nb" }), 422), (json!({}), 400)] {
        assert_eq!(link.post("/api/v1/participants", &body).status, status, "{body}");
    }
    // They are a participant, as by the page; the address opens a browser.
    let own = service.with_token(joined["token"].as_str().unwrap());
    let turn = own.post("/api/v1/sessions", &json!({})).ok();
    assert_eq!(say(&own, &turn, &reply(&turn)).ok()["answers"], 1);
    assert_eq!(own.get("/api/v1/people").status, 403);
    let opens = joined["link"].as_str().unwrap().strip_prefix(&service.base).unwrap();
    assert_eq!(service.as_nobody().get(opens).to.as_deref(), Some("/session"));
    // Nobody else joins, and the token of a link does nothing else.
    let moss = json!({ "pseudonym": "moss" });
    for (who, status) in [(&service, 403), (&own, 403), (&service.as_nobody(), 401)] {
        assert_eq!(who.post("/api/v1/participants", &moss).status, status);
    }
    for path in ["/api/v1/people", "/api/v1/values?person=fern", "/api/v1/log", "/metrics", "/v1/models"] {
        assert!(matches!(link.get(path).status, 400 | 403), "{path}");
    }
    assert_eq!(service.send("DELETE", "/api/v1/join-links", None, &[]).status, 204);
    assert_eq!(link.post("/api/v1/participants", &moss).status, 401, "the link is taken back");
}

/// Many people open one link at once, some of them under one name.
#[test]
fn people_who_join_at_once_are_not_taken_for_each_other() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let made = service.post("/api/v1/join-links", &json!({})).ok();
    let link = service.with_token(made["token"].as_str().unwrap());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let join = |n: usize| link.post("/api/v1/participants", &json!({ "pseudonym": format!("p{}", n % 4) })).status;
        let joining: Vec<_> = (0..16).map(|n| scope.spawn(move || join(n))).collect();
        joining.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let joined = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((joined, statuses.iter().filter(|status| **status == 409).count()), (4, 12), "{statuses:?}");
}

/// Agents mean somebody, and so does a token: nobody becomes them by a link.
#[test]
fn nobody_joins_under_a_name_that_stands_for_somebody() {
    let home = empty_home();
    let service = Service::start(home.path(), &["--agents-of", "owen"]);
    service.post("/api/v1/tokens", &json!({ "role": "participant", "person": "bo" })).ok();
    service.post("/api/v1/sessions", &json!({ "person": "cy" })).ok();
    let made = service.post("/api/v1/join-links", &json!({})).ok();
    let link = service.with_token(made["token"].as_str().unwrap());
    let path = format!("/join/{}", link.token);
    let long = "z".repeat(61);
    for (name, status, says) in [
        ("owen", 409, "called owen already"),
        ("bo", 409, "called bo already"),
        ("cy", 409, "called cy already"),
        ("polis:x:1", 422, "no colon"),
        (" ", 422, "ype a pseudonym"),
        ("a\u{202e}b", 422, "nothing that cannot be seen"),
        (&long, 422, "too long"),
    ] {
        let refused = link.post("/api/v1/participants", &json!({ "pseudonym": name }));
        assert_eq!(refused.status, status, "{name}: {}", refused.text);
        // On a phone the form is there again, with what was typed.
        let page = service.as_nobody().form(&path, &[("pseudonym", name)]);
        assert_eq!((page.status, page.cookie), (status, None), "{name}");
        assert!(page.text.contains(says) && !page.text.contains("An id"), "{name}: {}", page.text);
        hidden(&page.text, &path);
        if !name.contains('\u{202e}') {
            assert!(page.text.contains(&format!("value=\"{name}\"")), "{name}: {}", page.text);
        }
    }
    // A name as long as any may be has no session, and that is said; nothing fails.
    let person = "z".repeat(250);
    let refused = service.post("/api/v1/sessions", &json!({ "person": person }));
    assert_eq!((refused.status, refused.problem()), (422, "wrong-input".into()), "{}", refused.text);
    service.stop();
}

/// An address that somebody else made begins nothing and makes nobody another person.
#[test]
fn an_address_by_itself_changes_nothing() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let head = || service.get("/health").ok()["head"].clone();
    let browser = service.as_browser();
    let (_, once) = hidden(&browser.get("/people").text, "/people/link");
    let (csrf, _) = hidden(&browser.get("/").text, "/session");
    let before = head();
    for method in ["GET", "HEAD"] {
        let page = browser.send(method, "/session?person=ada", None, &[("Sec-Fetch-Site", "cross-site")]);
        assert_eq!((page.status, head()), (200, before.clone()), "{method}");
    }
    assert!(browser.get("/session?person=ada").text.contains("Begin with ada"));
    let begun = browser.form("/session", &[("csrf", &csrf), ("person", "ada")]);
    assert_eq!((begun.status, begun.to.as_deref()), (303, Some("/session?person=ada")), "{}", begun.text);
    assert_ne!(head(), before);
    assert!(browser.get("/session?person=ada").text.contains("Question 1"));
    assert_eq!(browser.form("/session", &[("csrf", "0"), ("person", "bo")]).status, 403);

    // Only a link that holds is shown as one.
    let made = browser.form("/people/link", &[("csrf", &csrf), ("once", &once)]).to.unwrap();
    let link = format!("/join/{}", made.split_once("link=").unwrap().1);
    assert!(browser.get(&made).text.contains(&link));
    let fern = service.join(&link, "fern");
    for other in [format!("../open?token={}", fern.token), fern.token.clone()] {
        let page = browser.get(&format!("/people?link={}", coded(&other))).text;
        assert!(!page.contains("id=\"join\"") && !page.contains(&other), "{page}");
    }
    // Whoever is signed in is asked before they are somebody else.
    let open = format!("/open?token={}", fern.token);
    let asked = browser.get(&open);
    assert_eq!((asked.status, &asked.cookie), (200, &None));
    assert!(asked.text.contains("Sign in as fern"), "{}", asked.text);
    let (csrf_of_form, _) = hidden(&asked.text, "/open");
    assert_eq!(browser.form("/open", &[("csrf", "0"), ("token", &fern.token)]).status, 403);
    let over = browser.form("/open", &[("csrf", &csrf_of_form), ("token", &fern.token)]);
    assert_eq!(over.token().as_deref(), Some(fern.token.as_str()));
    let again = service.with_cookie(&fern.token).get(&open);
    assert_eq!((again.status, again.to.as_deref()), (303, Some("/session")), "the same person is not asked");
    // The owner who tries the link stays the owner, unless they say otherwise.
    assert!(browser.get(&link).text.contains("private window"));
    let tried = browser.form(&link, &[("pseudonym", "boss")]);
    assert_eq!((tried.status, &tried.cookie), (200, &None));
    assert!(tried.text.contains("name=\"instead\""), "{}", tried.text);
    let joined = browser.form(&link, &[("pseudonym", "boss"), ("instead", "true")]);
    assert_eq!((joined.status, joined.to.as_deref()), (303, Some("/session?joined=true")));
    // Whoever has joined is shown once by what they come back, and leaving says so.
    let boss = service.with_cookie(&joined.token().unwrap());
    let own = format!("/open?token={}", joined.token().unwrap());
    assert!(boss.get("/session?joined=true").text.contains(&own) && !boss.get("/session").text.contains(&own));
    let (csrf_of_boss, _) = hidden(&boss.get("/session").text, "/leave");
    let left = boss.form("/leave", &[("csrf", &csrf_of_boss)]).text;
    assert!(left.contains("the link of your own"), "{left}");
    // Who has lost theirs gets another one from the owner.
    let (csrf, once) = hidden(&browser.get("/people").text, "/people/own-link");
    let fields = [("csrf", csrf.as_str()), ("once", &once), ("person", "fern")];
    assert_eq!(boss.form("/people/own-link", &fields).status, 403);
    let given = browser.form("/people/own-link", &fields).text;
    let token = given.split("/open?token=").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(service.with_token(token).post("/api/v1/sessions", &json!({})).ok()["person"], "fern");
    // Links are taken back on the page that makes them.
    assert_eq!(browser.form("/people/link/revoke", &[("csrf", "0")]).status, 403);
    assert_eq!(browser.form("/people/link/revoke", &[("csrf", &csrf)]).status, 303);
    assert_eq!(service.as_nobody().get(&link).status, 410);
    assert!(!browser.get("/people").text.contains("Take every link back"));
    service.stop();
}

/// Whoever sees themselves only is told neither when others answered nor how often.
#[test]
fn a_participant_learns_nothing_of_others_by_numbers_and_times() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let made = service.post("/api/v1/tokens", &json!({ "role": "participant", "person": "ada" })).ok();
    let ada = service.with_token(made["token"].as_str().unwrap());
    let head = || service.get("/health").ok()["head"].as_u64().unwrap();
    let others = |n: usize| {
        let mut turn = service.post("/api/v1/sessions", &json!({ "person": "bo" })).ok();
        for _ in 0..n {
            turn = say(&service, &turn, &reply(&turn)).ok();
        }
        head()
    };
    let first = others(2);
    let before = ada.get("/api/v1/values").ok();
    assert_eq!((&before["through"], &before["time"]), (&json!(0), &Value::Null));
    let turn = ada.post("/api/v1/sessions", &json!({})).ok();
    say(&ada, &turn, &reply(&turn)).ok();
    let own = head();
    let now = ada.get("/api/v1/values").ok();
    assert_eq!(now["through"], own);
    let last = others(3);
    for at in ["".to_owned(), format!("?at={own}"), format!("?at={}", own + 2), format!("?at={}", last + 1_000)] {
        let seen = ada.get(&format!("/api/v1/values{at}")).ok();
        for part in ["through", "time", "values"] {
            assert_eq!(seen[part], now[part], "{at}");
        }
    }
    for at in 1..=first {
        let seen = ada.get(&format!("/api/v1/values?at={at}")).ok();
        assert_eq!((&seen["through"], &seen["time"]), (&json!(0), &Value::Null), "{at}");
    }
    assert_eq!(ada.get(&format!("/api/v1/values?without={first}")).status, 422, "not theirs to leave out");
    assert_eq!(ada.get("/api/v1/log").ok()["head"], own);
    assert_eq!(ada.get("/health").ok()["head"], Value::Null);
    assert_eq!(service.as_nobody().get("/health").ok()["head"], Value::Null);
    assert_eq!(ada.get("/api/v1/events").status, 403);
    // What takes an answer back is as much their own, and counts.
    let evidence = ada.get("/api/v1/log").ok()["records"].as_array().unwrap().last().unwrap()["seq"].clone();
    let reason = json!({ "reason": "a slip" });
    let by = ada.post(&format!("/api/v1/log/{evidence}/retract"), &reason).ok()["by"].clone();
    others(1);
    let seen = ada.get("/api/v1/values").ok();
    assert_eq!((&seen["through"], &seen["values"]["answers"]), (&by, &json!(0)));
    assert_eq!(service.get("/api/v1/values?person=ada").ok()["values"], seen["values"]);
    service.stop();
}

/// One token holds so many streams, and no more until one of them ends.
#[test]
fn a_token_holds_so_many_streams_at_once() {
    use std::io::{BufRead, BufReader, Write};
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let token_of = |who: Value| service.post("/api/v1/tokens", &who).ok()["token"].as_str().unwrap().to_owned();
    let [ada, bo] = ["ada", "bo"].map(|name| token_of(json!({ "role": "participant", "person": name })));
    let address = service.base.strip_prefix("http://").unwrap();
    let follow = |token: &str| {
        let turn = service.with_token(token).post("/api/v1/sessions", &json!({})).ok();
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let session = coded(turn["session"].as_str().unwrap());
        let request = format!(
            "GET /api/v1/sessions/{session}/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        client.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(&client).read_line(&mut line).unwrap();
        (line.split(' ').nth(1).unwrap().to_owned(), client)
    };
    let mut held: Vec<_> = (0..8).map(|_| follow(&ada)).collect();
    assert!(held.iter().all(|(status, _)| status == "200"));
    assert_eq!((follow(&ada).0, follow(&bo).0), ("429".to_owned(), "200".to_owned()));
    held.pop();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(follow(&ada).0, "200");
    service.stop();
}
