//! The README's tables of keys and files are the program's: `UPDATE_README=1 cargo test --test readme` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use revdeck::dashboard::{Keymap, keymap::COMMANDS};

const KEYS: [&str; 2] = [
    "<!-- keys: generated from keybindings.toml, checked by tests/readme.rs -->\n",
    "<!-- end of keys -->",
];
const FILES: [&str; 2] = [
    "<!-- files: generated from their first lines, checked by tests/readme.rs -->\n",
    "<!-- end of files -->",
];

fn table() -> String {
    let keymap = Keymap::shipped().unwrap();
    let mut text = "| key | on the deck | | key | in a plan |\n|---|---|---|---|---|\n".to_owned();
    let rows = |table: &str| -> Vec<String> {
        COMMANDS
            .iter()
            .filter(|one| one.1 == table)
            .map(|(command, _, _, does)| {
                let keys: Vec<_> =
                    keymap.keys(*command).iter().map(|key| format!("`{key}`")).collect();
                format!("{} | {does}", keys.join(" "))
            })
            .collect()
    };
    let (deck, plan) = (rows("deck"), rows("plan"));
    for at in 0..deck.len().max(plan.len()) {
        let empty = || " | ".to_owned();
        let left = deck.get(at).cloned().unwrap_or_else(empty);
        let right = plan.get(at).cloned().unwrap_or_else(empty);
        text += &format!("| {left} | | {right} |\n");
    }
    text
}

/// Each source file with the first sentence of its documentation.
fn files() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    found.sort();
    let mut text = "| file | what |\n|---|---|\n".to_owned();
    for file in found {
        let source = fs::read_to_string(&file).unwrap();
        let head: Vec<_> = source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(str::trim)
            .take_while(|line| !line.is_empty())
            .collect();
        let head = head.join(" ");
        let sentence = head.split_once(". ").map_or(head.as_str(), |(first, _)| first);
        let name = file.strip_prefix(root).unwrap().display();
        assert!(!sentence.is_empty(), "{name} does not say what it is");
        text += &format!("| `{name}` | {} |\n", sentence.trim_end_matches('.'));
    }
    text
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn holds([begin, end]: [&str; 2], wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once(begin).unwrap();
    let (shown, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&file, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    let differs = shown.lines().zip(wanted.lines()).find(|(shown, wanted)| shown != wanted);
    assert!(shown == wanted, "run UPDATE_README=1 cargo test --test readme: {differs:?}");
}

#[test]
fn the_generated_tables_are_the_programs() {
    holds(KEYS, &table());
    holds(FILES, &files());
}
