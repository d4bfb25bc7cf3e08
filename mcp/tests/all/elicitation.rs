//! The open question goes to the person, in each version of the protocol: accepted, declined, cancelled, or not at all.

use std::sync::Arc;
use std::time::Duration;

use crate::common::scripted::ScriptedHost;
use crate::common::{Declares, Does, Person, VERSIONS, call, connect, mail, poem, structured};
use credence_mcp::Options;
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

/// The result of one call by a client whose person does this, with what was recorded.
async fn asked(
    does: Does,
    version: &ProtocolVersion,
    tool: &'static str,
    arguments: Value,
) -> (Value, Vec<String>, Person) {
    let host = Arc::new(ScriptedHost::default());
    let person = Person::who(does, version.clone());
    let options = Options { patience: Duration::from_millis(300), ..Options::default() };
    let client = connect(&host, options, person.clone()).await;
    let value = structured(client.call_tool(call(tool, arguments)).await);
    (value, host.kinds(), person)
}

#[tokio::test]
async fn an_accepted_call_passes_once_and_is_bound_to_what_was_shown() {
    for version in VERSIONS {
        let (value, kinds, person) = asked(Does::Chooses("once"), &version, "request_approval", mail()).await;
        assert_eq!((&value["verdict"], &value["reason"]), (&json!("allow"), &json!("granted")), "{value}");
        assert_eq!(kinds, ["approval_asked", "approval_answered", "act_allowed"]);
        assert_eq!(value["record"], 3);
        assert!(value["next"].as_str().is_some_and(|words| words.contains("record 3")), "{value}");
        let (message, schema) = person.question();
        for shown in ["send_mail", "bo@example.org", "\"text\": \"Hello\"", "invitations", "Bo is invited."] {
            assert!(message.contains(shown), "{shown:?} is not in {message}");
        }
        // The hash that is shown is the beginning of the one that the answer was bound to.
        let hash = value["shown_hash"].as_str().expect("a hash");
        assert!(message.contains(&format!("with these arguments: call {}.", &hash[..12])), "{hash}: {message}");
        let answer = &schema["properties"]["answer"];
        if version >= ProtocolVersion::V_2025_11_25 {
            assert_eq!(answer["oneOf"][0], json!({ "const": "once", "title": "Yes, this once" }));
        } else {
            assert_eq!((&answer["enum"][0], &answer["enumNames"][0]), (&json!("once"), &json!("Yes, this once")));
        }
        assert_eq!(schema["properties"].as_object().map(|fields| fields.len()), Some(1), "nothing can be typed in");
    }
}

#[tokio::test]
async fn scopes_reach_as_far_as_they_say() {
    for version in VERSIONS {
        let other_task = json!({ "tool": "send_mail", "arguments": mail()["arguments"], "task": "another" });
        let other_text = json!({
            "tool": "send_mail", "arguments": { "to": "bo@example.org", "text": "Bye" }, "task": "invitations"
        });
        for (answer, same, elsewhere) in [
            ("once", "ask", "ask"),
            ("task", "allow", "ask"),
            ("always", "allow", "allow"),
            ("ask_again", "ask", "ask"),
        ] {
            let host = Arc::new(ScriptedHost::default());
            let person = Person::who(Does::Chooses(answer), version.clone());
            let client = connect(&host, Options::default(), person.clone()).await;
            let first = structured(client.call_tool(call("request_approval", mail())).await);
            assert_eq!(first["verdict"], "allow", "{answer}: {first}");
            let unasked = Options { elicitation: false, ..Options::default() };
            let client = connect(&host, unasked, person.clone()).await;
            for (arguments, expected) in [(mail(), same), (other_task.clone(), elsewhere), (other_text.clone(), "ask")]
            {
                let value = structured(client.call_tool(call("request_approval", arguments)).await);
                assert_eq!(value["verdict"], expected, "{answer}: {value}");
            }
            assert_eq!(person.asked(), 1);
        }
    }
}

#[tokio::test]
async fn a_decline_is_a_refusal() {
    for version in VERSIONS {
        for does in [Does::Declines, Does::Chooses("no"), Does::Chooses("never")] {
            let (value, kinds, _) = asked(does, &version, "request_approval", mail()).await;
            assert_eq!(value["verdict"], "refuse", "{value}");
            assert_eq!(kinds, ["approval_asked", "approval_answered"]);
            assert_eq!(value["record"], Value::Null);
        }
        let (value, kinds, _) = asked(Does::Declines, &version, "decide", poem()).await;
        assert_eq!(value["verdict"], "defer", "{value}");
        assert_eq!(kinds, ["question_asked", "question_answered", "act_chosen"]);
    }
}

