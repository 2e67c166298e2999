//! Who may import whom, read from the `use` trees and paths of the source: the table in ARCHITECTURE.md, held.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{ItemMod, ItemUse, UseTree, visit::Visit};

/// No file is longer than this, in lines; most are much shorter, and no concept is cut in two to please a number.
const LONGEST: usize = 600;

/// A room, the rooms that it may use, and the crates that it must not know. Every room is listed.
const ROOMS: [(&str, &[&str], &[&str]); 11] = [
    ("domain", &[], &["tokio", "reqwest", "ratatui", "crossterm", "kube", "clap"]),
    ("platform", &["domain"], &["ratatui", "crossterm", "clap", "axum"]),
    ("dashboard", &["domain"], &["tokio", "reqwest", "ratatui", "crossterm", "kube", "clap"]),
    ("ui", &["dashboard", "domain"], &["tokio", "reqwest", "crossterm", "kube", "clap"]),
    ("simulator", &[], &["ratatui", "crossterm", "reqwest", "kube", "clap"]),
    ("runtime", &["dashboard", "domain", "platform", "ui"], &["axum", "kube", "clap"]),
    (
        "config",
        &["dashboard", "domain", "platform", "ui"],
        &["tokio", "reqwest", "ratatui", "kube"],
    ),
    ("telemetry", &[], &["tokio", "reqwest", "ratatui", "kube"]),
    (
        "cli",
        &["config", "dashboard", "domain", "platform", "runtime", "simulator", "telemetry", "ui"],
        &["reqwest", "kube", "axum"],
    ),
    ("main", &["cli", "platform", "runtime"], &["reqwest", "kube", "axum"]),
    ("lib", &[], &[]),
];

/// Parts of the port that every adapter may use; all other rooms of `platform` are adapters, which know no other.
const PORT: [&str; 6] = ["cluster", "error", "http", "operation", "registry", "unopened"];

/// A module of the crate, as `platform::kubernetes::watch`.
type Module = Vec<String>;

/// What one file imports: paths within the crate, and the names of other crates.
#[derive(Default)]
struct Imports {
    module: Module,
    own: BTreeSet<Module>,
    crates: BTreeSet<String>,
    /// Modules that the file declares.
    children: BTreeSet<String>,
}

impl Imports {
    fn add(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        match first.as_str() {
            "crate" => drop(self.own.insert(rest.to_vec())),
            "self" => drop(self.own.insert([&self.module[..], rest].concat())),
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                let base = self.module.len().saturating_sub(ups);
                self.own.insert([&self.module[..base], &path[ups..]].concat());
            }
            child if self.children.contains(child) => {
                self.own.insert([&self.module[..], path].concat());
            }
            other => drop(self.crates.insert(other.to_owned())),
        }
    }

    fn tree(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(next) => {
                path.push(next.ident.to_string());
                self.tree(&next.tree, path);
                path.pop();
            }
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.add(path);
                path.pop();
            }
            UseTree::Rename(name) => {
                path.push(name.ident.to_string());
                self.add(path);
                path.pop();
            }
            UseTree::Glob(_) => self.add(path),
            UseTree::Group(group) => {
                for item in &group.items {
                    self.tree(item, path);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<_> = path.segments.iter().map(|one| one.ident.to_string()).collect();
        let first = words[0].as_str();
        let inside = matches!(first, "crate" | "super" | "self") || self.children.contains(first);
        if words.len() > 1 && inside {
            self.add(&words);
        } else if words.len() > 1 {
            // Another crate may be called by its path; what is no crate hurts nobody.
            self.crates.insert(words[0].clone());
        }
        syn::visit::visit_path(self, path);
    }

    /// Who may see something is no import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    /// What stands in a macro is not parsed: paths are found in its tokens.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let tokens = mac.tokens.to_string().replace(' ', "");
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        for start in ["crate::", "super::", "self::"] {
            for (at, _) in tokens.match_indices(start) {
                // Not the tail of another path.
                if tokens[..at].ends_with(|before| is_name(before) || before == ':') {
                    continue;
                }
                let end = tokens[at..].find(|letter| !is_name(letter) && letter != ':');
                let path = &tokens[at..end.map_or(tokens.len(), |end| at + end)];
                let words: Vec<_> = path.split("::").map(str::to_owned).collect();
                self.add(&words);
            }
        }
        syn::visit::visit_macro(self, mac);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        // A file's own tests may use what they like, and are no part of the house.
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
        });
        if !is_test {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file with its module and its imports; files that are tests only are left out.
fn house() -> Vec<Imports> {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let tests = ["tests.rs", "_tests.rs", "script.rs", "samples.rs"];
    files.retain(|file| !tests.iter().any(|end| file.to_string_lossy().ends_with(end)));
    files.iter().map(|file| imports(&fs::read_to_string(file).unwrap(), module_of(file))).collect()
}

fn module_of(file: &Path) -> Module {
    let path = file.strip_prefix(root()).unwrap().with_extension("");
    let mut module: Module = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

fn imports(text: &str, module: Module) -> Imports {
    let mut imports = Imports { module, ..Imports::default() };
    let file = syn::parse_file(text).unwrap();
    let declared = file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module.ident.to_string()),
        _ => None,
    });
    imports.children = declared.collect();
    imports.visit_file(&file);
    imports
}

