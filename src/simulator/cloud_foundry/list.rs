//! Lists: filters, order and pages, as every list of the API has them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{call::Call, error::ApiError, present::time};

const COMMON: [&str; 7] =
    ["page", "per_page", "order_by", "created_ats", "updated_ats", "guids", "label_selector"];

/// Where and how a list may be asked for.
pub(crate) struct Spec<'a> {
    /// The path of the list, for the links to its pages.
    pub(crate) path: &'a str,
    /// Filters besides the common ones.
    pub(crate) filters: &'a [&'a str],
    /// Fields to order by, besides the times.
    pub(crate) orders: &'a [&'a str],
}

/// What a list needs to know of an item before it is shown.
pub(crate) trait Item {
    fn guid(&self) -> &str;
    fn created_at(&self) -> Timestamp;
    fn updated_at(&self) -> Timestamp {
        self.created_at()
    }
    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        None
    }
    /// The sort key of another field.
    fn field(&self, _name: &str) -> String {
        String::new()
    }
}

/// The page that a call asks for: filtered, ordered, cut and shown.
pub(crate) fn page<T: Item>(
    call: &Call,
    spec: &Spec<'_>,
    items: impl Iterator<Item = T>,
    show: impl Fn(&T) -> Value,
) -> Result<Value, ApiError> {
    check_names(call, spec)?;
    let page = number(call, "page", 1).filter(|page| *page >= 1);
    let page = page.ok_or_else(|| ApiError::bad_query("Page must be greater than 0"))?;
    let per_page = number(call, "per_page", 50).filter(|size| (1..=5_000).contains(size));
    let per_page =
        per_page.ok_or_else(|| ApiError::bad_query("Per page must be between 1 and 5000"))?;
    let order = order(call, spec)?;
    let guids = call.list("guids");
    let selector = call.param("label_selector").map(selector).transpose()?;
    let times = times(call)?;
    let mut items: Vec<T> = items
        .filter(|item| {
            guids.as_ref().is_none_or(|guids| guids.iter().any(|guid| guid == item.guid()))
        })
        .filter(|item| times.iter().all(|test| test.holds(item.created_at(), item.updated_at())))
        .filter(|item| {
            selector.as_ref().is_none_or(|tests| {
                let none = BTreeMap::new();
                let labels = item.labels().unwrap_or(&none);
                tests.iter().all(|test| test.holds(labels))
            })
        })
        .collect();
    if let Some((field, descending)) = &order {
        items.sort_by(|a, b| {
            let ordering = match field.as_str() {
                "created_at" => a.created_at().cmp(&b.created_at()),
                "updated_at" => a.updated_at().cmp(&b.updated_at()),
                other => a.field(other).cmp(&b.field(other)),
            };
            if *descending { ordering.reverse() } else { ordering }
        });
        // Where times tie, the newer id counts as newer.
        if *descending && field.ends_with("_at") {
            reverse_ties(&mut items, field);
        }
    }
    let total = items.len();
    let pages = total.div_ceil(per_page).max(1);
    let shown: Vec<Value> =
        items.iter().skip((page - 1) * per_page).take(per_page).map(show).collect();
    let href = |page: usize| json!({ "href": link(call, spec.path, page, per_page) });
    let past_end = page > pages;
    Ok(json!({
        "pagination": {
            "total_results": if past_end { 0 } else { total },
            "total_pages": if past_end { 1 } else { pages },
            "first": href(1),
            "last": href(if past_end { 1 } else { pages }),
            "next": if page < pages { href(page + 1) } else { Value::Null },
            "previous": if page > 1 { href(page - 1) } else { Value::Null },
        },
        "resources": shown,
    }))
}

fn reverse_ties<T: Item>(items: &mut [T], field: &str) {
    let key = |item: &T| if field == "created_at" { item.created_at() } else { item.updated_at() };
    let mut start = 0;
    while start < items.len() {
        let same = items[start..].iter().take_while(|item| key(item) == key(&items[start])).count();
        items[start..start + same].reverse();
        start += same;
    }
}

fn check_names(call: &Call, spec: &Spec<'_>) -> Result<(), ApiError> {
    let bare = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
    let unknown: Vec<_> = call
        .query
        .iter()
        .map(|(name, _)| bare(name))
        .filter(|name| !COMMON.contains(&name.as_str()) && !spec.filters.contains(&name.as_str()))
        .map(|name| format!("'{name}'"))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let valid: Vec<_> = COMMON.iter().chain(spec.filters).map(|name| format!("'{name}'")).collect();
    Err(ApiError::bad_query(format!(
        "Unknown query parameter(s): {}. Valid parameters are: {}",
        unknown.join(", "),
        valid.join(", ")
    )))
}

/// A whole number, or `None` where it is none.
fn number(call: &Call, name: &str, default: usize) -> Option<usize> {
    call.param(name).map_or(Some(default), |text| text.parse().ok())
}

