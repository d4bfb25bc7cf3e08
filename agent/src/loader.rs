//! How a model is loaded, by whoever knows where it is.

use std::path::Path;
use std::sync::Arc;

use credence_priors::ModelHandle;

/// Loads the model when it is first needed: a session whose log has all it needs never does.
pub type Loader = Arc<dyn Fn() -> Result<ModelHandle, LoadError> + Send + Sync>;

/// Why a model could not be loaded; the command's own errors fit in.
pub type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// Loads the model with the adapter in a file.
pub type AdapterLoader = Arc<dyn Fn(&Path) -> Result<ModelHandle, LoadError> + Send + Sync>;