/// What is broken by one file.
fn broken(file: &Imports) -> Vec<String> {
    let name = file.module.join("::");
    let room = file.module.first().unwrap();
    let Some((_, may, must_not)) = ROOMS.iter().find(|(known, ..)| known == room) else {
        return vec![format!("the room {room} is not in the table")];
    };
    let mut broken = Vec::new();
    for used in &file.own {
        let Some(other) = used.first() else { continue };
        let a_room = ROOMS.iter().any(|(known, ..)| known == other);
        if a_room && other != room && !may.contains(&other.as_str()) {
            broken.push(format!("{name} uses {}", used.join("::")));
        }
        // One adapter knows no other; only the registry lists them all.
        let adapter = |module: &[String]| {
            let folder = module.get(1).filter(|_| module[0] == "platform")?;
            let is_folder = root().join("platform").join(folder).is_dir();
            (is_folder && !PORT.contains(&folder.as_str())).then(|| folder.clone())
        };
        let is_registry = file.module.len() > 1 && file.module[1] == "registry";
        let (this, that) = (adapter(&file.module), adapter(used));
        if this != that && that.is_some() && !is_registry {
            broken.push(format!("{name} uses the adapter {}", used.join("::")));
        }
    }
    for used in file.crates.iter().filter(|used| must_not.contains(&used.as_str())) {
        broken.push(format!("{name} uses the crate {used}"));
    }
    broken
}

#[test]
fn rooms_keep_their_borders() {
    let house = house();
    for (room, ..) in ROOMS {
        assert!(house.iter().any(|file| file.module[0] == room), "there is no room {room}");
    }
    let broken: Vec<_> = house.iter().flat_map(broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_way_of_importing_is_seen() {
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
    for (text, room) in [
        ("use crate::{domain::App, platform::Error};", "domain::app"),
        ("use crate::{\n    dashboard,\n    platform,\n};", "domain::app"),
        ("use super::super::{simulator::clock, domain};", "platform::http"),
        ("fn f() { crate::ui::draw(); }", "platform::http"),
        ("mod inner { use crate::runtime::clock; }", "ui::theme"),
        ("use crate::platform::{error, kubernetes as other};", "platform::cloud_foundry::watch"),
        ("use super::super::kubernetes::Options;", "platform::cloud_foundry::watch"),
        ("use tokio::sync::mpsc;", "domain::app"),
        ("use crate::platform::ecs::Provider;", "cli::run"),
        ("fn f() { let target = crate::platform::kubernetes::KIND; }", "runtime::headless"),
        ("fn f() { tracing::warn!(\"{}\", crate::ui::text::clean(name)); }", "platform::http"),
        ("fn f() { tokio::spawn(async {}); }", "domain::app"),
        ("use std::fmt;", "cellar"),
    ] {
        let found = broken(&imports(text, module(room)));
        assert_eq!(
            found.len(),
            if text.contains("dashboard,") { 2 } else { 1 },
            "{text}: {found:?}"
        );
    }
    for (text, room) in [
        ("use crate::{domain::App, platform::Error};", "platform::cloud_foundry::watch"),
        ("#[cfg(test)]\nmod tests { use crate::ui::theme; }", "domain::app"),
    ] {
        assert_eq!(broken(&imports(text, module(room))), [] as [&str; 0], "{text}");
    }
}

/// Those of a graph that lead back to themselves.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches_itself = |from: &&String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![(*from).clone()]);
        while let Some(at) = next.pop() {
            for to in arrows.get(&at).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        seen.contains(*from)
    };
    arrows.keys().filter(reaches_itself).cloned().collect()
}

/// The adapters: the folders of `platform` that have a provider.
fn adapters() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("platform")).unwrap().map(|entry| entry.unwrap().path());
    let adapters: BTreeSet<_> = folders
        .filter(|folder| folder.join("provider.rs").is_file())
        .map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(adapters.len() > 3, "{adapters:?}");
    adapters
}

