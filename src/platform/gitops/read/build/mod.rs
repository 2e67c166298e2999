//! What a repository's files come to when they are built: which places say what runs, since others are replaced by a
//! kustomization above them, and what is filled in by Flux.

mod flux;
mod object;
mod resources;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    flux::is_foreign,
    object::{Image, Origin, PlaceAt},
    resources::{Resources, Tree, directory, resolve},
    variables::filled,
};
use crate::platform::gitops::model::{
    contents::Contents,
    image::{self, Version},
    kustomizations::Kustomization,
    places::{Place, Sited},
};

/// What comes of a place in one of the builds that it decides something in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    image: String,
    version: Version,
    /// Why the place cannot be edited, where that is not its own.
    fixed: Option<String>,
}

/// What a commit's files come to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Places that say what runs.
    pub(super) said: Vec<Sited>,
    /// Places that say nothing, since something else is built instead.
    pub(super) overridden: Vec<Sited>,
    /// Files that a kustomization takes and that are not read.
    pub(super) unread: BTreeSet<String>,
}

/// The files of a commit: paths, with what those say that were read, and all others.
pub(super) struct Files<'a> {
    pub(super) read: Vec<(&'a str, &'a Contents)>,
    pub(super) others: BTreeSet<&'a str>,
}

/// Works out what a commit's files come to. `remote` is the repository's address.
pub(super) fn build(files: &Files<'_>, remote: &str) -> Outcome {
    let origins = files.read.iter().map(|(file, contents)| Origin { file, contents });
    let origins: Vec<Origin<'_>> = origins.collect();
    let speaks = |of: &Contents| {
        !of.objects.is_empty() || !of.operations.is_empty() || !of.kustomizations.is_empty()
    };
    let mut tree = Tree {
        files: BTreeMap::new(),
        paths: files.read.iter().map(|(file, _)| *file).collect(),
        directories: BTreeMap::new(),
    };
    let mut of_flux = Vec::new();
    for origin in &origins {
        if speaks(origin.contents) {
            tree.files.insert(origin.file, *origin);
        }
        for one in &origin.contents.kustomizations {
            if one.of_flux.is_none() {
                tree.directories.insert(directory(origin.file), (*origin, one));
            } else {
                of_flux.push((*origin, one));
            }
        }
    }
    let patched = tree.patched_kustomizations();
    let off: Vec<_> =
        of_flux.iter().map(|(origin, _)| *origin).filter(|of| !tree.is_applied(of.file)).collect();
    of_flux
        .retain(|(origin, one)| tree.is_applied(origin.file) && !is_foreign(one, &origins, remote));
    let mut all = Decisions {
        tree: &tree,
        made: BTreeMap::new(),
        built: BTreeMap::new(),
        met: BTreeSet::new(),
        files: BTreeSet::new(),
        applied: BTreeSet::new(),
    };
    for origin in off {
        all.met.extend((0..origin.contents.places.len()).map(|place| (origin.file, place)));
    }
    for (origin, one) in of_flux {
        let at = resolve("", one.resources.first().map_or("", String::as_str));
        let known = tree.directories.contains_key(at.as_str());
        let mut resources = if known {
            tree.directory(&at, Some((origin, one)), 0)
        } else {
            tree.plain(&at, (origin, one))
        };
        let name = one.of_flux.as_ref().map_or("", |of| of.name.as_str());
        if let Some((file, _)) = patched.iter().find(|(_, of)| of.is_none_or(|of| of == name)) {
            resources.doubt(&format!("{file} changes what Flux applies"), |_| true);
        }
        all.applied.insert(at.clone());
        all.take(&at, resources, Some((origin.file, one)));
    }
    // Directories that nothing here takes are built as they are.
    let taken: BTreeSet<String> = tree
        .directories
        .iter()
        .flat_map(|(at, (_, of))| {
            of.resources.iter().chain(&of.components).map(|path| resolve(at, path))
        })
        .collect();
    let left = |at: &str, origin: &Origin<'_>| {
        !taken.contains(at) && !all.applied.contains(at) && !all.files.contains(origin.file)
    };
    let left: Vec<_> = tree
        .directories
        .iter()
        .filter(|(at, (origin, _))| left(at, origin))
        .map(|(at, (_, of))| (*at, of.is_component || all.is_left_out(at)))
        .collect();
    for (at, dead) in left {
        let resources = tree.directory(at, None, 0);
        if dead {
            // Nobody takes it.
            all.met.extend(resources.met);
            all.files.extend(resources.files);
        } else {
            all.take(at, resources, None);
        }
    }
    let mut outcome = Outcome { unread: tree.unread(&files.others), ..Outcome::default() };
    for origin in &origins {
        for (number, place) in origin.contents.places.iter().enumerate() {
            all.tell((origin.file, number), place, &mut outcome);
        }
    }
    outcome
}

