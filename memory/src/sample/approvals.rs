//! Approvals: an owner declares tools and limits; an agent asks, the owner answers, an act passes and is undone.

use credence_approvals::{
    ActPattern, Affected, ApprovalRecord, By, Limits, PersonVerdict, Request, Reversible, Scope, Settings,
    ToolDeclaration,
};
use jiff::civil::{DateTime, date};

use super::*;
use crate::record::{ApprovalNoted, ApprovalsDeclared};

/// A request to send a mail to someone.
pub(super) fn mail(to: &str) -> Request {
    let arguments = serde_json::json!({"to": to, "text": "See you at noon."});
    Request {
        tool: "send_mail".into(),
        arguments: arguments.as_object().cloned().unwrap_or_default(),
        task: "lunch".into(),
        context: "to settle where we meet".into(),
        reversible: Reversible::No,
        affected: Affected::Others,
        cost: 0.0,
        outside: true,
        declared: Default::default(),
        cwd: String::new(),
        readings: Vec::new(),
    }
}

/// A mail tool, and the seed of the audits.
pub(super) fn approval_settings() -> Settings {
    let tool = ToolDeclaration { name: "send_mail".into(), recipient: Some("to".into()), ..ToolDeclaration::default() };
    // As logs have it that were written before version 2.
    Settings { version: 1, tools: vec![tool], audit_seed: [7; 32], ..Settings::default() }
}

/// One approved for now, one approved for always and passed by that rule, one refused, one undone, limits, and tools declared anew.
pub fn approvals(scribe: &mut Scribe) {
    let at: DateTime = date(2026, 7, 1).at(9, 0, 0, 0);
    let declared = |settings| Record::ApprovalsDeclared(ApprovalsDeclared { person: id("ada"), settings });
    let noted = |entry| Record::ApprovalNoted(ApprovalNoted { person: id("ada"), entry });
    let answered = |asked: u64, request: &Request, verdict, scope, pattern| {
        let shown_hash = request.shown_hash();
        noted(ApprovalRecord::ApprovalAnswered { asked, shown_hash, verdict, scope, pattern, expires: None, at })
    };
    let coin = |scribe: &Scribe, request: &Request| {
        scribe.state.approvals(&id("ada")).is_some_and(|approvals| approvals.audit_coin(request))
    };
    let ask = |scribe: &mut Scribe, request: &Request| {
        let audit = coin(scribe, request);
        scribe.expect(noted(ApprovalRecord::ApprovalAsked { request: request.clone(), audit, at }));
    };
    let pass = |scribe: &mut Scribe, request: &Request, by| {
        let audit = coin(scribe, request);
        scribe.expect(noted(ApprovalRecord::ActAllowed { request: request.clone(), by, audit, at }));
    };
    let (bob, carol, spam) = (mail("bob"), mail("carol"), mail("everyone"));
    scribe.expect(declared(approval_settings()));
    ask(scribe, &bob);
    scribe.expect(answered(0, &bob, PersonVerdict::Approved, Scope::Once, None));
    pass(scribe, &bob, By::Person);
    ask(scribe, &carol);
    scribe.expect(answered(3, &carol, PersonVerdict::Approved, Scope::Always, Some(ActPattern::exact(&carol))));
    pass(scribe, &carol, By::Rule);
    scribe.expect(noted(ApprovalRecord::ActUndone { act: 5, at }));
    ask(scribe, &spam);
    scribe.expect(answered(7, &spam, PersonVerdict::Refused, Scope::Task, None));
    let limits = Limits { deny: vec![ActPattern::tool("delete_all")], ..Limits::default() };
    scribe.expect(noted(ApprovalRecord::LimitsSet { limits, at }));
    let mut settings = approval_settings();
    settings.tools.push(ToolDeclaration { name: "read_file".into(), ..ToolDeclaration::default() });
    scribe.expect(declared(settings));
}
