//! Which request is about what.

use super::{
    resources::{self, Kind},
    store::Key,
};

/// What a path is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A list, or where new ones are made; in all namespaces where none is named.
    Many { kind: Kind, namespace: Option<String> },
    /// One object, or a part of it.
    One { key: Key, subresource: Option<String> },
    /// Something of discovery, by its path.
    Other,
}

/// Reads a path such as `/apis/apps/v1/namespaces/shop/deployments/web/scale`.
pub(crate) fn read(path: &[String]) -> Target {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", "events.k8s.io", "v1", rest @ ..] => ("", rest),
        ["apis", group, version, rest @ ..] if resources::version(group) == *version => {
            (*group, rest)
        }
        _ => return Target::Other,
    };
    let find = |plural: &str| resources::find(group, plural);
    let own = |text: &str| text.to_owned();
    let many = |kind: Option<Kind>, namespace: Option<String>| {
        kind.map_or(Target::Other, |kind| Target::Many { kind, namespace })
    };
    let one = |kind: Option<Kind>, namespace: &str, name: &str, sub: Option<&str>| {
        let known = kind
            .filter(|kind| sub.is_none_or(|sub| resources::ALL[*kind].subresources.contains(&sub)));
        known.map_or(Target::Other, |kind| Target::One {
            key: Key::new(kind, namespace, name),
            subresource: sub.map(str::to_owned),
        })
    };
    match rest {
        ["namespaces", namespace, plural] if find(plural).is_some() => {
            many(find(plural), Some(own(namespace)))
        }
        ["namespaces", namespace, plural, name] => one(find(plural), namespace, name, None),
        ["namespaces", namespace, plural, name, sub] => {
            one(find(plural), namespace, name, Some(sub))
        }
        ["watch", plural] | [plural] => many(find(plural), None),
        [plural, name] => one(find(plural), "", name, None),
        [plural, name, sub] => one(find(plural), "", name, Some(sub)),
        _ => Target::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::kubernetes::resources::{DEPLOYMENTS, NAMESPACES, PODS};

    fn of(path: &str) -> Target {
        let parts: Vec<_> =
            path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        read(&parts)
    }

    #[test]
    fn paths_of_lists_objects_and_parts() {
        let shop = || Some("shop".to_owned());
        assert_eq!(
            of("/apis/apps/v1/deployments"),
            Target::Many { kind: DEPLOYMENTS, namespace: None }
        );
        assert_eq!(
            of("/api/v1/namespaces/shop/pods"),
            Target::Many { kind: PODS, namespace: shop() }
        );
        let key = Key::new(DEPLOYMENTS, "shop", "web");
        assert_eq!(
            of("/apis/apps/v1/namespaces/shop/deployments/web/scale"),
            Target::One { key, subresource: Some("scale".to_owned()) }
        );
        let home = Key::new(NAMESPACES, "", "shop");
        assert_eq!(of("/api/v1/namespaces/shop"), Target::One { key: home, subresource: None });
        assert_eq!(of("/apis/apps/v1beta1/deployments"), Target::Other);
        assert_eq!(of("/apis/apps/v1/namespaces/shop/deployments/web/exec"), Target::Other);
    }
}
