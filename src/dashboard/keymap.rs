//! The key table: which key means what, from the shipped file with the operator's own merged over it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use toml::Spanned;

use super::key::Key;
use crate::domain::Verb;

/// The shipped table.
pub const SHIPPED: &str = include_str!("../../keybindings.toml");
/// What an own table may move to another key, and never leave without its own by accident.
const NEEDED: &[Command] = &[
    Command::RollBackLastGood,
    Command::RollBackSelected,
    Command::Cancel,
    Command::Palette,
    Command::Help,
    Command::Back,
    Command::Quit,
    Command::Confirm,
    Command::Leave,
];

/// A row is a command, its table, its name there, what it does, and the verbs that it may carry out; `= Verb` stands for what
/// that verb does.
macro_rules! commands {
    ($($variant:ident $table:literal $name:literal $($text:literal)? $(= $does:ident)? $($verb:ident)*,)*) => {
        /// What a key can mean.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Command {
            $($(#[doc = $text])? $(#[doc = concat!("what [`Verb::", stringify!($does), "`] does")])? $variant,)*
        }

        /// Every command: itself, its table, its name there, what it does.
        pub const COMMANDS: &[(Command, &str, &str, &str)] =
            &[$((Command::$variant, $table, $name, $($text)? $(Verb::$does.spec().does)?),)*];

        impl Command {
            /// What it may do to an app; none where it changes nothing that runs. Of several the app decides.
            pub const fn verbs(self) -> &'static [Verb] {
                match self {
                    $(Self::$variant => &[$(Verb::$does,)? $(Verb::$verb),*],)*
                }
            }
        }
    };
}

commands! {
    RollBackLastGood "deck" "roll-back-last-good" "roll back to the last good revision" RollBack,
    RollBackSelected "deck" "roll-back-selected" "roll back to the selected revision" RollBack,
    Deploy "deck" "deploy" = Deploy,
    Cancel "deck" "cancel" = Cancel,
    Continue "deck" "continue" = Continue,
    Pause "deck" "pause" = Pause,
    Restart "deck" "restart" = Restart,
    RestartInstance "deck" "restart-instance" "restart the selected instance, on the page of instances" Restart,
    Shell "deck" "shell" "a shell in the selected instance, on the page of instances",
    Scale "deck" "scale" = Scale,
    StopOrStart "deck" "stop-or-start" "stop the app, or start it where it is stopped" Stop Start,
    Release "deck" "release" = Release,
    Reconcile "deck" "reconcile" = Reconcile,
    EnableRevisions "deck" "enable-revisions" = EnableRevisions,
    Diff "deck" "diff" "what differs between the deployed and the selected revision",
    Mark "deck" "mark" "mark the revision that D compares from",
    Events "deck" "events" "what happened to the app",
    Instances "deck" "instances" "the instances of the app, old and new, and whether the new ones are worse",
    Logs "deck" "logs" "the log, as it is written",
    Incident "deck" "incident" "write the record of an incident into a file",
    Filter "deck" "filter" "filter the apps as you type",
    OnlyActive "deck" "only-active" "only what is rolling or broken",
    Sort "deck" "sort" "order: by need, by name, by scope",
    Pin "deck" "pin" "keep the app above others of its class",
    Notify "deck" "notify" "whether something is said of this app when nobody looks",
    Mouse "deck" "mouse" "whether the mouse selects and scrolls, or is the terminal's",
    Targets "deck" "targets" "where to look: where the login points, around it, everything",
    Refresh "deck" "refresh" "read everything again now",
    Copy "deck" "copy" "copy the name of the app, or the revision's identifier",
    Palette "deck" "palette" "find a command by its name",
    Help "deck" "help" "this table",
    Up "deck" "up" "select the row above",
    Down "deck" "down" "select the row below",
    PageUp "deck" "page-up" "a page up",
    PageDown "deck" "page-down" "a page down",
    HalfPageUp "deck" "half-page-up" "half a page up",
    HalfPageDown "deck" "half-page-down" "half a page down",
    Top "deck" "top" "the first row",
    Bottom "deck" "bottom" "the last row",
    NextPanel "deck" "next-panel" "the next panel",
    PreviousPanel "deck" "previous-panel" "the panel before",
    AppsPanel "deck" "apps-panel" "the panel of the apps",
    RevisionsPanel "deck" "revisions-panel" "the panel of the revisions",
    RolloutPanel "deck" "rollout-panel" "the panel of the rollout",
    Zoom "deck" "zoom" "give the panel all the room, or take it back",
    Open "deck" "open" "open what is selected",
    Back "deck" "back" "back: clears the filter, or the last message",
    WithoutJournal "deck" "without-journal" "write nothing into the journal, where it cannot be written",
    Suspend "deck" "suspend" "back to the shell; `fg` returns",
    Quit "deck" "quit" "leave",
    Confirm "plan" "confirm" "do it; never the key that opened the plan",
    Leave "plan" "leave" "leave everything as it is",
    ScrollUp "plan" "scroll-up" "scroll the plan up",
    ScrollDown "plan" "scroll-down" "scroll the plan down",
    Why "plan" "why" "say why; in the journal, and with the rollout where the platform keeps it",
    Reveal "plan" "reveal" "show the values of environment variables, or hide them",
    CopyByHand "plan" "copy-by-hand" "copy the commands that do the same by hand",
    Replan "plan" "replan" "make the plan anew",
    Hold "logs" "hold" "hold what is shown, or go on with what comes",
    OldLines "logs" "old-lines" "lines of the old side only",
    NewLines "logs" "new-lines" "lines of the new side only",
    BothLines "logs" "both-lines" "lines of both sides",
    ErrorLines "logs" "error-lines" "only lines that tell of errors",
    Search "logs" "search" "look for a text",
    NextMatch "logs" "next-match" "the next line above that has it",
    PreviousMatch "logs" "previous-match" "the next line below that has it",
    Wrap "logs" "wrap" "whether long lines go on in the next row",
    PreviousRun "logs" "previous-run" "the run before the crash, or the present one",
    Beside "logs" "beside" "old lines beside new ones, where there is room",
    LocalTime "logs" "local-time" "local time, or UTC",
    Save "logs" "save" "save what is shown into a file",
    AllInstances "logs" "all-instances" "all instances instead of one",
}

