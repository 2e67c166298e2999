//! Identifiers, each of its own type so that none is taken for another.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta] $name:ident),*) => {$(
        #[$doc]
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl $name {
            /// Takes the platform's own identifier as it is.
            pub fn new(id: impl AsRef<str>) -> Self {
                Self(id.as_ref().into())
            }

            /// The identifier as the platform writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// So that a map by identifiers can be asked by the platform's text.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
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

/// What an app is known by on the deck: two logins may reach the same app, and each has a row of its own, acts through
/// its own login and loses only its own row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppKey {
    /// Through which target it was seen.
    pub target: TargetId,
    /// Its identifier there.
    pub app: AppId,
}

impl AppKey {
    /// An app of a target.
    pub fn new(target: TargetId, app: AppId) -> Self {
        Self { target, app }
    }
}
