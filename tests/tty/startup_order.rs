//! Records which functions a start runs on every platform, and writes `link/startup-order.txt`. It checks nothing, and runs
//! where it is asked for: see `CONTRIBUTING.md`.

use std::{
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

/// What is known of the functions of one name.
#[derive(Clone, Default)]
struct Tally {
    /// The size of all of them.
    bytes: usize,
    /// The size and number of those that were run, by the group that they belong to.
    run: BTreeMap<usize, (usize, usize)>,
}

#[derive(Default)]
struct Node {
    own: Tally,
    below: BTreeMap<String, Self>,
}

#[test]
#[ignore = "it writes the order of functions, from a program with symbols that REVDECK_SYMBOLS names, by valgrind and nm"]
fn record_the_order_of_functions() {
    let program = std::env::var("REVDECK_SYMBOLS").expect("REVDECK_SYMBOLS names a program");
    let sizes = sizes(&program);
    let runs: Vec<_> = (0..SIMULATED.len()).map(|index| run(&program, index)).collect();
    // First what several platforms run, then what one alone does.
    let group = |name: &String| {
        let mut by = runs.iter().enumerate().filter(|(_, run)| run.contains(name));
        match (by.next(), by.next()) {
            (None, _) => None,
            (Some((index, _)), None) => Some(index + 1),
            (Some(_), Some(_)) => Some(0),
        }
    };
    let mut root = Node::default();
    for (name, bytes) in &sizes {
        let Some(path) = path(name) else { continue };
        let mut node = &mut root;
        for part in path {
            node = node.below.entry(part).or_default();
        }
        node.own.bytes += bytes;
        if let Some(group) = group(name) {
            let run = node.own.run.entry(group).or_default();
            *run = (run.0 + bytes, run.1 + 1);
        }
    }
    let mut text = String::from(
        "# What a start runs, in the order in which it is linked: see `build.rs`, and `CONTRIBUTING.md` for how it is made anew.\n",
    );
    let platforms = SIMULATED.iter().map(|one| one.name);
    for (group, name) in std::iter::once("several platforms").chain(platforms).enumerate() {
        let (lines, bytes) = lines(&root, group, "");
        let _ = writeln!(text, "\n# {name}: {} kilobytes", bytes / 1_024);
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

/// What is run from the start to a plan that is looked at, and left.
fn run(program: &str, index: usize) -> BTreeSet<String> {
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
    for key in ["j", "k", "\t", "/", "\x1b", "?", "\x1b", "i", "\x1b", "L", "\x1b", "R"] {
        screen.press(key);
        Screen::settle(Duration::from_secs(4));
    }
    Screen::settle(Duration::from_secs(8));
    for key in ["\x1b", "q", "q"] {
        screen.press(key);
        Screen::settle(Duration::from_secs(2));
    }
    assert_eq!(screen.ends(), Some(0));
    executed(&fs::read_to_string(out).unwrap(), program)
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

/// The lines for the functions of a group below a name, and how much of the program they are.
fn lines(node: &Node, group: usize, name: &str) -> (Vec<String>, usize) {
    let (mut found, mut bytes) = (Vec::new(), 0);
    if let Some((run, count)) = node.own.run.get(&group) {
        // Of a generic function all that it became is taken or left, since they have one name.
        if (node.own.bytes - run) * 10 < WINDOW * count {
            found.push(name.to_owned());
            bytes += node.own.bytes;
        }
    }
    for (part, below) in &node.below {
        let (more, size) = lines(below, group, &format!("{name}{part}"));
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
