//! Which of the Kustomizations of Flux that stand in a repository apply it, as they stand there.

use super::{
    object::Origin,
    resources::{Tree, directory, resolve},
};
use crate::platform::gitops::model::{kustomizations::Kustomization, patches::Source};

/// Whether a Kustomization of Flux applies another repository than this one, as far as that is told here. Addresses of one
/// repository differ in many ways, its name does not.
pub(super) fn is_foreign(one: &Kustomization, files: &[Origin<'_>], remote: &str) -> bool {
    let Some(of) = &one.of_flux else { return false };
    let (kind, namespace, name) = &of.source;
    if matches!(kind.as_str(), "OCIRepository" | "Bucket") {
        return true;
    }
    let called = |url: &str| {
        let url = url.trim_end_matches('/').trim_end_matches(".git");
        url.rsplit(['/', ':']).next().unwrap_or(url).to_ascii_lowercase()
    };
    let mut sources = files.iter().flat_map(|origin| &origin.contents.sources);
    let source = sources.find(|(space, known, _)| {
        known == name && (space.is_none() || namespace.is_none() || space == namespace)
    });
    source.is_some_and(|(_, _, url)| called(url) != called(remote))
}

impl<'a> Tree<'a> {
    /// Whether a file is applied, as far as the directory that it is in tells: a kustomization there names what is.
    pub(super) fn is_applied(&self, file: &str) -> bool {
        let names = |(at, (_, of)): (&&str, &(Origin<'a>, &Kustomization))| {
            of.resources.iter().any(|path| resolve(at, path) == file)
        };
        let beside = self.directories.get(directory(file));
        let beside = beside.is_some_and(|(_, of)| !of.resources.is_empty() && !of.generates);
        !beside || self.directories.iter().any(names)
    }

    /// The Kustomizations of Flux that kustomizations patch: the file, and the name where it is told.
    pub(super) fn patched_kustomizations(&self) -> Vec<(&'a str, Option<&'a str>)> {
        let mut found = Vec::new();
        for (at, (origin, of)) in &self.directories {
            for patch in of.patches.iter().chain(&of.late_patches) {
                let target = patch.target.as_ref();
                let aimed = target.is_some_and(|target| {
                    target.kind.as_deref() == Some("Kustomization")
                        || target
                            .group
                            .as_deref()
                            .is_some_and(|of| of.starts_with("kustomize.toolkit"))
                });
                if aimed {
                    let name = target.and_then(|target| target.name.as_deref());
                    let plain = |name: &&str| {
                        name.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-')
                    };
                    found.push((origin.file, name.filter(plain)));
                    continue;
                }
                match &patch.source {
                    Source::Within(body) => {
                        let merges = body.merges.iter();
                        let own = merges.filter(|one| one.group.starts_with("kustomize.toolkit"));
                        found.extend(own.map(|one| (origin.file, Some(one.name.as_str()))));
                    }
                    Source::File(path) => {
                        let path = resolve(at, path);
                        let Some(of) = self.files.get(path.as_str()) else { continue };
                        let flux = of
                            .contents
                            .kustomizations
                            .iter()
                            .filter_map(|one| one.of_flux.as_ref());
                        found.extend(flux.map(|one| (of.file, Some(one.name.as_str()))));
                    }
                }
            }
        }
        found
    }
}
