//! Changing what a file says of an image: bytes of the value alone are replaced, and what comes out is parsed again to
//! prove that nothing else has changed.

use std::{collections::BTreeSet, ops::Range};

use super::{
    contents,
    image::{self, Version},
    places::{Form, Marker, Place},
    yaml::{self, Scalar},
};

/// A piece of a file that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Splice {
    at: Range<usize>,
    with: String,
}

/// What shall stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Wanted {
    pub(in crate::platform::gitops) path: String,
    /// `None` leaves the version as it is.
    pub(in crate::platform::gitops) version: Option<Version>,
    /// What becomes of the markers of image automation.
    pub(in crate::platform::gitops) markers: Markers,
}

/// What becomes of the markers at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) enum Markers {
    /// They stay.
    #[default]
    Keep,
    /// They go, so that automation leaves the place alone.
    Remove,
    /// These are put back.
    Restore(Vec<Marker>),
}

/// Changes a file. Only what is wanted differs afterwards.
///
/// # Errors
/// Why it cannot be changed, in a clause.
pub(in crate::platform::gitops) fn change(
    path: &str,
    text: &str,
    wanted: &[Wanted],
) -> Result<String, String> {
    let before = yaml::read(text)?;
    let known = contents::of(path, text, &before).places;
    let mut splices = Vec::new();
    for one in wanted {
        let place = known.iter().find(|place| place.path == one.path);
        let place = place.ok_or_else(|| format!("{} is not there any more", one.path))?;
        if let Some(version) = &one.version {
            version_at(place, version, &mut splices)?;
        }
        markers_at(place, text, &one.markers, &mut splices);
    }
    splices.sort_by_key(|splice| splice.at.start);
    let mut changed = String::with_capacity(text.len());
    let mut from = 0;
    for splice in &splices {
        let kept = text.get(from..splice.at.start).ok_or("two changes meet")?;
        changed.push_str(kept);
        changed.push_str(&splice.with);
        from = splice.at.end;
    }
    changed.push_str(text.get(from..).unwrap_or_default());
    prove(path, &known, &changed, wanted)?;
    Ok(changed)
}

fn put(scalar: &Scalar, text: &str, splices: &mut Vec<Splice>) {
    if scalar.text != text {
        splices.push(Splice { at: scalar.span.clone(), with: yaml::scalar(text, scalar.style) });
    }
}

fn version_at(place: &Place, version: &Version, splices: &mut Vec<Splice>) -> Result<(), String> {
    if *version == place.version {
        return Ok(());
    }
    if let Some(why) = &place.fixed {
        return Err(why.clone());
    }
    if place.form == Form::Reference {
        let scalar = place.tag_at.as_ref().ok_or("it has no value")?;
        put(scalar, &image::write(&place.image, version), splices);
        return Ok(());
    }
    match (&place.tag_at, &version.tag) {
        (Some(scalar), Some(tag)) => {
            put(scalar, tag, splices);
        }
        (None, None) => {}
        (None, Some(_)) => {
            return Err("it is pinned by a digest and has no tag: by hand".to_owned());
        }
        (Some(_), None) => {
            return Err("it has a tag, and would be pinned by a digest alone: by hand".to_owned());
        }
    }
    match (&place.digest_at, &version.digest) {
        (Some(scalar), Some(digest)) => put(scalar, digest, splices),
        (None, None) => {}
        // Both are kept by kustomize as `name:tag@digest`, and a digest that stays would win at the pull.
        (Some(_), None) => {
            return Err("its digest would stay and win over the tag: by hand".to_owned());
        }
        (None, Some(_)) => return Err("it had a digest then, and has none now: by hand".to_owned()),
    }
    Ok(())
}

fn markers_at(place: &Place, text: &str, markers: &Markers, splices: &mut Vec<Splice>) {
    match markers {
        Markers::Keep => {}
        Markers::Remove => {
            for marker in &place.markers {
                // With the blanks before it.
                let before = text.get(..marker.span.start).unwrap_or_default();
                let at = before.trim_end_matches([' ', '\t']).len()..marker.span.end;
                splices.push(Splice { at, with: String::new() });
            }
        }
        Markers::Restore(all) => {
            for marker in all {
                let scalar = match marker.part.as_str() {
                    "digest" => &place.digest_at,
                    "name" => &place.name_at,
                    _ => &place.tag_at,
                };
                let there = place.markers.iter().any(|one| one.part == marker.part);
                if let (Some(scalar), false) = (scalar, there) {
                    // Behind the value, and behind what is put in its place.
                    let end = scalar.span.end;
                    splices.push(Splice { at: end..end, with: marker.text.clone() });
                }
            }
        }
    }
}

