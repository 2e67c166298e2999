//! Who may import whom: the table in the library's documentation, held.

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

/// A room, and the words that must not stand in its files.
const RULES: [(&str, &[&str]); 6] = [
    (
        "domain",
        &[
            "crate::platform",
            "crate::dashboard",
            "crate::ui",
            "crate::runtime",
            "crate::simulator",
            "crate::config",
            "tokio",
            "reqwest",
            "ratatui",
            "crossterm",
        ],
    ),
    (
        "platform",
        &[
            "crate::dashboard",
            "crate::ui",
            "crate::runtime",
            "crate::simulator",
            "crate::config",
            "crate::cli",
            "ratatui",
            "crossterm",
        ],
    ),
    (
        "dashboard",
        &[
            "crate::platform",
            "crate::ui",
            "crate::runtime",
            "crate::simulator",
            "crate::config",
            "tokio",
            "reqwest",
            "crossterm",
            "ratatui::",
        ],
    ),
    (
        "ui",
        &[
            "crate::platform",
            "crate::runtime",
            "crate::simulator",
            "crate::config",
            "tokio",
            "reqwest",
            "crossterm",
        ],
    ),
    (
        "simulator",
        &[
            "crate::platform",
            "crate::domain",
            "crate::dashboard",
            "crate::ui",
            "crate::runtime",
            "crate::config",
            "ratatui",
            "crossterm",
            "reqwest",
        ],
    ),
    ("runtime", &["crate::simulator"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn rooms_keep_their_borders() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (room, forbidden) in RULES {
        let mut files = Vec::new();
        sources(&source.join(room), &mut files);
        assert!(!files.is_empty(), "there is no room {room}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Grouped imports are written out, so that `crate::{platform, …}` is seen too.
            let code: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n");
            let grouped = code.replace("crate::{", "crate::");
            for word in forbidden {
                let bare = word.trim_start_matches("crate::");
                let in_group = word.starts_with("crate::")
                    && code.split("use crate::{").skip(1).any(|rest| {
                        let group = rest.split("};").next().unwrap_or_default();
                        group.lines().any(|line| {
                            line.trim_start().starts_with(&format!("{bare}::"))
                                || line.trim() == format!("{bare},")
                        })
                    });
                if grouped.contains(word) || in_group {
                    broken.push(format!("{} uses {word}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// No file is longer than this, in lines; most are much shorter, and no concept is cut in two to please a number.
const LONGEST: usize = 600;

#[test]
fn files_stay_small_rooms() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let long: Vec<_> = files
        .iter()
        .map(|file| (file, fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}
