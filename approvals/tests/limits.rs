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
