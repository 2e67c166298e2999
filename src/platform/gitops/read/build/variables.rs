//! What Flux puts in for variables of a manifest: `postBuild` of a Kustomization.

use crate::platform::gitops::model::kustomizations::Kustomization;

/// A text with its variables filled in, and where their values stand; `None` where one is not known, or nothing is filled
/// in at all.
pub(super) fn filled(file: &str, of: &Kustomization, text: &str) -> Option<(String, String)> {
    let of = of.of_flux.as_ref()?;
    let variables = of.variables.as_ref()?;
    let (mut whole, mut from, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, after) = after.split_once('}')?;
        // `$${…}` is no variable, and what else there is of forms is not worked out: github.com/fluxcd/pkg/envsubst.
        if before.ends_with('$') || inside.contains('$') {
            return None;
        }
        let end = inside.find(|one: char| !one.is_ascii_alphanumeric() && one != '_');
        let (name, form) = inside.split_at(end.unwrap_or(inside.len()));
        let default = match form.strip_prefix(':').unwrap_or(form) {
            "" if form.is_empty() => None,
            form if form.starts_with(['-', '=']) => Some(&form[1..]),
            _ => return None,
        };
        whole.push_str(before);
        let known = variables.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        // With a colon an empty value is none.
        let known = known.filter(|value| !(value.is_empty() && form.starts_with(':')));
        if let Some(value) = known {
            whole.push_str(value);
            from.push(format!("{name} of postBuild.substitute in {file}"));
        } else if of.more_variables {
            return None;
        } else {
            whole.push_str(default?);
            from.push(format!("the default of {name}"));
        }
        rest = after;
    }
    whole.push_str(rest);
    Some((whole, from.join(", ")))
}
