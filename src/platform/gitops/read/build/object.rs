//! An object while kustomizations build it, as far as its images go: what each is, and which place of the repository says
//! so.
//!
//! Kustomize: `api/internal/builtins/PatchTransformer.go`, `api/resmap/reswrangler.go`, `kyaml/yaml/merge2`.

use regex_lite::Regex;

use crate::platform::gitops::model::{
    contents::Contents,
    image::{self, Version},
    kustomizations::ImageEntry,
    objects::{Object, Removal, Segment, Way, is_looked_at, is_looked_at_twice},
    patches::{Operation, Target},
};

/// A place: its file, and its number there.
pub(super) type PlaceAt<'a> = (&'a str, usize);

/// A file with what it says.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) file: &'a str,
    pub(super) contents: &'a Contents,
}

/// An image of an object.
#[derive(Clone, Debug)]
pub(super) struct Image<'a> {
    pub(super) name: String,
    pub(super) version: Version,
    /// Which place says the version.
    pub(super) by: PlaceAt<'a>,
    /// Why changing that place would not be all, or why what comes out is not known, in a clause.
    pub(super) altered: Option<String>,
}

impl<'a> Image<'a> {
    /// What a place says.
    pub(super) fn at(origin: Origin<'a>, place: usize) -> Self {
        let of = &origin.contents.places[place];
        let (name, version) = (of.image.clone(), of.version.clone());
        Self { name, version, by: (origin.file, place), altered: None }
    }
}

/// Whether it is the way to a value of a chart, whose tag, digest and name are merged one by one.
fn is_value(way: &[Segment]) -> bool {
    matches!(way.last(), Some(Segment::Key(key)) if key == "tag")
}

impl Image<'_> {
    /// Takes what a release above says of a value: what it does not say stays.
    fn value(&mut self, other: Self) {
        let (tag, digest) = (other.version.tag.is_some(), other.version.digest.is_some());
        if !other.name.is_empty() {
            self.name = other.name;
        }
        let stays = self.by.0;
        self.altered = other.altered;
        if !digest && self.version.digest.is_some() {
            self.altered = Some(format!("its digest stands in {stays}"));
        } else if !tag && self.version.tag.is_some() {
            self.altered = Some(format!("its tag stands in {stays}"));
        }
        self.version.tag = other.version.tag.or(self.version.tag.take());
        self.version.digest = other.version.digest.or(self.version.digest.take());
        self.by = other.by;
    }
}

/// An object that is being built.
#[derive(Clone, Debug)]
pub(super) struct Built<'a> {
    group: String,
    version: String,
    pub(super) kind: String,
    /// Names and namespaces, from what it was called at first to what it is called now.
    ids: Vec<(String, Option<String>)>,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    pub(super) images: Vec<(Way, Image<'a>)>,
    merges_lists: bool,
}

/// Whether the whole of a text matches; `None` where the pattern cannot be read.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    if pattern.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-') {
        return Some(pattern == text);
    }
    Regex::new(&format!("^(?:{pattern})$")).ok().map(|pattern| pattern.is_match(text))
}

/// Whether labels are what a selector asks for, in the notation of Kubernetes; `None` where it cannot be read.
fn selects(selector: &str, labels: &[(String, String)]) -> Option<bool> {
    let value = |key: &str| labels.iter().find(|(known, _)| known == key.trim()).map(|(_, is)| is);
    let mut rest = selector.trim();
    let mut all = true;
    while !rest.is_empty() {
        let open = rest.find('(').filter(|open| !rest[..*open].contains(','));
        let end = match open {
            Some(open) => open + rest[open..].find(')')? + 1,
            None => rest.find(',').unwrap_or(rest.len()),
        };
        let one = rest[..end].trim();
        rest = rest[end..].trim_start().trim_start_matches(',').trim_start();
        all &= if let Some((head, list)) = one.split_once('(') {
            let mut words = head.split_whitespace();
            let (key, word) = (words.next()?, words.next()?);
            let mut list = list.trim_end_matches(')').split(',').map(str::trim);
            let is_one = value(key).is_some_and(|value| list.any(|known| known == value));
            match word {
                "in" => is_one,
                "notin" => !is_one,
                _ => return None,
            }
        } else if let Some((key, wanted)) = one.split_once("!=") {
            value(key).is_none_or(|value| value != wanted.trim())
        } else if let Some((key, wanted)) = one.split_once('=') {
            value(key).is_some_and(|value| value == wanted.trim_start_matches('=').trim())
        } else if let Some(key) = one.strip_prefix('!') {
            value(key).is_none()
        } else {
            value(one).is_some()
        };
    }
    Some(all)
}

