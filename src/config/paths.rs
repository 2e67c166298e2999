//! Where files are, and the key table from them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

use crate::dashboard::Keymap;

/// The program's directories; `None` where the machine has no home for them.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// Where the operator's files are.
    pub config: Option<PathBuf>,
    /// Where the journal and the logs go.
    pub state: Option<PathBuf>,
    /// The operator's home.
    pub home: Option<PathBuf>,
}

impl Paths {
    /// As the XDG rules and the platform have them.
    pub fn find() -> Self {
        let Ok(base) = etcetera::choose_base_strategy() else { return Self::default() };
        Self {
            config: Some(base.config_dir().join("revdeck")),
            state: base
                .state_dir()
                .or_else(|| Some(base.data_dir()))
                .map(|dir| dir.join("revdeck")),
            home: Some(base.home_dir().to_owned()),
        }
    }

    /// The operator's configuration.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|directory| directory.join("config.toml"))
    }

    /// The operator's key table.
    pub fn keys(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|directory| directory.join("keybindings.toml"))
    }
}

/// The shipped key table with the operator's merged over it. `named` is a file that must exist; `usual` one that may.
///
/// # Errors
/// One sentence with the file and the line.
pub fn keymap(named: Option<&Path>, usual: Option<&Path>) -> Result<Keymap, String> {
    let file = named.or(usual);
    let text = match file.map(|file| (file, fs::read_to_string(file))) {
        None => None,
        Some((_, Err(error))) if named.is_none() && error.kind() == io::ErrorKind::NotFound => None,
        Some((file, Err(error))) => {
            return Err(format!("cannot read the key table {}: {error}", file.display()));
        }
        Some((file, Ok(text))) => Some((file.display().to_string(), text)),
    };
    let own = text.as_ref().map(|(file, text)| (file.as_str(), text.as_str()));
    Keymap::with(own).map_err(|error| error.to_string())
}
