//! What can be done, declared once: keys, guards, the palette, forms and the command line are drawn from this table.

use serde::{Deserialize, Serialize};

/// What must be so before a verb makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// An app.
    App,
    /// An app of which an earlier revision can be deployed.
    EarlierRevision,
    /// A rollout in progress.
    Rollout,
    /// A rollout that is not being undone already.
    RolloutToCancel,
    /// A rollout that waits for somebody.
    WaitingRollout,
    /// An app of which the platform keeps no revisions.
    NoRevisions,
    /// An app that is not stopped.
    NotStopped,
    /// An app that is stopped.
    Stopped,
}

/// A verb's row in the table.
#[derive(Clone, Copy, Debug)]
pub struct VerbSpec {
    /// The verb.
    pub verb: Verb,
    /// The name of its command.
    pub command: &'static str,
    /// The verb in a sentence, such as `roll back`.
    pub words: &'static str,
    /// What it does, for help: of keys, of the palette and of the command line.
    pub does: &'static str,
    /// What must be so.
    pub needs: Needs,
}

macro_rules! verbs {
    ($($variant:ident $command:literal $words:literal $does:literal $needs:ident,)*) => {
        /// Something that changes what runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Verb {
            $(#[doc = $does] #[serde(rename = $command)] $variant,)*
        }

        /// Every verb.
        pub const VERBS: &[VerbSpec] = &[$(VerbSpec {
            verb: Verb::$variant,
            command: $command,
            words: $words,
            does: $does,
            needs: Needs::$needs,
        },)*];

        impl Verb {
            /// Its row in the table.
            pub const fn spec(self) -> &'static VerbSpec {
                &VERBS[self as usize]
            }
        }
    };
}

verbs! {
    RollBack "rollback" "roll back" "roll back to the last good revision, or to a given one" EarlierRevision,
    Deploy "deploy" "deploy" "deploy something new" App,
    Cancel "cancel" "cancel" "cancel the rollout in progress" RolloutToCancel,
    Continue "continue" "continue" "let a rollout that waits go on" WaitingRollout,
    Pause "pause" "pause" "hold a rollout where it is" Rollout,
    Restart "restart" "restart" "replace all instances, rolling" App,
    Release "release" "release" "release what holds an app still, such as suspended auto scaling" App,
    Reconcile "reconcile" "reconcile" "have what applies a repository look at it now" App,
    Scale "scale" "scale" "change how many instances an app has" App,
    Stop "stop" "stop" "stop an app: none of its instances runs" NotStopped,
    Start "start" "start" "start an app that is stopped" Stopped,
    EnableRevisions "enable-revisions" "switch revisions on" "have the platform keep revisions of an app" NoRevisions,
}

impl Verb {
    /// The verb in a sentence.
    pub fn words(self) -> &'static str {
        self.spec().words
    }

    /// The verb of a command's name.
    pub fn of_command(name: &str) -> Option<Self> {
        VERBS.iter().find(|spec| spec.command == name).map(|spec| spec.verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_finds_its_own_row() {
        for spec in VERBS {
            assert_eq!(spec.verb.spec().command, spec.command);
            assert_eq!(Verb::of_command(spec.command), Some(spec.verb));
        }
    }
}
