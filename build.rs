//! Has the linker lay beside each other what a start runs. The functions of a platform that is not looked at, of the
//! simulators, of what goes wrong once a year lie between them otherwise, and are read and kept with them.
//!
//! It is done where it is known to work: for a release on Linux on x86-64, whose linker comes with Rust. Where another linker
//! or other link options are asked for nothing is laid out, and nothing else differs. `CONTRIBUTING.md` says how the list is
//! made anew; what is in it and not in the program is passed over.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

const LIST: &str = "link/startup-order.txt";
/// Set, nothing is laid out: valgrind, by which the list is made, knows no functions outside of `.text`.
const UNORDERED: &str = "REVDECK_UNORDERED";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={LIST}");
    println!("cargo::rerun-if-env-changed={UNORDERED}");
    let list = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(LIST);
    if !can_be_ordered() || !list.is_file() {
        return Ok(());
    }
    let script = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("startup-order.ld");
    fs::write(&script, ordering(&fs::read_to_string(list)?))?;
    // Two arguments, so that the path may hold a comma.
    println!("cargo::rustc-link-arg-bin=revdeck=-T");
    println!("cargo::rustc-link-arg-bin=revdeck={}", script.display());
    Ok(())
}

fn can_be_ordered() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    is("PROFILE", "release")
        && is("TARGET", "x86_64-unknown-linux-gnu")
        && env::var_os("RUSTC_LINKER").is_none()
        && env::var_os(UNORDERED).is_none()
        && !flags.contains("link")
}

/// The linker's script for a list of functions: every function has a section of its own, named after it. An `INSERT` leaves
/// the rest of the layout as it is.
fn ordering(list: &str) -> String {
    let mut script = String::from("SECTIONS {\n  .text.startup_order : {\n");
    for name in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // Rust's two ways to write names: its own, and the older one with a hash at the end.
        let pattern = match (name.starts_with("_R"), name.ends_with('*')) {
            (true, _) => name.to_owned(),
            (false, true) => format!("_ZN{name}"),
            (false, false) => format!("_ZN{name}17h*"),
        };
        script += &format!("    *(.text.{pattern})\n");
    }
    script + "  }\n} INSERT BEFORE .text;\n"
}