/// Parses what came out: every place is there, as it was or as it is wanted, with the markers that it is to have.
fn prove(path: &str, before: &[Place], changed: &str, wanted: &[Wanted]) -> Result<(), String> {
    let failed = || "the change cannot be proved to touch nothing else: by hand".to_owned();
    let after = contents::of(path, changed, &yaml::read(changed).map_err(|_| failed())?).places;
    let asked = |place: &Place| wanted.iter().find(|one| one.path == place.path);
    // What only its marker tells from other values would be no place without it, and nothing could put it back.
    let lost = before.iter().find(|place| {
        let removed = asked(place).is_some_and(|one| one.markers == Markers::Remove);
        let is = |is: &Place| is.path == place.path && is.image == place.image;
        removed && !after.iter().any(is)
    });
    if let Some(place) = lost {
        let line = place.tag_at.as_ref().map_or(0, |scalar| scalar.line);
        return Err(format!(
            "line {line} is known as an image by its marker alone: hold automation back by \
             suspend-automation, or not at all (no-hold)"
        ));
    }
    let kept: Vec<_> = before.iter().collect();
    let marks = |markers: &[Marker]| {
        let all = markers.iter().map(|one| (one.policy.clone(), one.part.clone()));
        all.collect::<BTreeSet<_>>()
    };
    let alike = kept.len() == after.len()
        && kept.iter().zip(&after).all(|(was, is)| {
            let asked = asked(was);
            let version = asked.and_then(|one| one.version.as_ref()).unwrap_or(&was.version);
            let expected = match asked.map(|one| &one.markers) {
                Some(Markers::Remove) => BTreeSet::new(),
                Some(Markers::Restore(all)) => {
                    marks(&was.markers).union(&marks(all)).cloned().collect()
                }
                Some(Markers::Keep) | None => marks(&was.markers),
            };
            was.path == is.path
                && was.image == is.image
                && is.version == *version
                && marks(&is.markers) == expected
        });
    if alike { Ok(()) } else { Err(failed()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(path: &str, tag: &str, markers: Markers) -> Wanted {
        let version = Some(Version { tag: Some(tag.to_owned()), digest: None });
        Wanted { path: path.to_owned(), version, markers }
    }

    #[test]
    fn one_value_changes_and_nothing_else() {
        let text = "# top\r\nimages:\r\n- {name: a,   newTag: 'v1'}\r\n-   name: b   # why\r\n    newTag: \"1.20\"  # {\"$imagepolicy\": \"f:b:tag\"}\r\n";
        let changed =
            change("kustomization.yaml", text, &[tag("0:images[b]", "1.19", Markers::Keep)])
                .unwrap();
        assert_eq!(changed, text.replace("1.20", "1.19"));
        let changed =
            change("kustomization.yaml", text, &[tag("0:images[a]", "2021-01-01", Markers::Keep)])
                .unwrap();
        assert_eq!(changed, text.replace("'v1'", "'2021-01-01'"));
        let held =
            change("kustomization.yaml", text, &[tag("0:images[b]", "1.19", Markers::Remove)])
                .unwrap();
        assert_eq!(held, text.replace("\"1.20\"  # {\"$imagepolicy\": \"f:b:tag\"}", "\"1.19\""));
        let marker = contents::find("kustomization.yaml", text.as_bytes()).unwrap().places[1]
            .markers
            .clone();
        let wanted = Wanted {
            path: "0:images[b]".to_owned(),
            version: None,
            markers: Markers::Restore(marker),
        };
        let released = change("kustomization.yaml", &held, &[wanted]).unwrap();
        assert_eq!(released, text.replace("1.20", "1.19"));
    }

    #[test]
    fn references_change_in_their_own_style() {
        let text = "kind: Deployment\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    image: \"reg:5000/web:v2@sha256:00\"   # {\"$imagepolicy\": \"f:web\"}\n  - name: side\n    image: side:1\n";
        let wanted = tag("Deployment/web.spec.containers[web].image", "v1", Markers::Remove);
        let changed = change("web.yaml", text, &[wanted]).unwrap();
        let expected =
            text.replace("   # {\"$imagepolicy\": \"f:web\"}", "").replace(":v2@sha256:00", ":v1");
        assert_eq!(changed, expected);
        let path = "Deployment/web.spec.containers[web].image".to_owned();
        let markers = Markers::Restore(
            contents::find("web.yaml", text.as_bytes()).unwrap().places[0].markers.clone(),
        );
        let released =
            change("web.yaml", &changed, &[Wanted { path, version: None, markers }]).unwrap();
        assert_eq!(released, text.replace(":v2@sha256:00", ":v1"), "the very lines are back");
    }

    /// The form that Flux documents for a name and a tag, and the values of a chart with all three.
    #[test]
    fn every_part_gets_its_own_marker_back() {
        let entry = "images:\n- name: a\n  newName: reg/a # {\"$imagepolicy\": \"f:a:name\"}\n  newTag: v2 # {\"$imagepolicy\": \"f:a:tag\"}\n";
        let chart = "kind: HelmRelease\nspec:\n  values:\n    image:\n      repository: reg/a # {\"$imagepolicy\": \"f:a:name\"}\n      tag: v2 # {\"$imagepolicy\": \"f:a:tag\"}\n      digest: sha256:22 # {\"$imagepolicy\": \"f:a:digest\"}\n";
        for (file, text) in [("kustomization.yaml", entry), ("h.yaml", chart)] {
            let place = contents::find(file, text.as_bytes()).unwrap().places.remove(0);
            assert_eq!(place.fixed, None);
            let digest = place.version.digest.as_ref().map(|_| "sha256:11".to_owned());
            let version = Some(Version { tag: Some("v1".to_owned()), digest });
            let held = Wanted { path: place.path.clone(), version, markers: Markers::Remove };
            let held = change(file, text, &[held]).unwrap();
            assert!(!held.contains('#'), "{held}");
            let again = contents::find(file, held.as_bytes()).unwrap().places.remove(0);
            assert_eq!((again.fixed, &again.path), (None, &place.path), "it can be moved again");
            let markers = Markers::Restore(place.markers.clone());
            let released = Wanted { path: place.path.clone(), version: None, markers };
            let released = change(file, &held, &[released]).unwrap();
            assert_eq!(released, text.replace("v2", "v1").replace("sha256:22", "sha256:11"));
        }
    }

    #[test]
    fn what_would_lie_is_refused() {
        let text = "images:\n- name: a\n  newTag: v1\n  digest: sha256:11\n";
        let refused =
            change("kustomization.yaml", text, &[tag("0:images[a]", "v0", Markers::Keep)])
                .unwrap_err();
        assert!(refused.contains("digest would stay"), "{refused}");
    }
}
