//! Keeping what an experiment found: its figures, in a folder that held none.

use std::path::Path;

use credence_evals::figures::{self, FIGURES, Measured, Origin};
use serde::Serialize;

use super::experiment::wrong_folder;
use crate::cli::eval::KeepArgs;
use crate::exit::WrongInput;

/// Where the figures of an experiment go. It is made before the work begins, so that a folder that holds others is refused before hours
/// are spent.
#[must_use = "what was found is to be kept"]
pub(crate) struct Keep<'a> {
    experiment: &'static str,
    dir: Option<&'a Path>,
}

impl<'a> Keep<'a> {
    /// For an experiment, as `credence eval` names it.
    ///
    /// # Errors
    /// A folder that holds figures, or a file in its place.
    pub(crate) fn of(kept: &'a KeepArgs, experiment: &'static str) -> anyhow::Result<Self> {
        let dir = kept.figures.as_deref();
        let told = |what: &str| dir.map_or_else(String::new, |dir| format!("{} {what}", dir.display()));
        match dir {
            Some(dir) if dir.join(FIGURES).exists() => {
                Err(WrongInput(told("holds figures already: choose another folder, or remove it")).into())
            }
            Some(dir) if dir.exists() && !dir.is_dir() => {
                Err(WrongInput(told("is not a folder: --figures needs one, or the name of a new one")).into())
            }
            _ => Ok(Self { experiment, dir }),
        }
    }

    /// Keeps what was found, if that was asked for.
    ///
    /// # Errors
    /// Files.
    pub(crate) fn keep(self, options: &impl Serialize, found: &(impl Measured + ?Sized)) -> anyhow::Result<()> {
        let Some(dir) = self.dir else { return Ok(()) };
        let origin = Origin::new(self.experiment, options)?;
        figures::write(dir, &origin, &found.figures()).map_err(wrong_folder)
    }
}