/// What all builds come to.
struct Decisions<'t, 'a> {
    tree: &'t Tree<'a>,
    made: BTreeMap<PlaceAt<'a>, Vec<Decision>>,
    /// In which directories that are built a place decides something.
    built: BTreeMap<PlaceAt<'a>, BTreeSet<String>>,
    met: BTreeSet<PlaceAt<'a>>,
    files: BTreeSet<&'a str>,
    /// Directories that Flux applies.
    applied: BTreeSet<String>,
}

impl<'a> Decisions<'_, 'a> {
    /// Takes in what is built, and applied by a Kustomization of Flux where there is one.
    fn take(
        &mut self,
        directory: &str,
        resources: Resources<'a>,
        flux: Option<(&'a str, &'a Kustomization)>,
    ) {
        self.files.extend(resources.files);
        self.met.extend(resources.met);
        for one in resources.objects {
            let flux = flux.filter(|_| one.is_filled_in());
            for (_, image) in one.images {
                let by = image.by;
                self.built.entry(by).or_default().insert(directory.to_owned());
                let decision = decision(image, flux);
                let known = self.made.entry(by).or_default();
                if !known.contains(&decision) {
                    known.push(decision);
                }
            }
        }
    }

    /// Says what comes of a place.
    fn tell(&self, at: PlaceAt<'a>, place: &Place, outcome: &mut Outcome) {
        let file = at.0.to_owned();
        let Some(decisions) = self.made.get(&at) else {
            // A tag of a chart's value whose image is not known.
            if place.image.is_empty() {
                return;
            }
            let image = place.image.clone();
            let one = Sited { file, place: place.clone(), image, built: Vec::new() };
            let list =
                if self.is_dead(at, place) { &mut outcome.overridden } else { &mut outcome.said };
            list.push(one);
            return;
        };
        let mut names: Vec<&str> = decisions.iter().map(|one| one.image.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let mut own = decisions.iter().filter(|one| one.image == name);
            let Some(first) = own.next() else { continue };
            let mut place = place.clone();
            let mut fixed = first.fixed.clone();
            if own.clone().all(|one| one.version == first.version) {
                place.version = first.version.clone();
                fixed = fixed.or_else(|| own.find_map(|one| one.fixed.clone()));
            } else {
                fixed = Some("what is built of it differs from place to place".to_owned());
            }
            if let Some(why) = fixed {
                let line = place.tag_at.as_ref().map(|scalar| format!("line {}: ", scalar.line));
                place.fixed = Some(format!("{}{why}", line.unwrap_or_default()));
            }
            let built = self.built.get(&at).into_iter().flatten().cloned().collect();
            outcome.said.push(Sited { file: file.clone(), place, image: name.to_owned(), built });
        }
    }

    /// Whether a directory is below one that Flux applies, and is left out there.
    fn is_left_out(&self, at: &str) -> bool {
        let mut above = at;
        while !above.is_empty() {
            above = directory(above);
            if self.applied.contains(above) {
                return self.tree.directories.contains_key(above);
            }
            if self.tree.directories.contains_key(above) {
                return false;
            }
        }
        false
    }

    /// Whether a place that decides nothing took part in what is built, or would have.
    fn is_dead(&self, at: PlaceAt<'a>, place: &Place) -> bool {
        if self.met.contains(&at) {
            return true;
        }
        let manifest = self.tree.files.get(at.0).is_some_and(|origin| {
            let objects = origin.contents.objects.iter();
            let mut manifests = objects.filter(|one| !one.kind.is_empty());
            manifests.any(|one| one.spots.iter().any(|spot| spot.place == at.1))
        });
        if !manifest || self.files.contains(at.0) {
            return false;
        }
        // A file beside a kustomization that does not name it.
        let beside = self.tree.directories.get(directory(at.0));
        let unnamed = beside.is_some_and(|(origin, of)| {
            let takes = !of.resources.is_empty() && !of.generates;
            takes && self.files.contains(origin.file)
        });
        if unnamed || (beside.is_none() && self.is_left_out(directory(at.0))) {
            return true;
        }
        // A bare name says nothing where any kustomization sets it.
        let sets = |of: &Kustomization| {
            of.images.iter().any(|entry| entry.place.is_some() && entry.name == place.image)
        };
        let bare = place.version == Version::default() && place.markers.is_empty();
        bare && self.tree.directories.values().any(|(_, of)| sets(of))
    }
}