/// Whether two steps are the same one; items of lists are the same by their names.
fn same(one: &Segment, other: &Segment) -> bool {
    match (one, other) {
        (Segment::Key(one), Segment::Key(other)) => one == other,
        (Segment::Item(_, Some(one)), Segment::Item(_, Some(other))) => one == other,
        (Segment::Item(one, _), Segment::Item(other, _)) => one == other,
        _ => false,
    }
}

fn begins(way: &[Segment], with: &[Segment]) -> bool {
    way.len() >= with.len() && way.iter().zip(with).all(|(one, other)| same(one, other))
}

/// Whether a step is what a part of a JSON Pointer says.
fn is_part(step: &Segment, part: &str) -> bool {
    match step {
        Segment::Key(key) => key == part,
        Segment::Item(number, _) => part.parse() == Ok(*number),
    }
}

fn below(way: &[Segment], pointer: &[String]) -> bool {
    way.len() >= pointer.len() && way.iter().zip(pointer).all(|(step, part)| is_part(step, part))
}

/// What an entry of `images:` is for (`api/internal/image/image.go`); `None` where its name cannot be read.
pub(super) fn pattern_of(entry: &ImageEntry) -> Option<Regex> {
    let version = "(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$";
    Regex::new(&format!("^{}{version}", entry.name)).ok()
}

impl<'a> Built<'a> {
    /// An object of a file.
    pub(super) fn read(object: &Object, origin: Origin<'a>) -> Self {
        let images = object.spots.iter();
        Self {
            group: object.group.clone(),
            version: object.version.clone(),
            kind: object.kind.clone(),
            ids: vec![(object.name.clone(), object.namespace.clone())],
            labels: object.labels.clone(),
            annotations: object.annotations.clone(),
            images: images.map(|spot| (spot.way.clone(), Image::at(origin, spot.place))).collect(),
            merges_lists: object.merges_lists(),
        }
    }

    /// Something that is not in the repository, with an image that something in it is about.
    pub(super) fn unseen(way: Way, image: Image<'a>) -> Self {
        Self {
            group: String::new(),
            version: String::new(),
            kind: String::new(),
            ids: Vec::new(),
            labels: Vec::new(),
            annotations: Vec::new(),
            images: vec![(way, image)],
            merges_lists: true,
        }
    }

    /// The same of what a patch is for.
    pub(super) fn aimed_at(mut self, target: Option<&Target>) -> Self {
        if let Some(target) = target {
            self.kind = target.kind.clone().unwrap_or_default();
            self.ids = vec![(target.name.clone().unwrap_or_default(), target.namespace.clone())];
        }
        self
    }

    /// Whether Flux puts variables in: an object may say that it does not want that.
    pub(super) fn is_filled_in(&self) -> bool {
        const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
        let off = |(key, value): &(String, String)| key == SUBSTITUTE && value == "disabled";
        !self.labels.iter().chain(&self.annotations).any(off)
    }

    /// Gives it another name, and another namespace.
    pub(super) fn rename(&mut self, prefix: &str, suffix: &str, namespace: Option<&str>) {
        let Some((name, of)) = self.ids.last().cloned() else { return };
        let namespace = namespace.map(str::to_owned).or(of);
        self.ids.push((format!("{prefix}{name}{suffix}"), namespace));
    }

    pub(super) fn label(&mut self, labels: &[(String, String)]) {
        for (key, value) in labels {
            self.labels.retain(|(known, _)| known != key);
            self.labels.push((key.clone(), value.clone()));
        }
    }

    /// Whether a target is about it; `None` where that is not known.
    pub(super) fn is_target(&self, target: &Target) -> Option<bool> {
        let says = |pattern: &Option<String>, text: &str| match pattern.as_deref() {
            None | Some("") => Some(true),
            Some(pattern) => matches(pattern, text),
        };
        // What it was called at first counts, and what it is called now.
        let ends = || self.ids.first().into_iter().chain(self.ids.last());
        let mut named = target.name.is_none();
        for (name, _) in ends() {
            named |= says(&target.name, name)?;
        }
        let mut spaced = target.namespace.is_none();
        for (_, namespace) in ends() {
            spaced |= says(&target.namespace, namespace.as_deref().unwrap_or("default"))?;
        }
        let typed = says(&target.group, &self.group)?
            && says(&target.version, &self.version)?
            && says(&target.kind, &self.kind)?;
        let labelled = selects(target.labels.as_deref().unwrap_or_default(), &self.labels)?;
        let annotated =
            selects(target.annotations.as_deref().unwrap_or_default(), &self.annotations)?;
        Some(named && spaced && typed && labelled && annotated)
    }