/// Within an adapter arrows run one way, too: no file, and no room, imports by whatever detour itself. What puts the adapter
/// together, in its root, is imported by nothing in it but the provider.
#[test]
fn adapters_have_no_import_circles() {
    let house = house();
    let mut broken = Vec::new();
    for adapter in adapters() {
        let base = ["platform".to_owned(), adapter.clone()];
        let files: BTreeSet<&Module> = house
            .iter()
            .map(|file| &file.module)
            .filter(|module| module.starts_with(&base))
            .collect();
        // A path leads to the longest module that it begins with.
        let file_of = |path: &Module| {
            (base.len()..=path.len())
                .rev()
                .map(|length| path[..length].to_vec())
                .find(|module| files.contains(module))
        };
        let (mut by_file, mut by_room) = (BTreeMap::new(), BTreeMap::new());
        for file in house.iter().filter(|file| files.contains(&file.module)) {
            let name = |module: &Module| match module[base.len()..].join("::") {
                root if root.is_empty() => "(root)".to_owned(),
                name => name,
            };
            let room = |module: &Module| {
                module.get(base.len()).map_or("(root)", String::as_str).to_owned()
            };
            let to: Vec<_> = file.own.iter().filter_map(file_of).collect();
            // A room that only declares its files imports none of them.
            let declares =
                |to: &Module| file.module.len() > base.len() && to.starts_with(&file.module);
            let others = to.iter().filter(|to| **to != file.module);
            by_file.insert(name(&file.module), others.map(name).collect::<BTreeSet<_>>());
            let others = to.iter().filter(|to| !declares(to) && room(to) != room(&file.module));
            by_room
                .entry(room(&file.module))
                .or_insert_with(BTreeSet::new)
                .extend(others.map(room));
        }
        for arrows in [by_file, by_room] {
            let circles = circles(&arrows);
            let lines =
                arrows.iter().filter(|(from, _)| circles.contains(from)).map(|(from, to)| {
                    let to: Vec<_> = to.iter().map(String::as_str).collect();
                    format!("{adapter}: {from} -> {}", to.join(", "))
                });
            broken.extend(lines);
        }
    }
    assert!(broken.is_empty(), "in a circle are\n{}", broken.join("\n"));
}

#[test]
fn files_stay_small_rooms() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let long: Vec<_> = files
        .iter()
        .map(|file| (file, fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

/// What a revision is called is decided by `domain::revision_name` alone.
#[test]
fn revisions_are_named_in_one_place() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let glued: Vec<_> = files
        .iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains(concat!("rev", " {")))
        .collect();
    assert!(glued.is_empty(), "a name of its own in {glued:?}");
}

/// The lines that say something: no comments, imports, lists of modules, lone brackets, or heads of functions, which a trait
/// gives.
fn telling(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let (mut lines, mut import, mut head) = (Vec::new(), false, false);
    for line in text.lines().map(str::trim) {
        let bare = line.trim_start_matches("pub ").trim_start_matches("async ");
        import |= bare.starts_with("use ") || bare.starts_with("mod ");
        head |= bare.starts_with("fn ") || bare.starts_with("impl ");
        if import || head {
            import &= !line.ends_with(';');
            head &= !line.ends_with('{') && !line.ends_with(';');
        } else if line.len() > 2 && !line.starts_with("//") && !line.starts_with('#') {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// What two adapters have in common belongs into a room of its own.
#[test]
fn no_two_files_of_platforms_share_six_lines() {
    let mut files = Vec::new();
    sources(&root().join("platform"), &mut files);
    let mut seen: BTreeMap<Vec<String>, &Path> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for file in &files {
        for six in telling(&fs::read_to_string(file).unwrap()).windows(6) {
            let first = *seen.entry(six.to_vec()).or_insert(file);
            if first != file.as_path() {
                twice.insert(format!("{} and {}: {}", first.display(), file.display(), six[0]));
            }
        }
    }
    assert!(twice.is_empty(), "{twice:#?}");
}