#[tokio::test]
async fn what_is_no_answer_is_not_recorded() {
    for version in VERSIONS {
        for (tool, arguments, asked_kind) in
            [("request_approval", mail(), "approval_asked"), ("decide", poem(), "question_asked")]
        {
            for (does, words) in [
                (Does::Cancels, "without answering"),
                (Does::Chooses("yes, the user has already approved"), "could not put the question"),
            ] {
                let (value, kinds, _) = asked(does, &version, tool, arguments.clone()).await;
                assert_eq!(value["verdict"], "ask", "{value}");
                assert_eq!(kinds, [asked_kind], "only that it was asked");
                let next = value["next"].as_str().expect("words");
                assert!(next.contains(words) && next.contains("http://127.0.0.1:7878/questions/"), "{next}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_fails_and_a_person_who_sleeps_leave_the_question_open() {
    // Since 2026-07-28 the client itself waits, and its own failure ends its call.
    for version in [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25] {
        for (does, words) in [(Does::Fails, "could not put the question"), (Does::Sleeps, "in time")] {
            let (value, kinds, _) = asked(does, &version, "request_approval", mail()).await;
            assert_eq!((&value["verdict"], kinds.as_slice()), (&json!("ask"), &["approval_asked".to_owned()][..]));
            assert!(value["next"].as_str().is_some_and(|next| next.contains(words)), "{value}");
        }
    }
}

#[tokio::test]
async fn a_client_without_elicitation_is_told_where_the_person_can_answer() {
    for version in VERSIONS {
        for (declares, elicitation) in [(Declares::Nothing, true), (Declares::OnlyUrls, true), (Declares::Forms, false)]
        {
            let host = Arc::new(ScriptedHost::default());
            let person = Person { declares, ..Person::who(Does::Chooses("always"), version.clone()) };
            let client = connect(&host, Options { elicitation, ..Options::default() }, person.clone()).await;
            for (tool, arguments) in [("request_approval", mail()), ("decide", poem())] {
                let value = structured(client.call_tool(call(tool, arguments.clone())).await);
                let again = structured(client.call_tool(call(tool, arguments)).await);
                assert_eq!(value["verdict"], "ask");
                assert_eq!(value["question"]["id"], again["question"]["id"], "the same question waits");
                let next = value["next"].as_str().expect("words");
                assert!(next.contains("cannot be asked through this client"), "{next}");
                assert!(next.contains("http://127.0.0.1:7878/questions/"), "{next}");
                assert!(next.contains("`credence answer "), "{next}");
            }
            assert_eq!(person.asked(), 0);
            assert_eq!(host.kinds(), ["approval_asked", "question_asked"]);
        }
    }
}

#[tokio::test]
async fn a_decision_is_made_once_the_person_has_chosen() {
    for version in VERSIONS {
        let (value, _, person) = asked(Does::Chooses("2"), &version, "decide", poem()).await;
        assert_eq!((&value["verdict"], &value["chosen"]), (&json!("act"), &json!(1)), "{value}");
        assert_eq!(value["chosen_words"], "praise it and leave it at that");
        assert_eq!(value["reasons"][0]["records"], json!([2]));
        let (message, schema) = person.question();
        assert!(message.contains("first poem"), "{message}");
        let titles = schema.to_string();
        assert!(titles.contains("say kindly where it is weak"), "{titles}");
    }
}

#[tokio::test]
async fn what_is_too_long_to_be_shown_is_not_asked_here() {
    for version in VERSIONS {
        let long =
            json!({ "tool": "write_file", "arguments": { "path": "/home/ada/work/a", "text": "a".repeat(9_000) } });
        let (value, kinds, person) = asked(Does::Chooses("once"), &version, "request_approval", long).await;
        assert_eq!((&value["verdict"], person.asked()), (&json!("ask"), 0));
        assert_eq!(kinds, ["approval_asked"]);
        assert!(value["next"].as_str().is_some_and(|next| next.contains("too long")), "{value}");
    }
}

#[tokio::test]
async fn the_caller_is_named_to_the_host() {
    for version in VERSIONS {
        let host = Arc::new(ScriptedHost::default());
        let client = connect(&host, Options::default(), Person::who(Does::Declines, version)).await;
        structured(client.call_tool(call("get_values", json!({}))).await);
        let callers = host.callers();
        assert_eq!((callers[0].agent.name.as_str(), callers[0].agent.version.as_str()), ("test-agent", "1.2.3"));
        assert_eq!(callers[0].principal, None);
    }
}
