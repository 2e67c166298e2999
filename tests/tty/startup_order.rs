//! Records which functions a start runs on every platform, and writes `link/startup-order.txt`. It checks nothing, and runs
//! where it is asked for: see `CONTRIBUTING.md`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::Duration,
};

use portable_pty::CommandBuilder;
use revdeck::simulator::{Options, SIMULATED, clock::Clock};

use super::screen::Screen;

const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/link/startup-order.txt");
/// Under valgrind a second is a minute.
const LONG: Duration = Duration::from_mins(3);
/// What a line of the list may cost in functions that no start runs, before it is made two lines.
const BYTES_A_LINE: usize = 512;
/// So much of the program is kept where one byte of it is used.
const WINDOW: usize = 65_536;

/// The first keys that somebody presses in a hurry: look around, the page of instances, the log, and a plan.
const KEYS: &[&str] =
    &["j", "k", "\t", "/", "\x1b", "?", "\x1b", "i", "\x1b", "L", "\x1b", "R", "", "\x1b"];

/// When a function is run: by the start, or by the first keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    Start,
    Keys,
}

/// The functions of one name: a generic one is several.
#[derive(Default)]
struct Tally {
    bytes: usize,
    run_bytes: usize,
    run: usize,
    by: BTreeSet<(When, usize)>,
}

impl Tally {
    /// Which part of the list it belongs to; none where nothing of it is run, or next to nothing.
    fn part(&self) -> Option<Part> {
        let (when, _) = *self.by.first()?;
        let waste = self.bytes - self.run_bytes;
        if waste >= WINDOW * self.run {
            return None;
        }
        if waste * 10 >= WINDOW * self.run {
            return Some(Part::Seldom);
        }
        let platforms: Vec<_> =
            self.by.iter().filter(|by| by.0 == when).map(|(_, platform)| *platform).collect();
        Some(Part::Of(when, Reverse(platforms.len()), platforms))
    }
}

/// A part of the list, in its order: the earlier first, and what most platforms run before what one alone does. What is mostly
/// not run comes last, where it lies between nothing else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Of(When, Reverse<usize>, Vec<usize>),
    Seldom,
}

