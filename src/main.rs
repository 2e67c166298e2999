//! The program: everything is in the library.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use revdeck::{
    cli::{Cli, Command, run},
    runtime::headless::{Code, Exit},
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A client waits most of the time; a simulator beside it works.
    let simulates = matches!(cli.command, Some(Command::Demo(_) | Command::Simulator(_)));
    let threads = if simulates { 2 } else { 1 };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let done = match &runtime {
        Ok(runtime) => runtime.block_on(run::run(cli)),
        Err(error) => Err(Exit::new(Code::Failed, format!("cannot start: {error}"))),
    };
    if let Ok(runtime) = runtime {
        // A request that hangs must not keep the operator from the shell.
        runtime.shutdown_background();
    }
    let Err(exit) = done else { return ExitCode::SUCCESS };
    if !exit.text.is_empty() {
        // Nobody to say it to is no failure.
        let _ = writeln!(io::stderr(), "revdeck: {}", exit.text);
    }
    ExitCode::from(exit.code as u8)
}
