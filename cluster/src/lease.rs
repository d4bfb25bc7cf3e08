//! Who writes a shard: a lease in a key-value bucket, taken and renewed by a compare-and-set. The number that taking it gives grows
//! with every writer. No clocks are compared: a lease is over when somebody else counted [`LEASE`] without seeing it renewed.

use std::time::Duration;

use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::{Context, stream};
use tokio::time::Instant;

use crate::{ClusterError, Server, refused};

const LEASES: &str = "credence-leases";
/// A lease that was not renewed for so long is over.
pub const LEASE: Duration = Duration::from_secs(4);
/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(1);

/// Makes the bucket, where it is not there yet.
pub(crate) async fn open(context: &Context, server: &Server) -> Result<(), ClusterError> {
    // As the client would make it, in the words that older servers know too.
    let leases = stream::Config {
        name: format!("KV_{LEASES}"),
        subjects: vec![format!("$KV.{LEASES}.>")],
        max_messages_per_subject: 1,
        num_replicas: server.replicas,
        discard: stream::DiscardPolicy::New,
        allow_rollup: true,
        ..Default::default()
    };
    crate::made(context, leases, "open the leases").await.map(drop)
}

/// What a look at the lease showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody else has it, or may have it.
    Waits,
    /// It was free, and is ours now, with this number.
    Took(u64),
    /// It is ours, with this number.
    Has(u64),
    /// It was ours.
    Lost,
}

/// One who holds the lease, or wants to.
pub(crate) struct Candidate {
    leases: kv::Store,
    key: String,
    writer: String,
    /// The last revision that was seen, and since when.
    seen: (u64, Instant),
    /// The lease's number, while it is ours.
    fence: Option<u64>,
}

impl Candidate {
    pub(crate) async fn new(context: &Context, shard: u32, writer: &str) -> Result<Self, ClusterError> {
        let leases = context.get_key_value(LEASES).await.map_err(refused("open the leases"))?;
        let (key, writer) = (format!("shard-{shard}"), writer.to_owned());
        Ok(Self { leases, key, writer, seen: (0, Instant::now()), fence: None })
    }

    /// The lease's number, while it is ours.
    pub(crate) fn fence(&self) -> Option<u64> {
        self.fence
    }

    /// Takes note that somebody else has it.
    pub(crate) fn lost(&mut self) {
        (self.fence, self.seen) = (None, (0, Instant::now()));
    }

    /// Renews the lease or tries to take it, where it is time for that.
    pub(crate) async fn look(&mut self) -> Result<Standing, ClusterError> {
        let doing = "take the lease of the shard";
        match self.fence {
            Some(fence) if self.seen.1.elapsed() < RENEWED => return Ok(Standing::Has(fence)),
            Some(_) => {}
            None => {
                let revision = self.leases.entry(&self.key).await.map_err(refused(doing))?.map_or(0, |e| e.revision);
                if revision != self.seen.0 {
                    self.seen = (revision, Instant::now());
                }
                if revision != 0 && self.seen.1.elapsed() < LEASE {
                    return Ok(Standing::Waits);
                }
            }
        }
        let asked = Instant::now();
        match self.leases.update(&self.key, self.writer.clone().into(), self.seen.0).await {
            Ok(revision) => {
                self.seen = (revision, asked);
                let standing = self.fence.map_or(Standing::Took(revision), Standing::Has);
                self.fence = self.fence.or(Some(revision));
                Ok(standing)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                let had = self.fence.is_some();
                self.lost();
                Ok(if had { Standing::Lost } else { Standing::Waits })
            }
            Err(error) => Err(refused(doing)(error)),
        }
    }
}
