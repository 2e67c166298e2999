//! Label and field selectors of lists and watches.

use serde_json::Value;

/// What of a list is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Term>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug)]
enum Term {
    Is(String, String),
    Not(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Has(String),
    HasNot(String),
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    pub(crate) fn parse(labels: &str, fields: &str) -> Self {
        let fields = fields.split(',').filter(|term| !term.is_empty()).filter_map(|term| {
            if let Some((field, value)) = term.split_once("!=") {
                return Some((field.to_owned(), false, value.to_owned()));
            }
            let (field, value) = term.split_once('=')?;
            Some((field.to_owned(), true, value.trim_start_matches('=').to_owned()))
        });
        Self { labels: terms(labels), fields: fields.collect() }
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |name: &str| labels[name].as_str();
        self.labels.iter().all(|term| match term {
            Term::Is(name, value) => label(name) == Some(value),
            Term::Not(name, value) => label(name) != Some(value),
            Term::In(name, values) => {
                label(name).is_some_and(|has| values.iter().any(|v| v == has))
            }
            Term::NotIn(name, values) => {
                label(name).is_none_or(|has| values.iter().all(|v| v != has))
            }
            Term::Has(name) => label(name).is_some(),
            Term::HasNot(name) => label(name).is_none(),
        }) && self.fields.iter().all(|(field, equal, value)| {
            let found = field.split('.').fold(object, |at, part| &at[part]);
            let text = found.as_str().map_or_else(
                || if found.is_null() { String::new() } else { found.to_string() },
                str::to_owned,
            );
            (text == *value) == *equal
        })
    }
}

fn terms(text: &str) -> Vec<Term> {
    let mut parts = Vec::new();
    let (mut depth, mut part) = (0, String::new());
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.push(part);
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(term).collect()
}

fn term(text: &str) -> Term {
    let set = |name: &str, values: &str| {
        let values = values.trim().trim_start_matches('(').trim_end_matches(')');
        (name.trim().to_owned(), values.split(',').map(|one| one.trim().to_owned()).collect())
    };
    if let Some((name, values)) = text.split_once(" notin ") {
        let (name, values) = set(name, values);
        return Term::NotIn(name, values);
    }
    if let Some((name, values)) = text.split_once(" in ") {
        let (name, values) = set(name, values);
        return Term::In(name, values);
    }
    let own = |text: &str| text.trim().to_owned();
    if let Some((name, value)) = text.split_once("!=") {
        return Term::Not(own(name), own(value));
    }
    if let Some((name, value)) = text.split_once('=') {
        return Term::Is(own(name), own(value.trim_start_matches('=')));
    }
    match text.strip_prefix('!') {
        Some(name) => Term::HasNot(own(name)),
        None => Term::Has(own(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_term() {
        let object =
            json!({ "metadata": { "name": "web", "labels": { "app": "web", "tier": "b" } } });
        let matches = |labels: &str, fields: &str| Selector::parse(labels, fields).matches(&object);
        assert!(matches("app=web,tier in (a, b)", "metadata.name=web"));
        assert!(matches("app==web,!canary,tier!=c,tier notin (x,y),app", ""));
        assert!(!matches("app=web,tier in (a)", ""));
        assert!(!matches("", "metadata.name!=web"));
    }
}
