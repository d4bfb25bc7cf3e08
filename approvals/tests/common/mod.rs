//! What several tests share.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use credence_approvals::{
    ActPattern, ApprovalRecord, Approvals, By, Decision, PersonVerdict, Request, Scope, Settings, ToolDeclaration,
};
use jiff::civil::{DateTime, date};
use serde_json::json;

pub const NOON: DateTime = date(2026, 11, 28).at(12, 0, 0, 0);

/// Small enough that something is certified after some fifty answers.
pub fn quick() -> Settings {
    let tool = |name: &str, path: Option<&str>| ToolDeclaration {
        name: name.to_owned(),
        path: path.map(str::to_owned),
        ..ToolDeclaration::default()
    };
    Settings {
        tools: vec![tool("read", Some("path")), tool("delete", Some("path")), tool("send", None)],
        workspace: "/project".to_owned(),
        share_max: 0.3,
        audit_share: 0.2,
        frozen_at: vec![20],
        tested_min: 0,
        threshold_quantiles: vec![0.3, 0.45],
        ..Settings::default()
    }
}

pub fn request(tool: &str, path: &str) -> Request {
    let harmless = tool == "read";
    serde_json::from_value(json!({
        "tool": tool,
        "arguments": {"path": path},
        "task": "tidy",
        "context": "",
        "reversible": if harmless { "yes" } else { "no" },
        "affected": if harmless { "nobody" } else { "others" },
        "cost": 0.0,
        "outside": false,
    }))
    .unwrap()
}

/// Asks, and answers with the given verdict and scope; returns the answer's record.
pub fn answer(
    state: &mut Approvals,
    request: &Request,
    verdict: PersonVerdict,
    scope: Scope,
    pattern: Option<ActPattern>,
    expires: Option<DateTime>,
) -> Vec<ApprovalRecord> {
    let audit = state.audit_coin(request);
    let question = ApprovalRecord::ApprovalAsked { request: request.clone(), audit, at: NOON };
    let asked = state.apply(&question).unwrap();
    let shown_hash = request.shown_hash();
    let reply = ApprovalRecord::ApprovalAnswered { asked, shown_hash, verdict, scope, pattern, expires, at: NOON };
    state.apply(&reply).unwrap();
    vec![question, reply]
}

/// Lets an act pass as the decision says, and returns its record.
pub fn allow(state: &mut Approvals, request: &Request, decision: &Decision) -> (u64, ApprovalRecord) {
    let by = decision.allowed_by().unwrap();
    let record = ApprovalRecord::ActAllowed { request: request.clone(), by, audit: decision.audit, at: NOON };
    (state.apply(&record).unwrap(), record)
}

/// An owner who approves reading and refuses deleting, asked until belief lets a reading pass: state, records, and the
/// record of the act that passed.
pub fn taught() -> (Approvals, Vec<ApprovalRecord>, u64, Request) {
    let mut state = Approvals::new(quick()).unwrap();
    let mut records = Vec::new();
    for n in 0..400 {
        let (tool, verdict) =
            if n % 2 == 0 { ("read", PersonVerdict::Approved) } else { ("delete", PersonVerdict::Refused) };
        let act = request(tool, &format!("/project/{n}"));
        let decision = state.decide(&act, NOON).unwrap();
        if decision.allowed_by() == Some(By::Belief) {
            let (number, record) = allow(&mut state, &act, &decision);
            records.push(record);
            return (state, records, number, act);
        }
        records.extend(answer(&mut state, &act, verdict, Scope::Once, None, None));
    }
    panic!("nothing passed in 400 acts");
}
