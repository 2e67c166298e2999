//! The program: everything is in the library.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use revdeck::{
    cli::{self, completion, run},
    platform::Registry,
    runtime::headless::{Code, Exit},
};

fn main() -> ExitCode {
    let registry = Registry::built_in();
    completion::answer(&registry);
    let invocation = match cli::parse(&registry, std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(error) => error.exit(),
    };
    // A client waits most of the time; a simulator beside it works.
    let threads = if invocation.action.simulates() { 2 } else { 1 };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let done = match &runtime {
        Ok(runtime) => runtime.block_on(run::run(&registry, invocation)),
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
