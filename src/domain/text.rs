//! Text from outside is hostile: it is cleaned before it reaches a cell, a log line or the journal.

use jiff::SignedDuration;

/// The longest text that is kept, in characters; what is longer ends in `…`.
const LONGEST: usize = 2_000;

/// Removes what could move a cursor, colour a screen or turn text around: control characters, bidirectional overrides
/// and isolates, and invisible format characters. Line breaks and tabs become single spaces.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len().min(LONGEST));
    for (count, letter) in text.chars().enumerate() {
        if count >= LONGEST {
            cleaned.push('…');
            break;
        }
        match letter {
            '\n' | '\r' | '\t' => cleaned.push(' '),
            hidden if is_hidden(hidden) => {}
            shown => cleaned.push(shown),
        }
    }
    cleaned
}

/// A span of time in at most two units, the finer one only where it matters: `12s`, `4m`, `3h`, `2d 3h`, `31d`.
pub fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400..864_000 if seconds % 86_400 >= 3_600 => {
            format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600)
        }
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A span of time in one unit: `12s`, `4m`, `3h`, `2d`.
pub fn brief(time: SignedDuration) -> String {
    let whole = span(time);
    whole.split(' ').next().unwrap_or_default().to_owned()
}

/// The first characters of an identifier, enough to tell it from others.
pub fn short(id: &str) -> String {
    if id.chars().count() <= 12 {
        return id.to_owned();
    }
    let first: String = id.chars().take(8).collect();
    format!("{first}…")
}

/// One word of a shell's command line, in quotes where it needs them.
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:,=@".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{200b}'..='\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m"), "[31mred[0m");
        assert_eq!(clean("\u{202e}evil\u{7}\n在庫 e\u{301}"), "evil 在庫 e\u{301}");
    }

    #[test]
    fn a_quoted_word_stays_one_word() {
        assert_eq!(
            quoted("arn:aws:eks:eu-west-1:1:cluster/a_b"),
            "arn:aws:eks:eu-west-1:1:cluster/a_b"
        );
        assert_eq!(quoted("it's; rm -rf ~"), r"'it'\''s; rm -rf ~'");
        assert_eq!(quoted(""), "''");
    }

    proptest! {
        #[test]
        fn nothing_hidden_survives(text: String) {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(is_hidden));
            prop_assert_eq!(clean(&cleaned), cleaned.clone());
        }
    }
}
