//! YAML as a tree that knows where in the text each value stands, with the comments beside it.

use std::{collections::HashMap, ops::Range};

use granit_parser::{Event, Parser, Placement, ScalarStyle};

/// The deepest nesting that is read.
const DEEPEST: usize = 200;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) enum Style {
    Plain,
    Single,
    Double,
    /// A literal or folded block.
    Block,
}

/// A scalar value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Scalar {
    pub(in crate::platform::gitops) text: String,
    pub(in crate::platform::gitops) style: Style,
    /// Where it stands, with its quotes.
    pub(in crate::platform::gitops) span: Range<usize>,
    /// Whether others may refer to it by an alias.
    pub(in crate::platform::gitops) anchored: bool,
    /// Counted from 1.
    pub(in crate::platform::gitops) line: usize,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) enum Node {
    Scalar(Scalar),
    Map(Vec<(Scalar, Self)>),
    List(Vec<Self>),
    /// A reference to another value.
    Alias(Scalar),
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Comment {
    /// What follows the `#`.
    pub(in crate::platform::gitops) text: String,
    /// Where it stands, with its `#`.
    pub(in crate::platform::gitops) span: Range<usize>,
    pub(in crate::platform::gitops) line: usize,
    /// Whether it stands on the line of a value.
    pub(in crate::platform::gitops) beside: bool,
}

/// A file: its documents and their comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Stream {
    pub(in crate::platform::gitops) documents: Vec<Node>,
    pub(in crate::platform::gitops) comments: Vec<Comment>,
}

impl Node {
    /// The value of a key of a mapping.
    pub(in crate::platform::gitops) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(known, _)| known.text == key).map(|(_, value)| value)
    }

    /// The scalar that it is.
    pub(in crate::platform::gitops) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar at a key.
    pub(in crate::platform::gitops) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.scalar().map(|scalar| scalar.text.as_str())
    }

    /// The items of a list.
    pub(in crate::platform::gitops) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

/// Reads a file.
///
/// # Errors
/// What does not parse, with its line.
pub(in crate::platform::gitops) fn read(text: &str) -> Result<Stream, String> {
    // The parser takes a byte order mark for text.
    let skipped = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reading = Parse {
        text: &text[skipped..],
        skipped,
        stack: Vec::new(),
        stream: Stream::default(),
        anchors: HashMap::new(),
    };
    for next in Parser::new_from_str(reading.text) {
        let (event, span) = next.map_err(|error| error.to_string())?;
        let range = span.byte_range().ok_or("a value without a place")?;
        reading.take(event, range, span.start.line())?;
    }
    Ok(reading.stream)
}

/// A mapping or list that is not closed yet, with the key that waits for its value.
enum Open {
    Map(Vec<(Scalar, Node)>, Option<Scalar>),
    List(Vec<Node>),
}

struct Parse<'a> {
    text: &'a str,
    skipped: usize,
    stack: Vec<Open>,
    stream: Stream,
    /// What anchors stand for, where that is a scalar.
    anchors: HashMap<usize, String>,
}

impl Parse<'_> {
    fn take(&mut self, event: Event<'_>, range: Range<usize>, line: usize) -> Result<(), String> {
        let place = |range: &Range<usize>| range.start + self.skipped..range.end + self.skipped;
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let mut span = range;
                // The end of a plain or block scalar may lie behind white space.
                let raw = self.text.get(span.clone()).unwrap_or_default();
                span.end = span.start + raw.trim_end().len();
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let span = place(&span);
                if anchor > 0 {
                    self.anchors.insert(anchor, value.to_string());
                }
                let scalar =
                    Scalar { text: value.into_owned(), style, span, anchored: anchor > 0, line };
                self.put(Node::Scalar(scalar));
            }
            Event::Alias(anchor) => {
                let written = self.text.get(range.clone()).unwrap_or_default();
                let known = self.anchors.get(&anchor).cloned();
                let text = known.unwrap_or_else(|| written.to_owned());
                let span = place(&range);
                self.put(Node::Alias(Scalar {
                    text,
                    style: Style::Plain,
                    span,
                    anchored: false,
                    line,
                }));
            }
            Event::MappingStart(..) => self.open(Open::Map(Vec::new(), None))?,
            Event::SequenceStart(..) => self.open(Open::List(Vec::new()))?,
            Event::MappingEnd | Event::SequenceEnd => match self.stack.pop() {
                Some(Open::Map(entries, _)) => self.put(Node::Map(entries)),
                Some(Open::List(items)) => self.put(Node::List(items)),
                None => return Err("an end without a beginning".to_owned()),
            },
            Event::Comment(text, placement) => {
                let beside = matches!(placement, Placement::Right);
                let span = place(&range);
                self.stream.comments.push(Comment { text: text.into_owned(), span, line, beside });
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, open: Open) -> Result<(), String> {
        if self.stack.len() >= DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        self.stack.push(open);
        Ok(())
    }

    fn put(&mut self, node: Node) {
        match self.stack.last_mut() {
            None => self.stream.documents.push(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map(entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                // A key that is no scalar holds nothing that is looked for.
                None => {
                    let empty = Scalar {
                        text: String::new(),
                        style: Style::Plain,
                        span: 0..0,
                        anchored: false,
                        line: 0,
                    };
                    *key = Some(if let Node::Scalar(scalar) = node { scalar } else { empty });
                }
            },
        }
    }
}

