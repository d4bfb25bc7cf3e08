//! What an owner said holds as long as it was meant to: rules, limits, terms.

use super::*;

#[test]
fn always_holds_until_it_is_undone_and_a_limit_holds_against_everything() {
    let home = declared();
    let question = request(home.path(), &mail("bob")).1["question"].to_string();
    let like = r#"{"tool": "send_mail", "arguments": {"to": {"is": "bob"}}, "others": true}"#;
    let answer = ["approvals", "answer", &question, "approve", "--for", "always", "--like", like, "--person", "ada"];
    done(home.path(), &answer);
    let mut other_text = mail("bob");
    other_text["arguments"]["text"] = "Something else.".into();
    let (code, passed) = request(home.path(), &other_text);
    assert_eq!((code, &passed["explanation"]["decision"]["reason"]), (0, &json!("rule")), "{passed}");
    let act = passed["act"].to_string();
    done(home.path(), &["approvals", "undo", &act, "--person", "ada"]);
    fails(home.path(), &["approvals", "undo", &act, "--person", "ada"], 3, "no act");
    let limits = home.path().join("limits.toml");
    std::fs::write(&limits, "[[deny]]\ntool = \"send_mail\"\nothers = true\n").unwrap();
    done(home.path(), &["approvals", "limits", limits.to_str().unwrap(), "--person", "ada"]);
    let (code, refused) = request(home.path(), &mail("bob"));
    assert_eq!((code, &refused["explanation"]["decision"]["reason"]), (12, &json!("denied")), "{refused}");
    assert!(done(home.path(), &["approvals", "limits", "--person", "ada"]).contains("send_mail"));
    let shown = done(home.path(), &["approvals", "show", "--person", "ada"]);
    assert!(shown.contains("never: send_mail(...)") && shown.contains("so far: 2"), "{shown}");
}

#[test]
fn tools_declared_anew_keep_what_was_said_and_an_erased_owner_leaves_nothing() {
    let home = declared();
    let question = request(home.path(), &mail("bob")).1["question"].to_string();
    done(home.path(), &["approvals", "answer", &question, "refuse", "--person", "ada"]);
    let again = home.path().join("tools.toml");
    let text = std::fs::read_to_string(&again).unwrap() + "\n[[tools]]\nname = \"post\"\noutside = true\n";
    std::fs::write(&again, text).unwrap();
    done(home.path(), &["approvals", "declare", again.to_str().unwrap(), "--person", "ada"]);
    let shown = json(home.path(), &["approvals", "show", "--person", "ada"]);
    assert_eq!((&shown["answers"], shown["tools"].as_array().unwrap().len()), (&json!(1), 5));
    assert_eq!(request(home.path(), &mail("bob")).1["explanation"]["decision"]["reason"], "refused_before");
    done(home.path(), &["evidence", "erase", "--person", "ada", "--yes-erase", "ada"]);
    let log = std::fs::read_to_string(home.path().join("evidence/log.jsonl")).unwrap();
    assert!(!log.contains("send_mail") && !log.contains("already approved"), "an erased owner's requests remain");
    fails(home.path(), &["approvals", "show", "--person", "ada"], 3, "approvals declare");
}

#[test]
fn rules_are_listed_and_revoked_and_answers_that_would_mean_nothing_are_refused() {
    let home = declared();
    let ada = ["--person", "ada"];
    let run = |arguments: &[&str]| done(home.path(), &[arguments, &ada].concat());
    let refused = |arguments: &[&str], said: &str| fails(home.path(), &[arguments, &ada].concat(), 3, said);
    let question = request(home.path(), &mail("bob")).1["question"].to_string();
    let answer = ["approvals", "answer", &question, "approve"];
    let like = r#"{"tool": "send_mail", "others": true}"#;
    refused(&[&answer[..], &["--for", "task"]].concat(), "no task");
    refused(&[&answer[..], &["--for", "always", "--until", "2020-01-01T00:00"]].concat(), "2020");
    refused(&[&answer[..], &["--like", like]].concat(), "for always only");
    let said = run(&[&answer[..], &["--for", "always", "--like", like]].concat());
    let shown = json(home.path(), &["approvals", "show", "--person", "ada"]);
    let rule = shown["rules"][0]["rule"].to_string();
    assert!(said.contains(&format!("rule {rule}")), "{said}");
    for listed in [run(&["approvals", "list"]), run(&["approvals", "show"])] {
        assert!(listed.contains(&format!("rule {rule}")) && listed.contains("send_mail(...) passes"), "{listed}");
    }
    let passed = request(home.path(), &mail("carol")).1;
    assert_eq!(passed["verdict"], "allow");
    let explained = done(home.path(), &["explain", &passed["record"].to_string()]);
    assert!(explained.contains(&format!("rule {rule}")) && explained.contains("Revoke rule"), "{explained}");
    let listed = done(home.path(), &["evidence", "list"]);
    assert!(
        listed.contains(&format!("act {}: send_mail", passed["act"])) && listed.contains("question 0: "),
        "{listed}"
    );
    assert!(done(home.path(), &["replay"]).contains(&format!("rule {rule}: send_mail(...) passes")));
    run(&["approvals", "revoke", &rule]);
    refused(&["approvals", "revoke", &rule], "no rule");
    assert_eq!(request(home.path(), &mail("dan")).0, 10);
    let listed = done(home.path(), &["evidence", "list"]);
    assert!(listed.contains(&format!("rule {rule} revoked")), "{listed}");
    // A tool nobody declared is approved once at a time.
    let unknown = request(home.path(), &json!({"tool": "format", "task": "t"})).1["question"].to_string();
    for scope in ["task", "always"] {
        refused(&["approvals", "answer", &unknown, "approve", "--for", scope], "nobody declared");
    }
    run(&["approvals", "answer", &unknown, "approve"]);
    done(home.path(), &["replay", "--verify"]);
}

