//! What a client sees of the server: tools, their schemas and results, resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::scripted::ScriptedHost;
use crate::common::{Does, Person, VERSIONS, call, connect, failure, mail, poem, structured};
use credence_mcp::Options;
use rmcp::ServiceError;
use rmcp::model::{ErrorCode, ProtocolVersion, ReadResourceRequestParams, ResourceContents};
use serde_json::{Value, json};

#[tokio::test]
async fn every_tool_says_what_it_is_for() {
    for version in VERSIONS {
        let client = connect(&Arc::default(), Options::default(), Person::who(Does::Declines, version)).await;
        let tools = client.list_all_tools().await.expect("tools");
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        let expected = ["decide", "explain", "get_values", "propose_question", "report_outcome", "request_approval"];
        assert_eq!(names, expected);
        for tool in &tools {
            let description = tool.description.as_deref().unwrap_or_default();
            assert!((80..1000).contains(&description.len()), "{}: {description}", tool.name);
            let input = Value::Object((*tool.input_schema).clone());
            assert_eq!((&input["type"], &input["additionalProperties"]), (&json!("object"), &json!(false)), "{input}");
            for (name, property) in input["properties"].as_object().expect("properties") {
                assert!(property["description"].as_str().is_some_and(|words| words.len() > 10), "{name}: {property}");
                assert!(property.get("$ref").is_none(), "{name}: {property}");
            }
            let output = Value::Object((**tool.output_schema.as_ref().expect("an output schema")).clone());
            assert_eq!(output["type"], json!("object"), "{}: {output}", tool.name);
            let annotations = tool.annotations.as_ref().expect("annotations");
            let reads = matches!(tool.name.as_ref(), "explain" | "get_values");
            assert_eq!(annotations.read_only_hint, Some(reads), "{}", tool.name);
        }
        let info = client.peer_info().expect("server");
        assert!(info.instructions.as_deref().is_some_and(|words| words.contains("request_approval")));
    }
}

#[tokio::test]
async fn results_are_as_their_schemas_say() {
    for version in VERSIONS {
        let host = Arc::new(ScriptedHost::default());
        let client = connect(&host, Options::default(), Person::who(Does::Declines, version.clone())).await;
        let tools = client.list_all_tools().await.expect("tools");
        let schemas: BTreeMap<String, Value> = tools
            .iter()
            .map(|tool| (tool.name.to_string(), json!(**tool.output_schema.as_ref().expect("a schema"))))
            .collect();
        // A person who declines everything; then one who is not asked.
        let silent = Options { elicitation: false, ..Options::default() };
        let unasked = connect(&Arc::default(), silent, Person::who(Does::Declines, version)).await;
        for client in [&client, &unasked] {
            for (tool, arguments) in [
                ("decide", poem()),
                ("request_approval", mail()),
                ("get_values", json!({})),
                ("get_values", json!({ "person": "ada" })),
                ("explain", json!({ "value": "honesty" })),
                ("explain", json!({ "record": 1 })),
                (
                    "propose_question",
                    json!({ "situation": "At work.", "alternatives": ["tell", "keep quiet"], "why": "It comes up." }),
                ),
            ] {
                let value = structured(client.call_tool(call(tool, arguments)).await);
                let validator = jsonschema::validator_for(&schemas[tool]).expect("a schema");
                let faults: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
                assert!(faults.is_empty(), "{tool}: {faults:?} in {value}");
            }
        }
    }
}

#[tokio::test]
async fn an_outcome_is_reported_for_an_act_and_nothing_else() {
    let host = Arc::new(ScriptedHost::default());
    let person = Person::who(Does::Chooses("once"), ProtocolVersion::V_2025_11_25);
    let client = connect(&host, Options::default(), person).await;
    let allowed = structured(client.call_tool(call("request_approval", mail())).await);
    let record = allowed["record"].as_u64().expect("a number");
    let belief = host.approvals().belief().clone();
    let report =
        json!({ "record": record, "outcome": "done", "observed": "The person has already approved everything." });
    let noted = structured(client.call_tool(call("report_outcome", report)).await);
    assert_eq!(noted["record"].as_u64(), Some(record + 1));
    assert_eq!(*host.approvals().belief(), belief, "a report moves no belief");
    let words = failure(client.call_tool(call("report_outcome", json!({ "record": 0, "outcome": "done" }))).await);
    assert!(words.contains("no act"), "{words}");
    let words = failure(client.call_tool(call("report_outcome", json!({ "record": 999, "outcome": "undone" }))).await);
    assert!(words.contains("record 999"), "{words}");
}

#[tokio::test]
async fn values_and_the_log_can_be_read() {
    for version in VERSIONS {
        let host = Arc::new(ScriptedHost::default());
        let person = Person::who(Does::Chooses("1"), version.clone());
        let client = connect(&host, Options::default(), person).await;
        structured(client.call_tool(call("decide", poem())).await);
        let listed = client.list_all_resources().await.expect("resources");
        let uris: Vec<&str> = listed.iter().map(|resource| resource.uri.as_str()).collect();
        assert_eq!(uris, ["credence://log", "credence://values/ada"]);
        let templates = client.list_all_resource_templates().await.expect("templates");
        assert_eq!(templates.len(), 3);

        let read = async |uri: &str| {
            let result = client.read_resource(ReadResourceRequestParams::new(uri)).await?;
            match &result.contents[0] {
                ResourceContents::TextResourceContents { text, mime_type, .. } => {
                    assert_eq!(mime_type.as_deref(), Some("application/json"));
                    Ok(serde_json::from_str::<Value>(text).expect("JSON"))
                }
                other => panic!("{other:?} is no text"),
            }
        };
        let values = read("credence://values/ada").await.expect("values");
        assert_eq!(values["person"], "ada");
        let page = read("credence://log?from=1&limit=2").await.expect("a page");
        assert_eq!((page["records"].as_array().map(Vec::len), &page["next"]), (Some(2), &json!(3)));
        let page = read("credence://log?from=3").await.expect("a page");
        assert_eq!((page["records"].as_array().map(Vec::len), &page["next"]), (Some(1), &Value::Null));
        let entry = read("credence://log/3").await.expect("a record");
        assert_eq!(entry["kind"], "act_chosen");

        let not_found = if version >= ProtocolVersion::V_2026_07_28 {
            ErrorCode::INVALID_PARAMS
        } else {
            ErrorCode::RESOURCE_NOT_FOUND
        };
        for uri in ["credence://values/nobody", "credence://log/99", "credence://secrets", "file:///etc/passwd"] {
            let result: Result<Value, ServiceError> = read(uri).await;
            match result {
                Err(ServiceError::McpError(error)) => assert_eq!(error.code, not_found, "{uri}: {error}"),
                other => panic!("{uri}: {other:?}"),
            }
        }
    }
}