/// Whether a plain scalar would be read as a string by YAML 1.1 and by YAML 1.2: not as a number, a date, a truth or nothing.
fn is_plain_string(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = [
        "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf",
        "-.inf", "+.inf", "<<", "=",
    ];
    if words.contains(&lower.as_str()) {
        return false;
    }
    let first = text.chars().next().unwrap_or(' ');
    let odd = text.chars().any(|one| !(one.is_ascii_alphanumeric() || "._-/:@+".contains(one)));
    if odd || !(first.is_ascii_alphanumeric() || "_./".contains(first)) || text.ends_with(':') {
        return false;
    }
    !is_number(&lower)
}

/// Whether YAML 1.1 or 1.2, or the parsers that Kubernetes uses, would read a text in small letters as a number, a time or
/// a date.
fn is_number(text: &str) -> bool {
    let bare = text.trim_start_matches(['-', '+']);
    let all = |text: &str, letters: &str| {
        !text.is_empty() && text.chars().all(|one| letters.contains(one))
    };
    let digits = "0123456789_";
    if let Some(rest) = bare.strip_prefix("0x") {
        return all(rest, "0123456789abcdef_");
    }
    if let Some(rest) = bare.strip_prefix("0b").or_else(|| bare.strip_prefix("0o")) {
        return all(rest, digits);
    }
    let begins = bare.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    // 12, 1_000, 12:30:45
    if begins && all(bare, "0123456789_:") {
        return true;
    }
    // 2021-01-01, with a time behind it or without
    let mut parts = bare.splitn(3, '-');
    let year = parts.next().is_some_and(|part| part.len() == 4 && all(part, digits));
    if year && parts.next().is_some_and(|part| all(part, digits)) {
        return parts
            .next()
            .is_some_and(|part| part.starts_with(|first: char| first.is_ascii_digit()));
    }
    // 1.20, .5, 1e3
    let (mantissa, exponent) = bare.split_once('e').map_or((bare, None), |(a, b)| (a, Some(b)));
    let number = begins && mantissa.matches('.').count() <= 1 && all(mantissa, "0123456789_.");
    number && exponent.is_none_or(|exponent| all(exponent.trim_start_matches(['-', '+']), digits))
}

/// A text as a scalar in the style of the one whose place it takes.
pub(in crate::platform::gitops) fn scalar(text: &str, style: Style) -> String {
    match style {
        Style::Single => format!("'{}'", text.replace('\'', "''")),
        Style::Plain if is_plain_string(text) => text.to_owned(),
        _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_places() {
        let text = "\u{feff}a: \"v1\"  # beside\r\nb:\r\n  - 'x'\r\n  - plain   # more\r\n---\r\nc: ü 1\r\n";
        let stream = read(text).unwrap();
        assert_eq!(stream.documents.len(), 2);
        let of = |node: &Node| text[node.scalar().unwrap().span.clone()].to_owned();
        assert_eq!(of(stream.documents[0].get("a").unwrap()), "\"v1\"");
        let items = stream.documents[0].get("b").unwrap().items();
        assert_eq!((of(&items[0]), of(&items[1])), ("'x'".to_owned(), "plain".to_owned()));
        assert_eq!(of(stream.documents[1].get("c").unwrap()), "ü 1");
        assert_eq!(stream.comments.len(), 2);
        assert!(stream.comments.iter().all(|one| one.beside));
        assert_eq!(&text[stream.comments[0].span.clone()], "# beside");
    }

    #[test]
    fn what_is_no_string_gets_quotes() {
        for text in
            ["1.20", "2021-01-01", "0x1f", "1e3", "1_000", "on", "Y", "null", "12:30", "26", "007"]
        {
            assert_eq!(scalar(text, Style::Plain), format!("\"{text}\""));
        }
        for text in [
            "v1",
            "master-26a4b87",
            "gcr.io/a/b:1.20",
            "1.2.3-rc1",
            "1.2.3",
            "26a4b87",
            "sha256:abcdef0g",
            "a@sha256:12",
        ] {
            assert_eq!(scalar(text, Style::Plain), text);
        }
        assert_eq!(scalar("it's", Style::Single), "'it''s'");
    }
}
