//! The README's table of keys is the program's: `UPDATE_README=1 cargo test --test readme` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

use std::{fs, path::Path};

use revdeck::dashboard::{Keymap, key::Key, keymap::COMMANDS};

const KEYS: [&str; 2] = [
    "<!-- keys: generated from keybindings.toml, checked by tests/readme.rs -->\n",
    "<!-- end of keys -->",
];
fn table() -> String {
    let keymap = Keymap::shipped().unwrap();
    let mut text = "| key | on the deck | | key | in a plan | | key | in a log |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let rows = |table: &str| -> Vec<String> {
        COMMANDS
            .iter()
            .filter(|one| one.1 == table)
            .map(|(command, _, _, does)| {
                // A bar ends a cell, in code as well.
                let key = |key: &Key| format!("`{key}`").replace('|', "\\|");
                let keys: Vec<_> = keymap.keys(*command).iter().map(key).collect();
                format!("{} | {does}", keys.join(" "))
            })
            .collect()
    };
    let (deck, plan, logs) = (rows("deck"), rows("plan"), rows("logs"));
    for at in 0..deck.len().max(plan.len()).max(logs.len()) {
        let empty = || " | ".to_owned();
        let [left, middle, right] =
            [&deck, &plan, &logs].map(|rows| rows.get(at).cloned().unwrap_or_else(empty));
        text += &format!("| {left} | | {middle} | | {right} |\n");
    }
    text
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
fn the_table_of_keys_is_the_programs() {
    holds(KEYS, &table());
}