/// Keys by table and command, and the other way round.
#[derive(Clone, Debug, PartialEq)]
pub struct Keymap {
    keys: HashMap<Command, Vec<Key>>,
    deck: HashMap<Key, Command>,
    plan: HashMap<Key, Command>,
    logs: HashMap<Key, Command>,
}

/// What is wrong with a key table: the line, counted from 1, and one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {text}")]
pub struct KeymapError {
    /// Which file.
    pub file: String,
    /// Which line of it.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}

/// Whether a command's keys are the operator's own, in which file they are, and in which line.
type Places = HashMap<Command, (bool, String, usize)>;

type Table = BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    deck: Table,
    #[serde(default)]
    plan: Table,
    #[serde(default)]
    logs: Table,
}

impl Keymap {
    /// The shipped table.
    pub fn shipped() -> Result<Self, KeymapError> {
        Self::with(None)
    }

    /// The shipped table with another merged over it, given as file name and text.
    pub fn with(own: Option<(&str, &str)>) -> Result<Self, KeymapError> {
        let mut map = Self {
            keys: HashMap::new(),
            deck: HashMap::new(),
            plan: HashMap::new(),
            logs: HashMap::new(),
        };
        let mut places = HashMap::new();
        map.merge((false, "keybindings.toml"), SHIPPED, &mut places)?;
        if let Some((file, text)) = own {
            map.merge((true, file), text, &mut places)?;
        }
        map.index(&places)?;
        Ok(map)
    }

