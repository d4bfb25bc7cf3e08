//! A home that follows a shard for somebody who works on whole shards: made from the copy of the log, and thrown away afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::jetstream::Context;
use credence_memory::Home;

use crate::evidence::last_message;
use crate::follow::Follow;
use crate::{ClusterError, copy, shard};

/// How long one look at the stream waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// A follower of a shard.
pub(crate) struct Replica {
    pub(crate) home: Home,
    follow: Follow,
    context: Context,
    shard: u32,
    root: PathBuf,
}

impl Replica {
    /// Opens the one in this folder, or makes it.
    ///
    /// # Errors
    /// No copy of the log, or no server.
    pub(crate) async fn open(context: &Context, shard: u32, root: &Path) -> Result<Self, ClusterError> {
        let (home, _) = shard::home(context, shard, [], root).await?;
        let follow = Follow::after(context.clone(), shard, home.state());
        follow.confirm().await?;
        Ok(Self { home, follow, context: context.clone(), shard, root: root.to_owned() })
    }

    /// The last message that it has.
    pub(crate) fn last(&self) -> u64 {
        last_message(self.home.state(), self.shard)
    }

    /// Folds what the stream has up to now; gives the last message.
    ///
    /// # Errors
    /// The stream, or the home.
    pub(crate) async fn catch_up(&mut self) -> Result<u64, ClusterError> {
        let mut is_rebuilt = false;
        loop {
            let end = self.follow.end().await?;
            match self.fold_up_to(end).await {
                Ok(()) => return Ok(self.last()),
                // The stream has not any more what this home missed; the copy has.
                Err(ClusterError::Gap { .. }) if !is_rebuilt => {
                    self.rebuild().await?;
                    is_rebuilt = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn fold_up_to(&mut self, end: u64) -> Result<(), ClusterError> {
        while self.last() < end {
            let batch = self.follow.next(PATIENCE).await?;
            shard::fold(&mut self.home, &batch)?;
        }
        Ok(())
    }

    async fn rebuild(&mut self) -> Result<(), ClusterError> {
        // The home has its folder locked: another one is made beside it.
        let beside = self.root.with_extension("again");
        let _ = std::fs::remove_dir_all(&beside);
        copy::fetch(&self.context, self.shard, &beside).await?;
        let (home, _) = shard::home(&self.context, self.shard, [], &beside).await?;
        self.follow = Follow::after(self.context.clone(), self.shard, home.state());
        self.home = home;
        let _ = std::fs::remove_dir_all(std::mem::replace(&mut self.root, beside));
        Ok(())
    }

    /// Removes it: it has what people said.
    pub(crate) fn remove(self) {
        let Self { home, root, .. } = self;
        drop(home);
        if let Err(error) = std::fs::remove_dir_all(&root) {
            tracing::warn!(%error, "{} could not be removed", root.display());
        }
    }
}
