//! A scripted home and a scripted person, for the tests of the server.

pub(crate) mod scripted;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::scripted::ScriptedHost;
use credence_mcp::{Options, Server};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, Implementation, ProtocolVersion, UrlElicitationCapability,
};
use rmcp::service::{RequestContext, RunningService};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient, RoleServer, ServiceError, ServiceExt,
};
use serde_json::{Value, json};

/// What the person at the client does with a question.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Chooses the option with this value.
    Chooses(&'static str),
    Declines,
    Cancels,
    /// Never answers.
    Sleeps,
    /// The client answers with an error.
    Fails,
}

/// What the client declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declares {
    Nothing,
    Forms,
    OnlyUrls,
}

/// A client with a person at it.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) does: Does,
    pub(crate) declares: Declares,
    pub(crate) version: ProtocolVersion,
    pub(crate) seen: Arc<Mutex<Vec<ElicitRequestParams>>>,
}

impl Person {
    pub(crate) fn who(does: Does, version: ProtocolVersion) -> Self {
        Self { does, declares: Declares::Forms, version, seen: Arc::default() }
    }

    /// The message and the schema of the only question seen.
    pub(crate) fn question(&self) -> (String, Value) {
        let seen = self.seen.lock().expect("unpoisoned");
        assert_eq!(seen.len(), 1, "{seen:?}");
        match &seen[0] {
            ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } => {
                (message.clone(), serde_json::to_value(requested_schema).expect("JSON"))
            }
            other => panic!("{other:?} is no form"),
        }
    }

    pub(crate) fn asked(&self) -> usize {
        self.seen.lock().expect("unpoisoned").len()
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = match self.declares {
            Declares::Nothing => None,
            Declares::Forms => Some(ElicitationCapability::new()),
            Declares::OnlyUrls => Some(ElicitationCapability::new().with_url(UrlElicitationCapability::default())),
        };
        ClientConfig::new(capabilities, Implementation::new("test-agent", "1.2.3"))
            .with_protocol_version(self.version.clone())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.seen.lock().expect("unpoisoned").push(request);
        match &self.does {
            Does::Chooses(value) => {
                Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "answer": value })))
            }
            Does::Declines => Ok(ElicitResult::new(ElicitationAction::Decline)),
            Does::Cancels => Ok(ElicitResult::new(ElicitationAction::Cancel)),
            Does::Sleeps => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(ElicitResult::new(ElicitationAction::Cancel))
            }
            Does::Fails => Err(ErrorData::internal_error("no screen", None)),
        }
    }
}

/// The versions of the protocol that differ in how a person is asked.
pub(crate) const VERSIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

pub(crate) type Client = RunningService<RoleClient, Person>;

/// A client that talks to a server in this process.
pub(crate) async fn connect(host: &Arc<ScriptedHost>, options: Options, person: Person) -> Client {
    let (server, client) = tokio::io::duplex(1 << 16);
    let service = Server::new(host.clone(), options);
    tokio::spawn(async move {
        let running: RunningService<RoleServer, _> = service.serve(server).await.expect("a client");
        running.waiting().await.expect("served");
    });
    begin(client, person).await
}

/// Begins a session as the person's version of the protocol says.
pub(crate) async fn begin<T, E, A>(transport: T, person: Person) -> Client
where
    T: rmcp::transport::IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let lifecycle = if person.version >= ProtocolVersion::V_2026_07_28 {
        ClientLifecycleMode::Discover { preferred_versions: vec![person.version.clone()] }
    } else {
        ClientLifecycleMode::Initialize
    };
    person.serve_with_lifecycle(transport, lifecycle).await.expect("a server")
}

/// The call of a tool.
pub(crate) fn call(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

/// The structured result of a call that went well.
pub(crate) fn structured(result: Result<CallToolResult, ServiceError>) -> Value {
    let result = result.expect("a result");
    assert_ne!(result.is_error, Some(true), "{result:?}");
    let value = result.structured_content.expect("structured");
    let text = result.content[0].as_text().expect("text").text.clone();
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value, "the text says the same");
    value
}

/// The words of a call that failed as a tool fails.
pub(crate) fn failure(result: Result<CallToolResult, ServiceError>) -> String {
    let result = result.expect("an error of the tool, not of the protocol");
    assert_eq!(result.is_error, Some(true), "{result:?}");
    result.content[0].as_text().expect("text").text.clone()
}

/// A mail, as an agent asks for it.
pub(crate) fn mail() -> Value {
    json!({
        "tool": "send_mail",
        "arguments": { "to": "bo@example.org", "text": "Hello" },
        "task": "invitations",
        "context": "Bo is invited.",
        "affected": "others",
        "outside": true
    })
}

/// A choice between two acts.
pub(crate) fn poem() -> Value {
    json!({
        "situation": "A friend asks what you think of her first poem, which is weak.",
        "alternatives": ["say kindly where it is weak", "praise it and leave it at that"]
    })
}