fn order(call: &Call, spec: &Spec<'_>) -> Result<Option<(String, bool)>, ApiError> {
    let Some(wanted) = call.param("order_by") else { return Ok(None) };
    let field = wanted.trim_start_matches(['+', '-', ' ']);
    if ["created_at", "updated_at"].contains(&field) || spec.orders.contains(&field) {
        return Ok(Some((field.to_owned(), wanted.starts_with('-'))));
    }
    let mut known = vec!["'created_at'".to_owned(), "'updated_at'".to_owned()];
    known.extend(spec.orders.iter().map(|field| format!("'{field}'")));
    Err(ApiError::bad_query(format!("Order by can only be: {}", known.join(", "))))
}

/// The link to a page: parameters in alphabetical order, the order's sign written out.
fn link(call: &Call, path: &str, page: usize, per_page: usize) -> String {
    let mut pairs: BTreeMap<&str, String> =
        call.query.iter().map(|(name, value)| (name.as_str(), value.replace(' ', "+"))).collect();
    pairs.insert("page", page.to_string());
    pairs.insert("per_page", per_page.to_string());
    if let Some(order) = pairs.get_mut("order_by")
        && !order.starts_with(['+', '-'])
    {
        order.insert(0, '+');
    }
    let query: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    format!("{}{path}?{}", call.base, query.join("&"))
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

struct TimeTest {
    created: bool,
    operator: String,
    value: String,
}

impl TimeTest {
    fn holds(&self, created: Timestamp, updated: Timestamp) -> bool {
        let shown = time(if self.created { created } else { updated });
        let (shown, value) = (shown.as_str(), self.value.as_str());
        match self.operator.as_str() {
            "gt" => shown > value,
            "gte" => shown >= value,
            "lt" => shown < value,
            "lte" => shown <= value,
            _ => self.value.split(',').any(|value| value == shown),
        }
    }
}

fn times(call: &Call) -> Result<Vec<TimeTest>, ApiError> {
    let mut tests = Vec::new();
    for (name, value) in &call.query {
        let (field, operator) = match name.split_once('[') {
            Some((field, rest)) => (field, rest.trim_end_matches(']')),
            None => (name.as_str(), ""),
        };
        if field != "created_ats" && field != "updated_ats" {
            continue;
        }
        if !["", "gt", "gte", "lt", "lte"].contains(&operator) {
            return Err(ApiError::bad_query(format!("Invalid relational operator: '{operator}'")));
        }
        if value.split(',').any(|value| value.parse::<Timestamp>().is_err()) {
            return Err(ApiError::bad_query(format!(
                "{field} has an invalid timestamp format. Timestamps should be formatted as 'YYYY-MM-DDThh:mm:ssZ'"
            )));
        }
        tests.push(TimeTest {
            created: field == "created_ats",
            operator: operator.to_owned(),
            value: value.clone(),
        });
    }
    Ok(tests)
}

struct LabelTest {
    key: String,
    wanted: Option<Vec<String>>,
    negated: bool,
}

impl LabelTest {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = match (&self.wanted, labels.get(&self.key)) {
            (None, value) => value.is_some(),
            (Some(wanted), Some(value)) => wanted.contains(value),
            (Some(_), None) => false,
        };
        found != self.negated
    }
}

fn selector(text: &str) -> Result<Vec<LabelTest>, ApiError> {
    let mut tests = Vec::new();
    let mut depth = 0;
    let requirements = text.split(|letter: char| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    });
    for requirement in requirements.map(str::trim) {
        let set = |verb: &str| {
            let (key, rest) = requirement.split_once(verb)?;
            let values = rest.trim().strip_prefix('(')?.strip_suffix(')')?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            Some((key.trim().to_owned(), Some(values)))
        };
        let one = |verb: &str| {
            let (key, value) = requirement.split_once(verb)?;
            Some((key.trim().to_owned(), Some(vec![value.trim().to_owned()])))
        };
        let (found, negated) = if let Some(found) = set(" notin ") {
            (found, true)
        } else if let Some(found) = set(" in ") {
            (found, false)
        } else if let Some(found) = one("!=") {
            (found, true)
        } else if let Some(found) = one("==").or_else(|| one("=")) {
            (found, false)
        } else if let Some(key) = requirement.strip_prefix('!') {
            ((key.to_owned(), None), true)
        } else {
            ((requirement.to_owned(), None), false)
        };
        if found.0.is_empty() {
            return Err(ApiError::bad_query("Label selector invalid"));
        }
        tests.push(LabelTest { key: found.0, wanted: found.1, negated });
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_hold_as_documented() {
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        let holds = |text: &str| selector(text).unwrap().iter().all(|test| test.holds(&labels));
        assert!(holds("env") && holds("env=prod") && holds("env in (test,prod)") && holds("!tier"));
        assert!(holds("env==prod,tier!=web"));
        assert!(
            !holds("!env") && !holds("env!=prod") && !holds("env notin (prod)") && !holds("tier")
        );
    }
}
