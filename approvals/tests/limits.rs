//! Limits hold whatever is believed and whatever was answered.
#![allow(clippy::unwrap_used)]

mod common;

use common::{NOON, answer, quick, request, taught};
use credence_approvals::{
    ActPattern, ApprovalRecord, Approvals, By, Hours, Limits, Match, PersonVerdict, Reason, Request, Scope, Verdict,
};
use jiff::civil::time;
use proptest::prelude::*;

#[test]
fn each_limit_is_named() {
    let (mut state, _, _, act) = taught();
    let set = |state: &mut Approvals, limits| state.apply(&ApprovalRecord::LimitsSet { limits, at: NOON }).unwrap();
    let deny = vec![ActPattern {
        arguments: [("path".into(), Match::StartsWith("/project/".into()))].into(),
        others: true,
        tool: "*".into(),
    }];
    set(&mut state, Limits { deny: deny.clone(), allow: deny, ..Limits::default() });
    let denied = state.decide(&act, NOON).unwrap();
    assert_eq!((denied.verdict, denied.reason), (Verdict::Refuse, Reason::Denied), "deny wins over allow");
    set(&mut state, Limits { only: vec![ActPattern::tool("send")], ..Limits::default() });
    assert_eq!(state.decide(&act, NOON).unwrap().reason, Reason::NotListed);
    set(&mut state, Limits { allow: vec![ActPattern::tool("send")], ..Limits::default() });
    assert_eq!(state.decide(&request("send", "/project/a"), NOON).unwrap().reason, Reason::Rule);
    let night = Hours { from: time(22, 0, 0, 0), until: time(6, 0, 0, 0) };
    set(&mut state, Limits { hours: Some(night), allow: vec![ActPattern::tool("*")], ..Limits::default() });
    assert_eq!(state.decide(&act, NOON).unwrap().reason, Reason::Hours);
    assert_eq!(state.decide(&act, NOON.date().at(23, 0, 0, 0)).unwrap().verdict, Verdict::Allow);
    assert_eq!(state.decide(&act, NOON.date().at(6, 0, 0, 0)).unwrap().verdict, Verdict::Ask);
    let bad = Limits { spending_per_day_max: Some(f64::NAN), ..Limits::default() };
    assert!(state.apply(&ApprovalRecord::LimitsSet { limits: bad, at: NOON }).is_err());
}

