//! What files say once all kustomizations that build on them have been applied: a line that each of them replaces says
//! nothing any more, and what is left open is filled in.

use std::collections::{BTreeMap, BTreeSet};

use crate::platform::gitops::model::{
    image::Version,
    kustomizations::Kustomization,
    places::{Form, Place, Sited},
};

/// How many kustomizations are looked through above a file.
const HIGHEST: usize = 12;

/// A kustomization with its file; paths are the repository's.
struct Layer<'a> {
    file: &'a str,
    /// The directory by which others take it; none of one of Flux, which is applied as it is.
    directory: Option<String>,
    takes: Vec<String>,
    components: Vec<String>,
    patches: Vec<String>,
    of: &'a Kustomization,
}

/// The kustomizations of a commit.
pub(super) struct Layers<'a> {
    all: Vec<Layer<'a>>,
    /// Which of them take a path.
    takers: BTreeMap<String, Vec<usize>>,
    /// The places of files of patches.
    patched: BTreeMap<&'a str, Vec<&'a Place>>,
}

/// The directory of a file; empty for one at the root.
fn directory(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A path below a directory, without `.` and `..`.
fn resolve(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn below(file: &str, directory: &str) -> bool {
    directory.is_empty() || file.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

impl<'a> Layers<'a> {
    /// Of the kustomizations with their files, and of all places.
    pub(super) fn new(
        all: impl Iterator<Item = (&'a str, &'a Kustomization)>,
        sited: &'a [Sited],
    ) -> Self {
        let layers: Vec<_> = all
            .map(|(file, of)| {
                let from = if of.of_flux { "" } else { directory(file) };
                let paths =
                    |paths: &[String]| paths.iter().map(|path| resolve(from, path)).collect();
                Layer {
                    file,
                    directory: (!of.of_flux).then(|| from.to_owned()),
                    takes: paths(&of.takes),
                    components: paths(&of.components),
                    patches: paths(&of.patches),
                    of,
                }
            })
            .collect();
        let mut takers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, layer) in layers.iter().enumerate() {
            for path in layer.takes.iter().chain(&layer.patches) {
                takers.entry(path.clone()).or_default().push(at);
            }
        }
        let patches: BTreeSet<&String> = layers.iter().flat_map(|layer| &layer.patches).collect();
        let mut patched: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
        for one in sited.iter().filter(|one| patches.contains(&one.file)) {
            patched.entry(one.file.as_str()).or_default().push(&one.place);
        }
        Self { all: layers, takers, patched }
    }

    /// Whether a line says nothing, since whatever builds on its file replaces it.
    pub(super) fn replaced(&self, one: &Sited) -> bool {
        if one.place.form != Form::Reference || self.patched.contains_key(one.file.as_str()) {
            return false;
        }
        // A bare name says nothing where any kustomization sets it.
        let bare = one.place.version == Version::default() && one.place.markers.is_empty();
        let names = |layer: &Layer<'_>| {
            let entry = |set: &Place| set.sets.as_deref() == Some(one.place.image.as_str());
            layer.of.sets.iter().any(entry)
        };
        (bare && self.all.iter().any(names)) || !self.arrives(&one.place, &one.file, &one.file, 0)
    }

    /// Those that build on a path, a file or a directory: who names it, else who takes a directory that it is in. A file does
    /// not build on itself.
    fn above(&self, path: &str, file: &str) -> Vec<&Layer<'a>> {
        let taking = |path: &str| {
            let all = self.takers.get(path).into_iter().flatten().map(|at| &self.all[*at]);
            all.filter(|layer| layer.file != file || layer.of.of_flux)
        };
        let named: Vec<_> = taking(path).collect();
        if !named.is_empty() {
            return named;
        }
        let mut found = Vec::new();
        let mut at = path;
        while !at.is_empty() {
            at = directory(at);
            found.extend(taking(at));
        }
        found
    }

    /// Whether a line comes through to where it is applied, by what builds on `path`: a file, or the directory of a
    /// kustomization in `file`.
    fn arrives(&self, place: &Place, path: &str, file: &str, height: usize) -> bool {
        let by = self.above(path, file);
        if by.is_empty() || height > HIGHEST {
            return true;
        }
        by.into_iter().any(|layer| {
            let through = !self.sets(layer, place);
            let above = layer.directory.as_deref();
            through && above.is_none_or(|above| self.arrives(place, above, layer.file, height + 1))
        })
    }

    /// Whether a kustomization, or one of its components, sets what a line says.
    fn sets(&self, layer: &Layer<'a>, place: &Place) -> bool {
        let own = |layer: &Layer<'a>| {
            let files = layer.patches.iter().filter_map(|file| self.patched.get(file.as_str()));
            let files: Vec<&Place> = files.flatten().copied().collect();
            layer.of.sets(place, &files)
        };
        let component = |path: &String| {
            let is_it = |one: &&Layer<'a>| one.directory.as_ref() == Some(path);
            self.all.iter().find(is_it).is_some_and(own)
        };
        own(layer) || layer.components.iter().any(component)
    }

    /// What Flux puts in for a variable in a file: what the Kustomizations that apply it say, where they agree; else what all
    /// of them do.
    fn value(&self, file: &str, name: &str) -> Option<(&'a str, &'a str)> {
        let all: Vec<_> = self
            .all
            .iter()
            .filter_map(|layer| {
                let value = layer.of.variables.iter().find(|(known, _)| known == name)?;
                Some((layer, value.1.as_str()))
            })
            .collect();
        let own: Vec<_> = all
            .iter()
            .filter(|(layer, _)| layer.takes.iter().any(|take| below(file, take)))
            .copied()
            .collect();
        let said = if own.is_empty() { all } else { own };
        let (layer, first) = said.first()?;
        said.iter().all(|(_, value)| value == first).then_some((layer.file, *first))
    }

    /// Fills in what a place leaves open, where it is known; the reason that it cannot be edited then says where it stands.
    pub(super) fn fill(&self, one: &mut Sited) {
        let open = one.place.version.tag.as_deref().filter(|tag| tag.contains("${"));
        let Some((tag, from)) = open.and_then(|tag| self.filled(&one.file, tag)) else { return };
        let line = one.place.tag_at.as_ref().map_or(0, |scalar| scalar.line);
        one.place.version.tag = Some(tag);
        one.place.fixed = Some(format!("line {line} is filled in by {from}"));
    }

    /// A text of a file with its variables filled in, and where their values stand; `None` where one is not known.
    fn filled(&self, file: &str, text: &str) -> Option<(String, String)> {
        let (mut whole, mut from, mut rest) = (String::new(), Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, after) = after.split_once('}')?;
            // `${NAME:-DEFAULT}` and its like: github.com/fluxcd/pkg/envsubst.
            let (name, default) =
                inside.split_at(inside.find([':', '-', '=']).unwrap_or(inside.len()));
            whole.push_str(before);
            if let Some((at, value)) = self.value(file, name) {
                whole.push_str(value);
                from.push(format!("{name} of postBuild.substitute in {at}"));
            } else {
                whole.push_str(default.trim_start_matches(':').get(1..)?);
                from.push(format!("the default of {name}"));
            }
            rest = after;
        }
        whole.push_str(rest);
        Some((whole, from.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::gitops::model::contents::{self, Contents};

    fn read(files: &[(&str, &str)]) -> Vec<(String, String, Option<String>)> {
        let contents: Vec<(&str, Contents)> = files
            .iter()
            .map(|(file, text)| (*file, contents::find(file, text.as_bytes()).unwrap()))
            .collect();
        let sited: Vec<Sited> = contents
            .iter()
            .flat_map(|(file, of)| {
                let one = |place: &Place| Sited { file: (*file).to_owned(), place: place.clone() };
                of.places.iter().map(one)
            })
            .collect();
        let all = contents.iter();
        let all = all.flat_map(|(file, of)| of.kustomizations.iter().map(|one| (*file, one)));
        let layers = Layers::new(all, &sited);
        let mut said: Vec<_> = sited.iter().filter(|one| !layers.replaced(one)).cloned().collect();
        for one in &mut said {
            layers.fill(one);
        }
        said.into_iter().map(|one| (one.file, one.place.version.whole(), one.place.fixed)).collect()
    }

    const BASE: (&str, &str) = (
        "base/web.yaml",
        "kind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: reg/web:1\n",
    );
    const KUSTOMIZATION: (&str, &str) = ("base/kustomization.yaml", "resources:\n- ./web.yaml\n");
    const PATCH: (&str, &str) = (
        "prod/image.yaml",
        "kind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: reg/web:2\n",
    );

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let lines = read(files).into_iter();
        lines.map(|(file, version, _)| format!("{file} {version}")).collect()
    }

    /// The build of kustomize says 2 for `prod` in each of these, and 1 for what has no patch.
    #[test]
    fn a_line_that_is_patched_wherever_it_is_built_says_nothing() {
        let by_file =
            ("prod/kustomization.yaml", "resources: [../base]\npatches:\n- path: image.yaml\n");
        assert_eq!(told(&[BASE, KUSTOMIZATION, by_file, PATCH]), ["prod/image.yaml 2"]);
        let plain = ("dev/kustomization.yaml", "resources: [../base]\n");
        let both = told(&[BASE, KUSTOMIZATION, by_file, PATCH, plain]);
        assert_eq!(both, ["base/web.yaml 1", "prod/image.yaml 2"]);
        let inline = (
            "prod/kustomization.yaml",
            "resources: [../base]\npatches:\n- target: {kind: Deployment, name: web}\n  patch: |-\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: reg/web:2\n",
        );
        assert_eq!(told(&[BASE, KUSTOMIZATION, inline]), ["prod/kustomization.yaml 2"]);
        let other = ("prod/kustomization.yaml", inline.1.replace("name: web", "name: other"));
        let other = (other.0, other.1.as_str());
        assert_eq!(told(&[BASE, KUSTOMIZATION, other]).len(), 2);
        let entry = (
            "prod/kustomization.yaml",
            "resources: [../base]\nimages:\n- name: reg/web\n  newTag: '2'\n",
        );
        assert_eq!(told(&[BASE, KUSTOMIZATION, entry]), ["prod/kustomization.yaml 2"]);
        let component = (
            "newer/kustomization.yaml",
            "kind: Component\nimages:\n- name: reg/web\n  newTag: '2'\n",
        );
        let with = ("prod/kustomization.yaml", "resources: [../base]\ncomponents: [../newer]\n");
        assert_eq!(told(&[BASE, KUSTOMIZATION, component, with]), ["newer/kustomization.yaml 2"]);
    }

    #[test]
    fn patches_of_flux_are_shown_and_not_edited() {
        let flux = (
            "clusters/eu/shop.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: shop}\nspec:\n  path: ./base\n  patches:\n  - patch: |\n      kind: Deployment\n      metadata:\n        name: web\n      spec:\n        template:\n          spec:\n            containers:\n            - name: app\n              image: reg/web:2\n",
        );
        let found = read(&[BASE, KUSTOMIZATION, flux]);
        let expected = "line 8 is a patch within a text".to_owned();
        assert_eq!(found, [("clusters/eu/shop.yaml".to_owned(), "2".to_owned(), Some(expected))]);
    }

    #[test]
    fn what_flux_fills_in_is_told_with_where_it_stands() {
        let base = (BASE.0, BASE.1.replace("web:1", "web:v${web_tag}"));
        let flux = (
            "clusters/eu/shop.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: shop}\nspec:\n  path: ./base\n  postBuild:\n    substitute:\n      web_tag: '1.4'\n",
        );
        let found = read(&[(base.0, &base.1), KUSTOMIZATION, flux]);
        let why = "line 8 is filled in by web_tag of postBuild.substitute in clusters/eu/shop.yaml";
        let expected = ("base/web.yaml".to_owned(), "v1.4".to_owned(), Some(why.to_owned()));
        assert_eq!(found, [expected]);
        let open = (BASE.0, BASE.1.replace("web:1", "web:${other:-1.0}"));
        assert_eq!(read(&[(open.0, &open.1), KUSTOMIZATION, flux])[0].1, "1.0");
        let open = (BASE.0, BASE.1.replace("web:1", "web:${other}"));
        assert_eq!(read(&[(open.0, &open.1), KUSTOMIZATION, flux])[0].1, "${other}");
    }
}
