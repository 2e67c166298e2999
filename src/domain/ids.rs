//! Identifiers, each of its own type so that none is taken for another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),*) => {$(
        #[$doc]
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Takes the platform's own identifier as it is.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as the platform writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

id! {
    /// Names one target within a run of revdeck, such as `cloud-foundry`.
    TargetId,
    /// An app's identifier on its platform: a GUID, a namespace and name, an ARN.
    AppId,
    /// A revision's identifier on its platform.
    RevisionId,
    /// A rollout's identifier on its platform.
    RolloutId
}
