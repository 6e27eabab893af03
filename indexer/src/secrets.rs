//! What should not be seen by whoever looks over a shoulder.

use std::collections::BTreeSet;

/// Whether a variable holds what should not be seen by whoever looks over a shoulder: by its name, or a password in an address.
pub(crate) fn is_secret(name: &[u8], value: &[u8]) -> bool {
    /// What the names of secrets hold.
    const WORDS: &[&str] = &[
        "PASS",
        "PWD",
        "SECRET",
        "TOKEN",
        "CREDENTIAL",
        "PRIVATE",
        "APIKEY",
        "API_KEY",
        "ACCESS_KEY",
        "AUTH",
        "COOKIE",
        "DSN",
    ];
    let upper: Vec<u8> = name.to_ascii_uppercase();
    if upper == b"PWD" || upper == b"OLDPWD" || value.is_empty() {
        return false;
    }
    let holds = |word: &str| {
        upper
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    let address = || {
        let after = value.windows(3).position(|part| part == b"://");
        let rest = after.and_then(|at| value.get(at + 3..)).unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
        let host = rest.get(..end).unwrap_or_default();
        let at = host.iter().position(|b| *b == b'@');
        at.is_some_and(|at| host.get(..at).is_some_and(|user| user.contains(&b':')))
    };
    WORDS.iter().any(|word| holds(word)) || upper.ends_with(b"_KEY") || address()
}

/// Names of variables that hold secrets, of all processes of a container.
pub(crate) fn secret_names(env: &[u8]) -> BTreeSet<Vec<u8>> {
    let entries = env.split(|b| *b == 0);
    entries
        .filter_map(|entry| {
            let split = entry.iter().position(|b| *b == b'=')?;
            let (name, value) = entry.split_at(split);
            is_secret(name, value.get(1..).unwrap_or_default()).then(|| name.to_vec())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_and_passwords_in_addresses() {
        for (name, value, secret) in [
            ("DB_PASSWORD", "x", true),
            ("AWS_SECRET_ACCESS_KEY", "x", true),
            ("PWD", "/root", false),
            ("PATH", "/bin", false),
            ("DATABASE_URL", "postgres://u:p@db/x", true),
            ("SITE", "http://example.org/a@b:c", false),
            ("TOKEN", "", false),
        ] {
            assert_eq!(
                is_secret(name.as_bytes(), value.as_bytes()),
                secret,
                "{name}"
            );
        }
    }
}
