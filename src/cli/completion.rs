//! Completion of the command line in a shell, with the names of the apps that were read last.

use std::io;

use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCandidates, CompletionCandidate},
    env::Shells,
};

use crate::{config::Paths, platform::Registry, runtime::names};

/// By this variable the script of a shell asks for what completes a command line.
const VARIABLE: &str = "REVDECK_COMPLETE";

/// The names of apps. Reads a file, and asks nobody.
pub(super) fn apps() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let state = Paths::find().state;
        let names = state.map(|state| names::kept(&state)).unwrap_or_default();
        names.into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Answers a shell that asks for what completes a command line, and ends the program; does nothing where none asks. Comes
/// before anything is printed and before any thread is begun.
pub fn answer(registry: &Registry) {
    CompleteEnv::with_factory(|| super::command(registry)).var(VARIABLE).complete();
}

/// The script by which a shell asks.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&name).ok_or_else(|| io::Error::other("no such shell"))?;
    completer.write_registration(VARIABLE, "revdeck", "revdeck", "revdeck", &mut script)?;
    Ok(script)
}
