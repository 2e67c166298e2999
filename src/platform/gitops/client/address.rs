//! Addresses of repositories, as they may be shown and kept.

/// An address without name, password and query, however odd it is written. Of ssh the name stays, which is part of the
/// address.
pub(in crate::platform::gitops) fn bare_address(url: &str) -> String {
    // A name and a password come before any path; what follows a `?` is a query where a path or an `@` is before it, or no
    // `@` behind it.
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let url = match url.find('?') {
        Some(query)
            if url.get(start..query).is_some_and(|before| before.contains(['/', '@']))
                || !url[query..].contains('@') =>
        {
            &url[..query]
        }
        _ => url,
    };
    let url = &match url.split_once(":/") {
        Some((scheme, rest)) if !rest.starts_with('/') && rest.contains('@') => {
            format!("{scheme}://{rest}")
        }
        _ => url.to_owned(),
    };
    let user = |before: &str| before.split(':').next().unwrap_or_default().to_owned();
    let Some((scheme, rest)) = url.split_once("://") else {
        // `user:password@host:path` is no form of git's, and may still hold a password.
        return match url.split_once('@') {
            Some((before, rest)) if !before.contains('/') => format!("{}@{rest}", user(before)),
            _ => url.to_owned(),
        };
    };
    let place = rest.split('/').next().unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|one| one.is_ascii_digit());
    let at = match (place.rfind('@'), place.rsplit_once(':')) {
        (Some(at), _) => Some(at),
        // A password with a slash in it.
        (None, Some((_, port))) if !digits(port) => match rest.rfind('@') {
            Some(at) => Some(at),
            // What is left of one, with no host to show.
            None => return format!("{scheme}://…"),
        },
        (None, _) => None,
    };
    let (before, rest) = match at {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => ("", rest),
    };
    let named = scheme == "ssh" && !before.is_empty();
    let keep = if named { format!("{}@", user(before)) } else { String::new() };
    format!("{scheme}://{keep}{}", rest.trim_end_matches('/'))
}

/// A text with its addresses as they may be shown: without names, passwords and queries.
pub(super) fn without_credentials(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let word = rest[..at].rfind([' ', '\'', '"', '\n']).map_or(0, |before| before + 1);
        let end = rest[at..].find([' ', '\'', '"', '\n']).map_or(rest.len(), |length| at + length);
        clean.push_str(&rest[..word]);
        clean.push_str(&bare_address(&rest[word..end]));
        rest = &rest[end..];
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_credentials() {
        assert_eq!(
            bare_address("https://me:secret@git.example.org/a/b.git"),
            "https://git.example.org/a/b.git"
        );
        assert_eq!(
            bare_address("ssh://git@git.example.org/a.git"),
            "ssh://git@git.example.org/a.git"
        );
        assert_eq!(bare_address("git@github.com:a/b.git"), "git@github.com:a/b.git");
        assert_eq!(bare_address("/srv/git/a.git"), "/srv/git/a.git");
        for secret in [
            "ssh://git:s3cret@git.example.org/a",
            "https://git.example.org/a?private_token=s3cret",
            "me:s3cret@host:path",
            "http://me:s3/cret@host/a",
            "https:/me:s3cret@host/a",
            "https://me:s3c?ret@host/a",
            "https://me:s3#cret@host/a",
            "https://host/a?private_token=s3cret&user=me@there",
            "http://me:s3/c?ret@host/a",
        ] {
            let shown = bare_address(secret);
            assert!(!shown.contains("s3"), "{shown}");
        }
        assert_eq!(bare_address("http://127.0.0.1:8080/a@b"), "http://127.0.0.1:8080/a@b");
    }

    #[test]
    fn no_password_is_ever_shown() {
        let said = "fatal: unable to access 'https://me:secret@git.example.org/a': x\nhttps://t@h";
        assert_eq!(
            without_credentials(said),
            "fatal: unable to access 'https://git.example.org/a': x\nhttps://h"
        );
        let said = "fatal: unable to access 'https://h/a?private_token=s3/': x, http://me:s/3@h/b";
        let shown = "fatal: unable to access 'https://h/a': x, http://h/b";
        assert_eq!(without_credentials(said), shown);
    }
}
