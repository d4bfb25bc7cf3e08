//! The subcommands, one file each.

pub(crate) mod agent;
pub(crate) mod approvals;
pub(crate) mod brief;
pub(crate) mod consider;
pub(crate) mod decide;
pub(crate) mod deliberation;
pub(crate) mod eval;
pub(crate) mod eval_agent;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod library;
pub(crate) mod model;
pub(crate) mod pack;
pub(crate) mod people;
pub(crate) mod prior;
pub(crate) mod probe;
pub(crate) mod replay;
pub(crate) mod sae;
pub(crate) mod schema;
pub(crate) mod session;
pub(crate) mod shard;
pub(crate) mod tell;
pub(crate) mod tune;
pub(crate) mod values;
pub(crate) mod viewpoints;