    /// Whether a strategic merge without a target is about it, and whether in the same namespace.
    pub(super) fn is_named_by(&self, patch: &Object) -> (bool, bool) {
        let kind = self.kind == patch.kind && (patch.group.is_empty() || self.group == patch.group);
        let space =
            |namespace: &Option<String>| namespace.clone().unwrap_or_else(|| "default".to_owned());
        let mut named = self.ids.iter().filter(|(name, _)| kind && *name == patch.name).peekable();
        let any = named.peek().is_some();
        (any, named.any(|(_, namespace)| space(namespace) == space(&patch.namespace)))
    }

    /// Merges a patch into it; says whether it is still there.
    pub(super) fn merge(&mut self, patch: &Object, origin: Origin<'a>) -> bool {
        for (way, removal) in &patch.removals {
            if way.is_empty() && *removal == Removal::Whole {
                return false;
            }
            let whole = *removal == Removal::Whole;
            let gone = self.images.iter().find(|(at, _)| begins(at, way));
            let gone = gone.and_then(|(at, _)| at.get(way.len().checked_sub(1)?).cloned());
            self.images.retain(|(at, _)| !begins(at, way) || (!whole && at.len() == way.len()));
            if let (true, Some(Segment::Item(number, _))) = (whole, gone) {
                self.shift(&way[..way.len() - 1], number, false);
            }
        }
        for (list, names) in &patch.lists {
            if self.merges_lists {
                self.reorder(list, names);
            } else {
                self.images.retain(|(at, _)| !begins(at, list));
            }
        }
        let taken = |way: &[Segment]| {
            let mut removals = patch.removals.iter();
            removals.any(|(removed, what)| *what == Removal::Whole && begins(way, removed))
        };
        let at = |images: &[(Way, Image<'a>)], wanted: &Way| {
            images.iter().position(|(way, _)| way.len() == wanted.len() && begins(way, wanted))
        };
        for spot in patch.spots.iter().filter(|spot| !taken(&spot.way)) {
            let image = Image::at(origin, spot.place);
            match at(&self.images, &spot.way) {
                Some(known) if is_value(&spot.way) => self.images[known].1.value(image),
                Some(known) => self.images[known].1 = image,
                None => self.images.push((spot.way.clone(), image)),
            }
        }
        for (way, name) in &patch.renames {
            if let Some(known) = at(&self.images, way) {
                self.images[known].1.name.clone_from(name);
            }
        }
        true
    }

    /// Puts the items that a merge names first, as it names them (`MergeOptionsListPrepend`).
    fn reorder(&mut self, list: &[Segment], names: &[Option<String>]) {
        let depth = list.len();
        let number = |way: &Way| match way.get(depth) {
            Some(Segment::Item(number, name)) if begins(way, list) => Some((*number, name.clone())),
            _ => None,
        };
        let mut moved: Vec<usize> = self
            .images
            .iter()
            .filter_map(|(way, _)| number(way))
            .filter(|(_, name)| name.is_some() && names.contains(name))
            .map(|(number, _)| number)
            .collect();
        moved.sort_unstable();
        moved.dedup();
        for (way, _) in &mut self.images {
            let Some((old, name)) = number(way) else { continue };
            let first = names.iter().position(|known| name.is_some() && *known == name);
            let new = first.unwrap_or_else(|| {
                let stays = old - moved.iter().filter(|at| **at < old).count();
                stays.saturating_add(names.len())
            });
            way[depth] = Segment::Item(new, name);
        }
    }

    /// Counts the items of a list anew, from one that has come or gone.
    fn shift(&mut self, list: &[Segment], from: usize, comes: bool) {
        for (way, _) in &mut self.images {
            if way.len() > list.len()
                && begins(way, list)
                && let Segment::Item(number, _) = &mut way[list.len()]
                && *number >= from
            {
                *number = if comes { number.saturating_add(1) } else { number.saturating_sub(1) };
            }
        }
    }

    /// The way that a pointer leads here, as far as it is known.
    fn way_of(&self, pointer: &[String], named: Option<&String>) -> Way {
        let known = |at: usize| {
            let found = self.images.iter().find(|(way, _)| below(way, &pointer[..=at]));
            found.map(|(way, _)| way[at].clone())
        };
        let last = pointer.len().saturating_sub(1);
        let guess = |(at, part): (usize, &String)| {
            let name = named.filter(|_| at == last).cloned();
            match part.parse() {
                Ok(number) => Segment::Item(number, name),
                Err(_) if part == "-" => Segment::Item(usize::MAX, name),
                Err(_) => Segment::Key(part.clone()),
            }
        };
        pointer.iter().enumerate().map(|one| known(one.0).unwrap_or_else(|| guess(one))).collect()
    }

    /// Applies an operation of RFC 6902; says whether it has to do with an image.
    pub(super) fn operate(&mut self, operation: &Operation, origin: Origin<'a>) -> bool {
        let Operation { op, pointer, from, named, spots } = operation;
        let Some((last, parent)) = pointer.split_last() else { return false };
        let met = |pointer: &[String], way: &Way| {
            below(way, pointer) || (way.len() < pointer.len() && below(way, &pointer[..way.len()]))
        };
        match op.as_str() {
            "add" | "replace" => {}
            "remove" => {
                let before = self.images.len();
                let list = self.way_of(parent, None);
                self.images.retain(|(way, _)| !below(way, pointer));
                if let Ok(number) = last.parse() {
                    self.shift(&list, number, false);
                }
                return before != self.images.len();
            }
            "move" | "copy" => {
                let why = format!("an operation of {} moves values", origin.file);
                let mut any = false;
                for (way, image) in &mut self.images {
                    if met(pointer, way) || met(from, way) {
                        image.altered = Some(why.clone());
                        any = true;
                    }
                }
                return any;
            }
            _ => return false,
        }
        let mut way = self.way_of(pointer, named.as_ref());
        let exact =
            self.images.iter().position(|(at, _)| at.len() == pointer.len() && below(at, pointer));
        if let ([spot], Some(exact)) = (spots.as_slice(), exact)
            && spot.way.is_empty()
        {
            let image = Image::at(origin, spot.place);
            if is_value(&self.images[exact].0) {
                self.images[exact].1.value(image);
            } else {
                self.images[exact].1 = image;
            }
            return true;
        }
        let into_list = op == "add"
            && (last == "-" || last.parse::<usize>().is_ok())
            && matches!(way.last(), Some(Segment::Item(..)));
        if into_list {
            let list = way[..way.len() - 1].to_vec();
            let items = self.images.iter().filter_map(|(at, _)| match at.get(list.len()) {
                Some(Segment::Item(number, _)) if begins(at, &list) => {
                    Some(number.saturating_add(1))
                }
                _ => None,
            });
            let count = items.max().unwrap_or(0);
            let number = last.parse().unwrap_or(count);
            self.shift(&list, number, true);
            let at = way.len() - 1;
            way[at] = Segment::Item(number, named.clone());
        } else if let Some(exact) = exact {
            let why = format!("an operation of {} sets it", origin.file);
            self.images[exact].1.altered = Some(why);
            return true;
        } else {
            self.images.retain(|(at, _)| !below(at, pointer));
            if let Some(Segment::Item(number, _)) = way.last().cloned() {
                let at = way.len() - 1;
                way[at] = Segment::Item(number, named.clone());
            }
        }
        for spot in spots {
            let whole = way.iter().chain(&spot.way).cloned().collect();
            self.images.push((whole, Image::at(origin, spot.place)));
        }
        !spots.is_empty()
    }

    /// Applies an entry of `images:` that is for what `pattern` matches; says whether it is for one of its images.
    pub(super) fn set(
        &mut self,
        (entry, pattern): (&ImageEntry, &Regex),
        from: &'a str,
        by: Option<PlaceAt<'a>>,
    ) -> bool {
        let mut any = false;
        for (way, image) in &mut self.images {
            let text = image::write(&image.name, &image.version);
            if !is_looked_at(way) || !pattern.is_match(&text) {
                continue;
            }
            any = true;
            if let Some(renamed) = &entry.renamed {
                image.name.clone_from(renamed);
            }
            match (by, &entry.suffix) {
                (Some(by), _) => {
                    let version = Version { tag: entry.tag.clone(), digest: entry.digest.clone() };
                    *image = Image { version, by, altered: None, name: image.name.clone() };
                }
                (None, Some(suffix)) => {
                    let tag = image.version.tag.take().unwrap_or_default();
                    let again = if is_looked_at_twice(way) { suffix } else { "" };
                    let tag = Some(format!("{tag}{suffix}{again}"));
                    image.version = Version { tag, digest: None };
                    image.altered = Some(format!("{from} adds {suffix} to its tag"));
                }
                (None, None) => {}
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_as_kubernetes_does() {
        let labels =
            [("app".to_owned(), "web".to_owned()), ("tier".to_owned(), "front".to_owned())];
        for (selector, expected) in [
            ("", Some(true)),
            ("app=web", Some(true)),
            ("app==web, tier!=back", Some(true)),
            ("app=api", Some(false)),
            ("tier in (front, back),app", Some(true)),
            ("tier notin (front)", Some(false)),
            ("!app", Some(false)),
            ("!other,app", Some(true)),
            ("tier like (x)", None),
        ] {
            assert_eq!(selects(selector, &labels), expected, "{selector}");
        }
    }
}