    fn merge(
        &mut self,
        (own, file): (bool, &str),
        text: &str,
        places: &mut Places,
    ) -> Result<(), KeymapError> {
        let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        let wrong = |at: usize, text: String| KeymapError {
            file: file.to_owned(),
            line: line_of(at),
            text,
        };
        let parsed: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, error.message().to_owned())
        })?;
        let tables = [("deck", parsed.deck), ("plan", parsed.plan), ("logs", parsed.logs)];
        for (table, entries) in tables {
            for (name, keys) in entries {
                let known = COMMANDS.iter().find(|one| one.1 == table && one.2 == name.get_ref());
                let Some((command, ..)) = known else {
                    let text = format!("there is no command {:?} in [{table}]", name.get_ref());
                    return Err(wrong(name.span().start, text));
                };
                let mut parsed = Vec::new();
                let place = keys.span().start;
                for key in keys.into_inner() {
                    parsed
                        .push(key.get_ref().parse().map_err(|text| wrong(key.span().start, text))?);
                }
                self.keys.insert(*command, parsed);
                places.insert(*command, (own, file.to_owned(), line_of(place)));
            }
        }
        Ok(())
    }

    fn index(&mut self, places: &Places) -> Result<(), KeymapError> {
        let own = |command: &Command| places.get(command).is_some_and(|place| place.0);
        // What is the operator's own comes first: a key of theirs is theirs, whatever a later release ships it for.
        let (first, then): (Vec<&_>, Vec<&_>) = COMMANDS.iter().partition(|one| own(&one.0));
        for (command, table, name, _) in first.into_iter().chain(then) {
            let mut kept = Vec::new();
            for key in self.keys.get(command).cloned().unwrap_or_default() {
                let index = match *table {
                    "deck" => &mut self.deck,
                    "plan" => &mut self.plan,
                    _ => &mut self.logs,
                };
                match index.get(&key).copied() {
                    None => {
                        index.insert(key, *command);
                        kept.push(key);
                    }
                    Some(other) if own(&other) == own(command) || NEEDED.contains(command) => {
                        let (mine, others) = (places.get(command), places.get(&other));
                        // The later file is the one to mend.
                        let (_, file, line) = mine.max(others).cloned().unwrap_or_default();
                        let other =
                            COMMANDS.iter().find(|one| one.0 == other).map_or("", |one| one.2);
                        let text = format!(
                            "the key {key} would mean both {name} and {other} in [{table}]"
                        );
                        return Err(KeymapError { file, line, text });
                    }
                    Some(_) => {}
                }
            }
            self.keys.insert(*command, kept);
        }
        Ok(())
    }

    /// What a key means on the deck.
    pub fn deck(&self, key: Key) -> Option<Command> {
        self.deck.get(&key).copied()
    }

    /// What a key means in a plan dialog.
    pub fn plan(&self, key: Key) -> Option<Command> {
        self.plan.get(&key).copied()
    }

    /// What a key means on the page of a log.
    pub fn logs(&self, key: Key) -> Option<Command> {
        self.logs.get(&key).copied()
    }

    /// The keys of a command.
    pub fn keys(&self, command: Command) -> &[Key] {
        self.keys.get(&command).map_or(&[], Vec::as_slice)
    }

    /// The first key of a command, for hints.
    pub fn hint(&self, command: Command) -> String {
        self.keys(command).first().map(Key::to_string).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_for_hands_that_know_k9s_leaves_nothing_without_a_key() {
        let text = include_str!("../../assets/keys-k9s.toml");
        let map = Keymap::with(Some(("keys-k9s.toml", text))).unwrap();
        for (command, _, name, _) in COMMANDS {
            assert!(!map.keys(*command).is_empty(), "{name} has no key");
        }
        assert_eq!(map.deck("l".parse().unwrap()), Some(Command::Logs));
    }

    #[test]
    fn the_shipped_table_is_whole() {
        let map = Keymap::shipped().unwrap();
        for (command, _, name, text) in COMMANDS {
            assert!(!map.keys(*command).is_empty(), "{name} has no key");
            let line =
                SHIPPED.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
            assert!(line.ends_with(&format!("# {text}")), "{line}\nshould end in {text}");
        }
    }

    #[test]
    fn an_own_table_is_merged_over_it() {
        let map = Keymap::with(Some(("own.toml", "[deck]\nquit = [\"z\"]\n"))).unwrap();
        assert_eq!(map.deck("z".parse().unwrap()), Some(Command::Quit));
        assert_eq!(map.deck("q".parse().unwrap()), None);
        assert_eq!(map.deck("R".parse().unwrap()), Some(Command::RollBackLastGood));
    }

    #[test]
    fn a_key_of_ones_own_stays_ones_own_when_a_release_ships_it_for_something_new() {
        let map = Keymap::with(Some(("own.toml", "[deck]\ncopy = [\"x\", \"L\"]\n"))).unwrap();
        assert_eq!(map.deck("x".parse().unwrap()), Some(Command::Copy));
        assert_eq!(map.deck("L".parse().unwrap()), Some(Command::Copy));
        assert!(map.keys(Command::RestartInstance).is_empty(), "it is found in the palette");
        let both = "[deck]\ncopy = [\"x\"]\nlogs = [\"x\"]\n";
        let said = Keymap::with(Some(("own.toml", both))).unwrap_err().to_string();
        assert_eq!(said, "own.toml, line 3: the key x would mean both copy and logs in [deck]");
    }

    #[test]
    fn mistakes_stop_the_start_with_their_line() {
        let said = |text: &str| Keymap::with(Some(("own.toml", text))).unwrap_err().to_string();
        assert_eq!(
            said("[deck]\n\nquit = [\"R\"]\n"),
            "own.toml, line 3: the key R would mean both roll-back-last-good and quit in [deck]"
        );
        assert_eq!(
            said("[deck]\nfly = [\"x\"]\n"),
            "own.toml, line 2: there is no command \"fly\" in [deck]"
        );
        assert_eq!(
            said("[deck]\nquit = [\"Hyper-x\"]\n"),
            "own.toml, line 2: \"Hyper-x\" is no key"
        );
        assert!(said("[deck]\nquit = \n").starts_with("own.toml, line 2: "));
        assert!(said("[desk]\n").contains("line 1"), "{}", said("[desk]\n"));
    }
}
