//! Who asks.

use rmcp::RoleServer;
use rmcp::service::RequestContext;

/// What a client says it is. Nobody checked it: it is for the record, never for a permission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Name from `clientInfo`; empty where the client gave none.
    pub name: String,
    /// Version from `clientInfo`.
    pub version: String,
}

/// Who was authenticated. The HTTP layer puts it into the extensions of a request; what the text means is between that
/// layer and the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(pub String);

/// Who asks, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// What the client says it is.
    pub agent: Agent,
    /// Who was authenticated; nothing over stdio, where whoever started the process is who asks.
    pub principal: Option<Principal>,
}

impl Caller {
    /// The caller of one request. Over HTTP each request brings its own principal, also within a session.
    pub(crate) fn of(context: &RequestContext<RoleServer>) -> Self {
        let agent = context.client_info().map(|info| Agent { name: info.name, version: info.version });
        let parts = context.extensions.get::<http::request::Parts>();
        Self {
            agent: agent.unwrap_or_default(),
            principal: parts.and_then(|parts| parts.extensions.get::<Principal>()).cloned(),
        }
    }
}
