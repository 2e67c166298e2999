//! References to images: `host:5000/name:tag@sha256:…`.

use serde::{Deserialize, Serialize};

/// What an image is pinned to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::platform::gitops) struct Version {
    pub(in crate::platform::gitops) tag: Option<String>,
    pub(in crate::platform::gitops) digest: Option<String>,
}

/// How many characters of a digest are shown.
const SHOWN: usize = 12;

impl Version {
    /// What people call it: its tag, else the beginning of its digest.
    pub(in crate::platform::gitops) fn label(&self) -> String {
        let digest = self.digest.as_deref().map(|digest| {
            digest.rsplit(':').next().unwrap_or(digest).chars().take(SHOWN).collect::<String>()
        });
        self.tag.clone().or(digest).unwrap_or_else(|| "latest".to_owned())
    }

    /// All of it, such as `1.4@sha256:…`.
    pub(in crate::platform::gitops) fn whole(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
            (Some(tag), None) => tag.clone(),
            (None, Some(digest)) => format!("@{digest}"),
            (None, None) => "latest".to_owned(),
        }
    }
}

/// A reference taken apart: the tag is what follows the last colon after the last slash, the digest what follows an `@`.
/// What is left open, such as `${TAG:-1.0}`, is kept whole.
pub(in crate::platform::gitops) fn parse(reference: &str) -> (String, Version) {
    let closed = |text: &str| text.find("${").unwrap_or(text.len());
    let (rest, digest) = match reference[..closed(reference)].find('@') {
        Some(at) => (&reference[..at], Some(reference[at + 1..].to_owned())),
        None => match reference.rsplit_once('@') {
            Some((rest, digest)) if !digest.contains('}') => (rest, Some(digest.to_owned())),
            _ => (reference, None),
        },
    };
    let before = &rest[..closed(rest)];
    let slash = before.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match before[slash..].rfind(':') {
        Some(at) => (&rest[..slash + at], Some(rest[slash + at + 1..].to_owned())),
        None => (rest, None),
    };
    (name.to_owned(), Version { tag: tag.filter(|tag| !tag.is_empty()), digest })
}

/// A reference put together.
pub(in crate::platform::gitops) fn write(name: &str, version: &Version) -> String {
    let tag = version.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = version.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{name}{tag}{digest}")
}

/// Whether a text can be a tag: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>.
pub(in crate::platform::gitops) fn is_tag(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next().is_some_and(|one| one.is_ascii_alphanumeric() || one == '_');
    first
        && text.len() <= 128
        && letters.all(|one| one.is_ascii_alphanumeric() || "._-".contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart_and_put_together() {
        for (reference, name, tag, digest) in [
            ("host:5000/name", "host:5000/name", None, None),
            ("host:5000/name:1.2", "host:5000/name", Some("1.2"), None),
            ("name@sha256:abc", "name", None, Some("sha256:abc")),
            ("a/b:v1@sha256:abc", "a/b", Some("v1"), Some("sha256:abc")),
            ("a/b:${TAG:=1.0}", "a/b", Some("${TAG:=1.0}"), None),
            ("a:5000/b:v${TAG}@${SUM}", "a:5000/b", Some("v${TAG}@${SUM}"), None),
            ("a/b:${TAG}@sha256:abc", "a/b", Some("${TAG}"), Some("sha256:abc")),
        ] {
            let (known, version) = parse(reference);
            assert_eq!(
                (known.as_str(), version.tag.as_deref(), version.digest.as_deref()),
                (name, tag, digest)
            );
            assert_eq!(write(&known, &version), reference);
        }
        assert!(is_tag("master-26a4b87") && !is_tag("-x") && !is_tag("a b") && !is_tag(""));
    }
}
