//! A file out of a repository on Hugging Face, or on a server that speaks like it (`HF_ENDPOINT`).

use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::ApiBuilder;

use super::{PullError, PullProgress};

const ENDPOINT: &str = "https://huggingface.co";
const RETRIES: usize = 3;

/// Downloads `file` into hf-hub's own layout under `folder` and returns where it stands under its own name: a link into the
/// store of blobs. What a broken connection left is resumed the next time.
pub(crate) fn fetch(
    repository: &str,
    file: &str,
    folder: &Path,
    endpoint: Option<&str>,
    progress: &mut dyn PullProgress,
) -> Result<PathBuf, PullError> {
    let endpoint = endpoint.map_or_else(
        || std::env::var("HF_ENDPOINT").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| ENDPOINT.to_owned()),
        str::to_owned,
    );
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    let failed = |error: &dyn std::error::Error| PullError::HuggingFace {
        reference: format!("hf:{repository}/{file}"),
        endpoint: endpoint.clone(),
        reason: crate::error_chain(error),
    };
    // `from_env` finds the user's token; the files go into our cache.
    let api = ApiBuilder::from_env()
        .with_endpoint(endpoint.clone())
        .with_cache_dir(folder.to_owned())
        .with_progress(false)
        .with_retries(RETRIES)
        .build()
        .map_err(|error| failed(&error))?;
    api.model(repository.to_owned())
        .download_with_progress(file, Forward { to: progress, done: 0 })
        .map_err(|error| failed(&error))
}

struct Forward<'a> {
    to: &'a mut dyn PullProgress,
    done: u64,
}

impl Progress for Forward<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        self.done = 0;
        self.to.started(filename, Some(size as u64));
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        self.to.advanced(self.done);
    }

    fn finish(&mut self) {
        self.to.finished();
    }
}
