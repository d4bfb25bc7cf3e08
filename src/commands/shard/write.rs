//! `credence shard write`: the writer of a shard, or one that stands by.

use clap::Args;
use credence_cluster::ClusterError;
use credence_cluster::shard::{News, Shard, Writing, write};
use credence_memory::ids::Hash;
use tokio::sync::oneshot;

use super::{ServerArgs, runtime, shard};
use crate::cli::{Global, ModelArgs};
use crate::signals;
use crate::surroundings::{Loaded, home, now, opening_with, say, schema};

/// Options of `credence shard write`.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// Which shard, of how many: 2/8 is the second of eight; 2 alone where it is there already
    #[arg(long, value_name = "K[/N]", value_parser = shard)]
    shard: Shard,
    #[command(flatten)]
    server: ServerArgs,
    /// The model and schema, for a shard that is begun here. A shard that is there already must have the same schema.
    #[command(flatten)]
    model: ModelArgs,
}

/// Writes a shard until a signal.
pub(super) fn run(global: &Global, args: &WriteArgs) -> anyhow::Result<()> {
    let (root, server) = (home(global)?, args.server.server());
    let name = format!("{}-{}", whoami::hostname().unwrap_or_else(|_| "somewhere".into()), std::process::id());
    let (stop, mut stopped) = oneshot::channel();
    let mut stop = Some(stop);
    let _watch = signals::watch(move || {
        if let Some(stop) = stop.take() {
            let _ = stop.send(());
        }
    });
    say(format!(
        "Shard {} into {}. Ctrl-C ends this writer; what it has acknowledged is kept.",
        args.shard,
        root.display()
    ))?;
    let tell = |news: News| {
        let text = match news {
            News::StandsBy => {
                "Another writer has the shard, or had it until a few seconds ago: this one follows, and takes over when that one is gone."
                    .to_owned()
            }
            News::Writes(fence) => format!("This writer has the shard (lease {fence})."),
            News::Deposed => "Another writer has the shard now: this one stands by.".to_owned(),
            News::Away(why) => format!("The server does not answer, and is waited for: {why}"),
            News::Back => "The server is back.".to_owned(),
            News::WaitsForACopy => {
                "Another writer has begun the shards, and its log has not been copied yet: this one waits for it. If that writer's home is \
                 gone, remove all streams whose names begin with CREDENCE_ or KV_credence from the server, and begin again."
                    .to_owned()
            }
            News::Rebuilt => "The log was made from its copy on the server.".to_owned(),
        };
        if let Err(error) = say(text) {
            tracing::debug!("{error:#}");
        }
    };
    let runtime = runtime()?;
    let mut writes = |writing| {
        runtime.block_on(async {
            tokio::select! {
                _ = &mut stopped => Ok(()),
                written = write(&server, writing, None, &tell) => written,
            }
        })
    };
    let wanted = (args.model.schema.is_some() || args.model.pack.is_some()).then(|| schema(global, &args.model));
    let wanted = wanted.transpose()?.map(|schema| Hash::of(schema.hash().as_bytes()));
    let writing = Writing { schema: wanted, ..Writing::new(args.shard, &root, &name) };
    match writes(writing) {
        Err(ClusterError::NoLog { .. }) => {
            say("Nobody has begun the shards: they begin here.")?;
            drop(opening_with(global, &args.model, &Loaded::default())?.open(&root, now(), &mut |_| {})?);
            Ok(writes(Writing { is_begun_here: true, ..writing })?)
        }
        written => Ok(written?),
    }
}