impl Part {
    fn title(&self) -> String {
        match self {
            Self::Seldom => "generic functions of which few are run".to_owned(),
            Self::Of(when, _, platforms) => {
                let when = if *when == When::Start { "the start" } else { "the first keys" };
                let names = platforms.iter().map(|at| SIMULATED[*at].name);
                format!("{when}: {}", names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[derive(Default)]
struct Node {
    own: Tally,
    below: BTreeMap<String, Self>,
}

impl Node {
    fn parts(&self, found: &mut BTreeSet<Part>) {
        found.extend(self.own.part());
        for node in self.below.values() {
            node.parts(found);
        }
    }
}

#[test]
#[ignore = "it writes the order of functions, from a program with symbols that REVDECK_SYMBOLS names, by valgrind and nm"]
fn record_the_order_of_functions() {
    let program = std::env::var("REVDECK_SYMBOLS").expect("REVDECK_SYMBOLS names a program");
    let mut runs = Vec::new();
    for (when, keys) in [(When::Start, &[][..]), (When::Keys, KEYS)] {
        for platform in 0..SIMULATED.len() {
            runs.push(((when, platform), run(&program, platform, keys)));
        }
    }
    let mut root = Node::default();
    for (name, bytes) in sizes(&program) {
        let Some(path) = path(&name) else { continue };
        let mut node = &mut root;
        for part in path {
            node = node.below.entry(part).or_default();
        }
        node.own.bytes += bytes;
        let by: Vec<_> =
            runs.iter().filter(|(_, run)| run.contains(&name)).map(|(by, _)| *by).collect();
        if !by.is_empty() {
            node.own.run += 1;
            node.own.run_bytes += bytes;
            node.own.by.extend(by);
        }
    }
    let mut text = String::from(
        "# What a start runs, in the order in which it is linked: see `build.rs`, and `CONTRIBUTING.md` for how it is made anew.\n",
    );
    let mut parts = BTreeSet::new();
    root.parts(&mut parts);
    for part in parts {
        let (lines, bytes) = lines(&root, &part, "");
        let _ = writeln!(text, "\n# {} ({} kilobytes)", part.title(), bytes / 1_024);
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
    fs::create_dir_all(Path::new(LIST).parent().unwrap()).unwrap();
    fs::write(LIST, text).unwrap();
}

/// The size of every function.
fn sizes(program: &str) -> HashMap<String, usize> {
    let output = Command::new("nm").args(["-S", "--defined-only", program]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let function = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, size, kind, name] = words[..] else { return None };
        let size = usize::from_str_radix(size, 16).ok()?;
        "tTwW".contains(kind).then(|| (name.to_owned(), size))
    };
    text.lines().filter_map(function).collect()
}

/// What is run from the start to the end, with these keys in between.
fn run(program: &str, index: usize, keys: &[&str]) -> BTreeSet<String> {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Whom to trust is not part of every platform's login.
    let tls = matches!(SIMULATED[index].name, "cloud-foundry" | "kubernetes");
    let options = Options { tls, ..Options::default() };
    let simulator = (SIMULATED[index].start)(options, Clock::running(1.0));
    let simulator = runtime.block_on(simulator).unwrap();
    let mut command = CommandBuilder::new("env");
    for (name, value) in simulator.environment() {
        command.arg(format!("{name}={value}"));
    }
    command.args(["valgrind", "--tool=callgrind", "--demangle=no", "--log-file=/dev/null"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.args([program, "--target", SIMULATED[index].name]);
    command.env("HOME", home.path());
    command.env("XDG_STATE_HOME", home.path());
    let mut screen = Screen::start_command(120, 40, command, false);
    screen.expect("▌", LONG);
    Screen::settle(Duration::from_secs(12));
    for key in keys {
        screen.press(key);
        Screen::settle(Duration::from_secs(4));
    }
    for key in ["q", "q"] {
        screen.press(key);
        Screen::settle(Duration::from_secs(2));
    }
    assert_eq!(screen.ends(), Some(0));
    let found = executed(&fs::read_to_string(out).unwrap(), program);
    assert!(
        found.len() > 1_000,
        "{program} has an order, or no symbols: {} functions",
        found.len()
    );
    found
}

/// The functions that an output of callgrind tells of: <https://valgrind.org/docs/manual/cl-format.html>.
fn executed(text: &str, program: &str) -> BTreeSet<String> {
    let (mut objects, mut functions) = (HashMap::new(), HashMap::new());
    let mut object = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let Some((what, rest)) = line.split_once("=(") else { continue };
        let Some((number, name)) = rest.split_once(')') else { continue };
        let known = match what {
            "ob" | "cob" => &mut objects,
            "fn" | "cfn" => &mut functions,
            _ => continue,
        };
        // A name is told once, and after that by its number.
        if !name.is_empty() {
            known.insert(number.to_owned(), name.trim().to_owned());
        }
        let name = known.get(number).cloned().unwrap_or_default();
        match what {
            "ob" => object = name,
            "fn" if object == program => {
                let plain = name.split('\'').next().unwrap_or_default();
                found.insert(plain.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// The parts of a function's name without what differs from build to build; `None` where it is none of Rust's.
fn path(name: &str) -> Option<Vec<String>> {
    if name.starts_with("_R") {
        let mut parts = name.split("Cs");
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let hashed = part.split_once('_').filter(|(hash, _)| hash.len() > 8);
            plain += &hashed.map_or_else(|| format!("Cs{part}"), |(_, rest)| format!("Cs*_{rest}"));
        }
        return Some(vec![plain.split('.').next().unwrap_or_default().to_owned() + "*"]);
    }
    let mut rest = name.strip_prefix("_ZN")?;
    let mut parts = Vec::new();
    while let Some(digits) = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|at| *at > 0)
    {
        let length = digits + rest[..digits].parse::<usize>().ok()?;
        parts.push(rest.get(..length)?.to_owned());
        rest = &rest[length..];
    }
    // The last one is the hash.
    parts.pop();
    (!parts.is_empty()).then_some(parts)
}

/// The lines for the functions of a part below a name, and how much of the program they are.
fn lines(node: &Node, part: &Part, name: &str) -> (Vec<String>, usize) {
    let (mut found, mut bytes) = (Vec::new(), 0);
    if node.own.part().as_ref() == Some(part) {
        found.push(name.to_owned());
        bytes += node.own.bytes;
    }
    for (below, node) in &node.below {
        let (more, size) = lines(node, part, &format!("{name}{below}"));
        found.extend(more);
        bytes += size;
    }
    let all = size(node);
    if found.len() > 1 && !name.is_empty() && all - bytes <= BYTES_A_LINE * (found.len() - 1) {
        return (vec![format!("{name}*")], all);
    }
    (found, bytes)
}

fn size(node: &Node) -> usize {
    node.own.bytes + node.below.values().map(size).sum::<usize>()
}