#[test]
fn an_undeclared_tool_is_asked() {
    let (state, ..) = taught();
    let act = Request { tool: "unheard-of".to_owned(), ..request("read", "/project/a") };
    assert_eq!(state.decide(&act, NOON).unwrap().reason, Reason::UndeclaredTool);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was answered "always", nothing denied passes, and no day's spending without a person goes over its
    /// limit.
    #[test]
    fn no_answer_crosses_a_limit(
        costs in prop::collection::vec(0.0..60.0f64, 1..25),
        tools in prop::collection::vec(0usize..3, 25),
        days in prop::collection::vec(0i8..3, 25),
        most in 0.0..120.0f64,
        deny in 0usize..3,
    ) {
        let names = ["read", "delete", "send"];
        let mut state = Approvals::new(quick()).unwrap();
        for name in names {
            let (shown, all) = (request(name, "/project/a"), Some(ActPattern::tool(name)));
            answer(&mut state, &shown, PersonVerdict::Approved, Scope::Always, all, None);
        }
        let denied = vec![ActPattern::tool(names[deny])];
        let limits = Limits { deny: denied, spending_per_day_max: Some(most), ..Limits::default() };
        state.apply(&ApprovalRecord::LimitsSet { limits, at: NOON }).unwrap();
        let mut spent = [0.0; 3];
        for (n, cost) in costs.iter().enumerate() {
            let act = Request { cost: *cost, ..request(names[tools[n]], &format!("/project/{n}")) };
            let at = jiff::civil::date(2026, 12, 1 + days[n]).at(9, 0, 0, 0);
            let decision = state.decide(&act, at).unwrap();
            // Recorded by force, as a careless host might.
            for by in [By::Rule, By::Belief] {
                let record = ApprovalRecord::ActAllowed { request: act.clone(), by, audit: state.audit_coin(&act), at };
                if state.apply(&record).is_ok() {
                    prop_assert_eq!(decision.verdict, Verdict::Allow);
                    spent[days[n] as usize] += cost;
                    break;
                }
            }
            if tools[n] == deny {
                prop_assert_eq!(decision.verdict, Verdict::Refuse);
            }
        }
        prop_assert!(spent.iter().all(|sum| *sum <= most), "{spent:?} over {most}");
    }

    /// The hash does not depend on the order of keys, and depends on every value.
    #[test]
    fn the_hash_binds_tool_and_arguments(a in "[a-z]{1,8}", b in any::<i64>(), c in any::<i64>()) {
        let of = |text: String| serde_json::from_str::<Request>(&text).unwrap().shown_hash();
        let rest = r#""reversible":"yes","affected":"nobody","outside":false"#;
        let one = of(format!(r#"{{"tool":"{a}","arguments":{{"x":{b},"y":{{"p":1,"q":[2]}}}},{rest}}}"#));
        let two = of(format!(r#"{{"tool":"{a}","arguments":{{"y":{{"q":[2],"p":1}},"x":{b}}},{rest}}}"#));
        let other = of(format!(r#"{{"tool":"{a}","arguments":{{"x":{c},"y":{{"p":1,"q":[2]}}}},{rest}}}"#));
        prop_assert_eq!(one, two);
        prop_assert_eq!(one == other, b == c);
    }
}

/// What an owner of now declares: a workspace, a file tool, mail and payments.
fn careful() -> credence_approvals::Settings {
    let of = serde_json::json!({
        "version": 2,
        "workspace": "/project/",
        "known_recipients": ["bob"],
        "audit_seed": vec![0u8; 32],
        "tools": [
            {"name": "write", "path": "path", "arguments": ["text"]},
            {"name": "send", "recipient": "to"},
            {"name": "pay", "amount": "amount"},
            {"name": "free", "arguments": ["*"]},
        ],
    });
    serde_json::from_value(of).unwrap()
}

fn call(settings: &credence_approvals::Settings, stated: serde_json::Value) -> Request {
    settings.request(serde_json::from_value(stated).unwrap())
}

/// The classes of a call: outside, has a recipient, new recipient, amount.
fn classes(state: &Approvals, request: &Request) -> [f64; 4] {
    let features = state.features(request).unwrap();
    ["path outside the workspace", "has a recipient", "recipient is new", "amount (log)"]
        .map(|name| features[state.feature_names().iter().position(|known| known == name).unwrap()])
}

#[test]
fn a_declared_argument_that_is_missing_counts_as_the_careful_answer() {
    let settings = careful();
    let state = Approvals::new(settings.clone()).unwrap();
    let of = |stated| classes(&state, &call(&settings, stated));
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(of(json(r#"{"tool": "write", "arguments": {"path": "/project/a"}}"#))[0], 0.0);
    for outside in [
        r#"{"tool": "write"}"#,
        r#"{"tool": "write", "arguments": {"path": 1}}"#,
        r#"{"tool": "write", "arguments": {"path": "/project/ws/../../etc/passwd"}}"#,
        r#"{"tool": "write", "arguments": {"path": "a"}}"#,
        r#"{"tool": "write", "arguments": {"path": "../a"}, "cwd": "/project"}"#,
    ] {
        assert_eq!(of(json(outside))[0], 1.0, "{outside}");
    }
    for inside in ["/project//x/../a", "/project/./a", "/other/../project/a"] {
        assert_eq!(of(serde_json::json!({"tool": "write", "arguments": {"path": inside}}))[0], 0.0, "{inside}");
    }
    assert_eq!(of(json(r#"{"tool": "write", "arguments": {"path": "./a/../b"}, "cwd": "/project"}"#))[0], 0.0);
    assert_eq!(of(json(r#"{"tool": "send"}"#))[1..3], [1.0, 1.0]);
    assert_eq!(of(json(r#"{"tool": "send", "arguments": {"to": "bob"}}"#))[1..3], [1.0, 0.0]);
    assert!(of(json(r#"{"tool": "pay"}"#))[3] > 6.0, "an unknown amount is a large one");
    // What was declared before is read as it was then.
    let before = credence_approvals::Settings { version: 1, workspace: "/project".into(), ..settings.clone() };
    let old = Approvals::new(before.clone()).unwrap();
    assert_eq!(classes(&old, &call(&before, json(r#"{"tool": "write"}"#))), [0.0; 4]);
    let relative = credence_approvals::Settings { workspace: "project".into(), ..settings };
    assert!(Approvals::new(relative).is_err());
}

#[test]
fn arguments_that_nobody_declared_and_amounts_that_nobody_said_are_asked() {
    let settings = careful();
    let mut state = Approvals::new(settings.clone()).unwrap();
    let reason = |state: &Approvals, stated| state.decide(&call(&settings, stated), NOON).unwrap().reason;
    let json = serde_json::json!({"tool": "write", "arguments": {"path": "/project/a", "mode": "777"}});
    assert_eq!(reason(&state, json.clone()), Reason::UndeclaredArgument);
    assert!(state.explain(&call(&settings, json), NOON).unwrap().summary.contains("mode"));
    let declared = serde_json::json!({"tool": "write", "arguments": {"path": "/project/a", "text": "x"}});
    assert_eq!(reason(&state, declared), Reason::NotCalibrated);
    let any = serde_json::json!({"tool": "free", "arguments": {"a": 1, "b": 2}});
    assert_eq!(reason(&state, any), Reason::NotCalibrated);
    assert_eq!(reason(&state, serde_json::json!({"tool": "pay"})), Reason::UnknownAmount);
    // The amount is the cost; the larger of both counts.
    let paid = |amount: f64, cost: Option<f64>| {
        call(&settings, serde_json::json!({"tool": "pay", "arguments": {"amount": amount}, "cost": cost})).cost
    };
    assert_eq!((paid(30.0, None), paid(30.0, Some(1.0)), paid(3.0, Some(10.0))), (30.0, 30.0, 10.0));
    let allow = vec![ActPattern::tool("pay")];
    let limits = Limits { allow, spending_per_day_max: Some(50.0), ..Limits::default() };
    state.apply(&ApprovalRecord::LimitsSet { limits, at: NOON }).unwrap();
    let pay = |amount: serde_json::Value| serde_json::json!({"tool": "pay", "arguments": {"amount": amount}});
    assert_eq!(reason(&state, pay(49.into())), Reason::Rule);
    for over in [pay(51.into()), pay("9".into()), pay((-1).into()), serde_json::json!({"tool": "pay"})] {
        assert_eq!(reason(&state, over.clone()), Reason::Spending, "{over}");
    }
}

#[test]
fn a_rule_can_be_revoked_an_undo_ends_it_and_no_rule_lets_an_undeclared_tool_pass() {
    let settings = careful();
    let mut state = Approvals::new(settings.clone()).unwrap();
    let send = call(&settings, serde_json::json!({"tool": "send", "arguments": {"to": "eve"}}));
    let always = |state: &mut Approvals, act: &Request| {
        answer(state, act, PersonVerdict::Approved, Scope::Always, None, None);
        state.records() - 1
    };
    let rule = always(&mut state, &send);
    assert_eq!(state.rules().iter().map(|rule| rule.record).collect::<Vec<_>>(), [rule]);
    assert_eq!(state.decide(&send, NOON).unwrap().reason, Reason::Rule);
    let belief = state.belief().clone();
    state.apply(&ApprovalRecord::ActUndone { act: rule, at: NOON }).unwrap();
    assert_eq!(state.decide(&send, NOON).unwrap().verdict, Verdict::Ask);
    assert!(state.rules().is_empty() && *state.belief() == belief, "nothing is learned from a revocation");
    assert!(state.apply(&ApprovalRecord::ActUndone { act: rule, at: NOON }).is_err(), "a rule ends once");
    always(&mut state, &send);
    let pass = |state: &mut Approvals| {
        let record = ApprovalRecord::ActAllowed {
            request: send.clone(),
            by: By::Rule,
            audit: state.audit_coin(&send),
            at: NOON,
        };
        state.apply(&record).unwrap()
    };
    let act = pass(&mut state);
    state.apply(&ApprovalRecord::ActUndone { act, at: NOON }).unwrap();
    let after = state.decide(&send, NOON).unwrap();
    assert_eq!((after.verdict, state.rules().len()), (Verdict::Ask, 0));
    // An allow list stands, and the call that was taken back is asked all the same.
    let limits = Limits { allow: vec![ActPattern::tool("*")], ..Limits::default() };
    state.apply(&ApprovalRecord::LimitsSet { limits, at: NOON }).unwrap();
    assert_eq!(state.decide(&send, NOON).unwrap().verdict, Verdict::Ask);
    let other = call(&settings, serde_json::json!({"tool": "send", "arguments": {"to": "ann"}}));
    assert_eq!(state.decide(&other, NOON).unwrap().verdict, Verdict::Allow);
    let unheard = call(&settings, serde_json::json!({"tool": "unheard-of"}));
    always(&mut state, &unheard);
    assert_eq!(state.decide(&unheard, NOON).unwrap().reason, Reason::UndeclaredTool);
}

/// The same relative path elsewhere is another file: neither an approval nor a rule is for it.
#[test]
fn an_approval_of_a_relative_path_is_for_its_folder() {
    let settings = careful();
    let mut state = Approvals::new(settings.clone()).unwrap();
    let write =
        |cwd: &str| call(&settings, serde_json::json!({"tool": "write", "arguments": {"path": "a"}, "cwd": cwd}));
    assert_ne!(write("/project").shown_hash(), write("/etc").shown_hash());
    answer(&mut state, &write("/project"), PersonVerdict::Approved, Scope::Always, None, None);
    assert_eq!(state.decide(&write("/project"), NOON).unwrap().verdict, Verdict::Allow);
    assert_eq!(state.decide(&write("/etc"), NOON).unwrap().verdict, Verdict::Ask);
}

#[test]
fn to_be_asked_is_no_refusal_and_an_open_question_says_why_it_was_asked() {
    let settings = careful();
    let mut state = Approvals::new(settings.clone()).unwrap();
    let send = call(&settings, serde_json::json!({"tool": "send", "arguments": {"to": "eve"}}));
    answer(&mut state, &send, PersonVerdict::AskMe, Scope::Once, None, None);
    let record =
        ApprovalRecord::ActAllowed { request: send.clone(), by: By::Person, audit: state.audit_coin(&send), at: NOON };
    state.apply(&record).unwrap();
    let summary = state.explain(&send, NOON).unwrap().summary;
    assert!(summary.contains("want to be asked") && !summary.contains("refused"), "{summary}");
    let other = call(&settings, serde_json::json!({"tool": "send", "arguments": {"to": "ann"}}));
    let audit = state.audit_coin(&other);
    let asked = state.apply(&ApprovalRecord::ApprovalAsked { request: other, audit, at: NOON }).unwrap();
    let why = state.explain_question(asked, NOON).unwrap();
    assert_eq!(why.decision.reason, Reason::NotCalibrated, "{}", why.summary);
    assert!(!why.nearest.is_empty() && !why.would_change.is_empty());
}