/// What an image comes to, with what Flux puts in.
fn decision(image: Image<'_>, flux: Option<(&str, &Kustomization)>) -> Decision {
    let Image { mut name, mut version, altered, .. } = image;
    let mut fixed = altered;
    let text = image::write(&name, &version);
    let filled =
        flux.filter(|_| text.contains("${")).and_then(|(file, of)| filled(file, of, &text));
    if let Some((text, from)) = filled {
        (name, version) = image::parse(&text);
        fixed = fixed.or_else(|| Some(format!("it is filled in by {from}")));
    }
    Decision { image: name, version, fixed }
}

impl Tree<'_> {
    /// Files that a kustomization takes and that are not read: of another form than YAML.
    fn unread(&self, others: &BTreeSet<&str>) -> BTreeSet<String> {
        let taken = self
            .directories
            .iter()
            .flat_map(|(at, (_, of))| of.resources.iter().map(|path| resolve(at, path)));
        taken.filter(|path| others.contains(path.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::gitops::model::contents;

    fn outcome(files: &[(&str, &str)]) -> Outcome {
        let contents: Vec<(&str, Contents)> = files
            .iter()
            .map(|(file, text)| (*file, contents::find(file, text.as_bytes()).unwrap()))
            .collect();
        let read = contents.iter().map(|(file, of)| (*file, of)).collect();
        build(&Files { read, others: BTreeSet::new() }, "https://git.example.org/acme/config.git")
    }

    fn read(files: &[(&str, &str)]) -> Vec<(String, String, Option<String>)> {
        let said = outcome(files).said.into_iter();
        said.map(|one| (one.file, one.place.version.whole(), one.place.fixed)).collect()
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
        assert_eq!(told(&[BASE, KUSTOMIZATION, other]), ["base/web.yaml 1"]);
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
        let why =
            "line 8: it is filled in by web_tag of postBuild.substitute in clusters/eu/shop.yaml";
        let expected = ("base/web.yaml".to_owned(), "v1.4".to_owned(), Some(why.to_owned()));
        assert_eq!(found, [expected]);
        let open = (BASE.0, BASE.1.replace("web:1", "web:${other:-1.0}"));
        assert_eq!(read(&[(open.0, &open.1), KUSTOMIZATION, flux])[0].1, "1.0");
        let open = (BASE.0, BASE.1.replace("web:1", "web:${other}"));
        assert_eq!(read(&[(open.0, &open.1), KUSTOMIZATION, flux])[0].1, "${other}");
    }

    /// A Kustomization of another repository has the same path: what it says is said of that one. And what is filled in from
    /// the cluster is not taken from somebody else's values.
    #[test]
    fn what_is_of_others_is_not_taken_for_ours() {
        let source = |name: &str, of: &str| {
            format!(
                "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: {name}, namespace: flux-system}}\nspec:\n  url: ssh://git@git.example.org/acme/{of}\n"
            )
        };
        let applies = |name: &str, source: &str, more: &str| {
            format!(
                "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec:\n  path: ./base\n  sourceRef: {{kind: GitRepository, name: {source}}}\n{more}"
            )
        };
        let images = "  images:\n  - {name: reg/web, newTag: '9'}\n";
        let foreign = applies("theirs", "theirs", images) + &source("theirs", "other");
        let found = told(&[BASE, KUSTOMIZATION, ("clusters/eu.yaml", &foreign)]);
        assert_eq!(found, ["base/web.yaml 1", "clusters/eu.yaml 9"]);
        let own = applies("ours", "ours", images) + &source("ours", "config.git");
        assert_eq!(
            told(&[BASE, KUSTOMIZATION, ("clusters/eu.yaml", &own)]),
            ["clusters/eu.yaml 9"]
        );

        let open = BASE.1.replace("web:1", "web:${TAG:=1}");
        let base = ("base/web.yaml", open.as_str());
        let values = "  postBuild: {substitute: {TAG: '5'}}\n";
        let theirs = applies("theirs", "theirs", values) + &source("theirs", "other");
        let from = "  postBuild: {substituteFrom: [{kind: ConfigMap, name: values}]}\n";
        let both = theirs + &applies("ours", "ours", from);
        let found = told(&[base, KUSTOMIZATION, ("clusters/eu.yaml", &both)]);
        assert_eq!(found, ["base/web.yaml ${TAG:=1}"]);
        // Two of ours that differ have no one answer.
        let two = applies("a", "ours", values) + &applies("b", "ours", &values.replace('5', "6"));
        let found = read(&[base, KUSTOMIZATION, ("clusters/eu.yaml", &two)]);
        assert_eq!(found[0].1, "${TAG:=1}");
        assert!(found[0].2.as_ref().unwrap().contains("differs from place to place"), "{found:?}");
    }

    /// As github.com/fluxcd/pkg/envsubst has them; what is not worked out stays as it is written.
    #[test]
    fn forms_of_variables() {
        let flux = (
            "clusters/eu.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: web}\nspec:\n  path: ./base\n  postBuild: {substitute: {TAG: '5', REG: 'reg', SHA: '0123456789', NONE: ''}}\n",
        );
        for (written, expected) in [
            ("reg/web:${TAG}", "reg/web:5"),
            ("${REG}/web:v${TAG}", "reg/web:v5"),
            ("reg/web:${NONE:=7}", "reg/web:7"),
            ("reg/web:${MORE:-7}", "reg/web:7"),
            ("reg/web:${SHA:0:7}", "reg/web:${SHA:0:7}"),
            ("reg/web:$${TAG}", "reg/web:$${TAG}"),
            ("reg/web:${MORE:-${TAG}}", "reg/web:${MORE:-${TAG}}"),
        ] {
            let text = BASE.1.replace("reg/web:1", &format!("'{written}'"));
            let said = outcome(&[("base/web.yaml", &text), KUSTOMIZATION, flux]).said;
            let told = image::write(&said[0].image, &said[0].place.version);
            assert_eq!(told, expected, "{written}");
            assert!(said[0].place.fixed.is_some(), "{written}");
        }
        let off = BASE.1.replace("reg/web:1", "'reg/web:${TAG}'");
        let mark = "metadata: {annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}, ";
        let off = off.replace("metadata: {", mark);
        assert_eq!(told(&[("base/web.yaml", &off), KUSTOMIZATION, flux]), ["base/web.yaml ${TAG}"]);
    }

    /// What cannot be worked out is not edited, and says why.
    #[test]
    fn what_is_not_worked_out_is_said() {
        for (more, says) in [
            (
                "replacements:\n- source: {kind: ConfigMap, name: a}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: [spec.template.spec.containers.0.image]\n",
                "replacements",
            ),
            ("configurations: [fields.yaml]\n", "configurations"),
            ("transformers: [elsewhere.yaml]\n", "transformers"),
            ("patches:\n- path: lost.yaml\n", "a patch of base/kustomization.yaml, is not read"),
        ] {
            let text = format!("{}{more}", KUSTOMIZATION.1);
            let found = read(&[BASE, ("base/kustomization.yaml", &text)]);
            let why = found[0].2.clone().unwrap_or_default();
            assert!(why.contains(says), "{why}");
        }
        // Over what is not in the repository an entry may be all that there is, and one above it wins.
        let remote = (
            "base/kustomization.yaml",
            "resources: [https://example.org/web?ref=v1]\nimages:\n- {name: reg/web, newTag: '2'}\n",
        );
        let over = (
            "prod/kustomization.yaml",
            "resources: [../base]\nimages:\n- {name: reg/web, newTag: '3'}\n- {name: reg/api, newTag: '4'}\n",
        );
        assert_eq!(told(&[remote]), ["base/kustomization.yaml 2"]);
        assert_eq!(
            told(&[remote, over]),
            ["prod/kustomization.yaml 3", "prod/kustomization.yaml 4"]
        );
    }

    /// What is nowhere here is said by who says it, and what no patch can mean breaks nothing.
    #[test]
    fn entries_of_flux_over_what_is_elsewhere() {
        let remote = ("base/kustomization.yaml", "resources: [https://example.org/web?ref=v1]\n");
        let flux = (
            "clusters/eu.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: web}\nspec:\n  path: ./base\n  images:\n  - {name: reg/api, newTag: '1'}\n  - {name: reg/web, newTag: '2'}\n",
        );
        assert_eq!(told(&[remote, flux]), ["clusters/eu.yaml 1", "clusters/eu.yaml 2"]);
        let odd = (
            "prod/kustomization.yaml",
            "resources: [../base]\npatches:\n- target: {kind: Deployment}\n  patch: |-\n    - {op: replace, path: /spec/template/spec/containers/-/image, value: 'reg/x:7'}\n    - {op: add, path: /spec/template/spec/containers/18446744073709551615, value: {name: y, image: 'reg/y:8'}}\n    - {op: add, path: /spec/template/spec/containers/0, value: {name: z, image: 'reg/z:9'}}\n- patch: |-\n    {kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {containers: [{name: z, image: 'reg/z:10'}]}}}}\n",
        );
        assert!(told(&[BASE, KUSTOMIZATION, odd]).contains(&"base/web.yaml 1".to_owned()));
    }

    /// The layout of github.com/fluxcd/flux2-kustomize-helm-example: what an overlay says of a release's values is merged into
    /// the base's, value by value.
    #[test]
    fn values_of_a_release_are_merged() {
        let release = |values: &str| {
            format!(
                "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: web}}\nspec:\n  values:\n    image: {values}\n"
            )
        };
        let base = release("{repository: reg/web, tag: '1'}");
        let base = ("base/web.yaml", base.as_str());
        let own = |values: &str| release(values);
        let by_file =
            ("prod/kustomization.yaml", "resources: [../base]\npatches: [{path: values.yaml}]\n");
        let found = |values: &str| {
            let values = own(values);
            let outcome = outcome(&[base, KUSTOMIZATION, by_file, ("prod/values.yaml", &values)]);
            let told = |one: Sited| {
                let fixed = one.place.fixed.is_some();
                format!("{} {}:{} {fixed}", one.file, one.image, one.place.version.whole())
            };
            outcome.said.into_iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(found("{tag: '2'}"), ["prod/values.yaml reg/web:2 false"]);
        assert_eq!(found("{repository: new/web}"), ["base/web.yaml new/web:1 false"]);
        assert_eq!(found("{digest: 'sha256:12'}"), ["prod/values.yaml reg/web:1@sha256:12 true"]);
        assert_eq!(found("{pullPolicy: Always}"), ["base/web.yaml reg/web:1 false"]);
        let by_operation = (
            "prod/kustomization.yaml",
            "resources: [../base]\npatches:\n- target: {kind: HelmRelease}\n  patch: |-\n    - {op: replace, path: /spec/values/image/tag, value: '3'}\n",
        );
        assert_eq!(told(&[base, KUSTOMIZATION, by_operation]), ["prod/kustomization.yaml 3"]);
        // A tag whose image the chart names is called like the policy that moves it.
        let marked = own("\n      tag: '1' # {\"$imagepolicy\": \"f:podinfo:tag\"}");
        let outcome = outcome(&[("base/web.yaml", &marked), KUSTOMIZATION]);
        assert_eq!(
            outcome.said.iter().map(|one| one.image.as_str()).collect::<Vec<_>>(),
            ["podinfo"]
        );
    }
}