#[test]
fn limits_say_what_they_deny_and_name_declared_tools_only() {
    let home = declared();
    let file = home.path().join("limits.toml");
    let path = file.to_str().unwrap();
    let set = ["approvals", "limits", path, "--person", "ada"];
    std::fs::write(&file, "[[deny]]\ntool = \"pay\"\n").unwrap();
    done(home.path(), &set);
    let pay = json!({"tool": "pay", "arguments": {"to": "bob", "amount": 3}});
    assert_eq!(request(home.path(), &pay).0, 12, "all payments are denied");
    std::fs::write(&file, "[[deny]]\ntool = \"pya\"\n").unwrap();
    fails(home.path(), &set, 3, "\"pay\"");
    std::fs::write(&file, done(home.path(), &["approvals", "limits", "--example"])).unwrap();
    done(home.path(), &set);
    let example = std::fs::read_to_string(&file).unwrap();
    for key in ["deny", "allow", "only", "spending_per_day_max", "hours", "starts_with", "at_most", "others"] {
        assert!(example.contains(key), "{key}");
    }
    // Spending is what the declared amount says, whatever the agent says.
    let free = home.path().join("free.toml");
    std::fs::write(&free, "spending_per_day_max = 10.0\n[[allow]]\ntool = \"pay\"\nothers = true\n").unwrap();
    done(home.path(), &["approvals", "limits", free.to_str().unwrap(), "--person", "ada"]);
    assert_eq!(request(home.path(), &pay).0, 0);
    let more = json!({"tool": "pay", "arguments": {"to": "bob", "amount": 8}, "cost": 0.0});
    assert_eq!(request(home.path(), &more).1["explanation"]["decision"]["reason"], "spending");
    assert_eq!(request(home.path(), &json!({"tool": "pay"})).1["explanation"]["decision"]["reason"], "spending");
    std::fs::write(&file, "").unwrap();
    fails(home.path(), &["approvals", "declare", path, "--person", "ada"], 3, "no tool is declared");
    let twice = r#"{"tool": "pay", "arguments": {"to": "bob", "to": "eve"}}"#;
    let (code, text) = send(home.path(), &["approvals", "request", "--person", "ada"], twice);
    assert!(code == 3 && text.contains("stands twice"), "{text}");
}

/// The library's way, by the owner's clock: an approval that has ended is none.
#[test]
fn an_approval_ends_when_it_was_said_to() {
    let home = declared();
    let (mut home, _) = Home::open(home.path()).unwrap();
    let zone = TimeZone::UTC;
    let at = |hour: i64| Now::new(jiff::Timestamp::from_second(1_790_000_000 + 3600 * hour).unwrap(), &zone);
    let stated = serde_json::from_value(mail("bob")).unwrap();
    let asked = approvals::request(&mut home, &id("ada"), stated, &at(0)).unwrap();
    let answer =
        serde_json::from_value(json!({"verdict": "approved", "scope": "always", "expires": at(2).local})).unwrap();
    approvals::answer(&mut home, &id("ada"), asked.question.unwrap(), asked.shown_hash, answer, &at(0)).unwrap();
    let verdict = |home: &mut Home, hour| {
        let stated = serde_json::from_value(mail("bob")).unwrap();
        approvals::request(home, &id("ada"), stated, &at(hour)).unwrap().verdict
    };
    assert_eq!(verdict(&mut home, 1), credence_approvals::Verdict::Allow);
    assert_eq!(verdict(&mut home, 3), credence_approvals::Verdict::Ask);
}
