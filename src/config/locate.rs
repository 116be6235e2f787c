use std::path::{Path, PathBuf};

const HERE: &str = "./system-config.json";
const ELSEWHERE: &str = "/workspace/agent-infrastructure/config/system-config.json";

/// The registry's path: `explicit` (from the command line), else `$VAI_CONFIG`,
/// else `./system-config.json` where there is one, else the well-known one.
#[must_use]
pub fn locate(explicit: Option<&Path>) -> PathBuf {
    let from_environment = std::env::var_os("VAI_CONFIG").filter(|path| !path.is_empty());
    explicit
        .map(Path::to_owned)
        .or_else(|| from_environment.map(PathBuf::from))
        .or_else(|| Some(PathBuf::from(HERE)).filter(|path| path.exists()))
        .unwrap_or_else(|| PathBuf::from(ELSEWHERE))
}
