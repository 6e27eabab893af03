//! What is found and what is not, where the caret stands, and that the text index never leaves out what is found.

use super::super::things::Kind;
use super::super::words;
use super::*;

fn process(cmdline: &str) -> Thing {
    let path = b"/usr/bin/curl";
    Thing::new(
        Kind::Process,
        &[Some(b"curl"), Some(path), Some(cmdline.as_bytes()), None],
    )
}

fn found(query: &str, thing: &Thing) -> bool {
    let ask = Ask::parse(query).unwrap_or_else(|error| panic!("{error}"));
    ask.find(thing).is_some()
}

#[test]
fn words_paths_and_flags_are_found_by_any_part() {
    let thing = process("curl --max-time 3 -o /tmp/getPasswordHash.sh http://10.0.0.5:8080/a");
    for query in [
        "curl",
        "CURL",
        "/usr/bin/curl",
        "bin/curl",
        "/usr/*",
        "*url",
        "cu*",
        "c?rl",
        "--max-time",
        "max-time",
        "password",
        "hash.sh",
        "*.sh",
        "\"max-time 3\"",
        "'-o /tmp'",
        "curl~1",
        "cur1~1",
        "bsh~2 OR cul~1",
        "re:get[A-Z]",
        "10.0.0.5",
        "10.0.0.0/8",
        "[10.0.0.1 TO 10.0.0.9]",
        "[cup TO curz]",
        "proc.exepath:curl",
        "proc.cmdline:tmp AND NOT wget",
        "(wget or curl) and tmp",
        "8080",
    ] {
        assert!(found(query, &thing), "{query}");
    }
    for query in [
        "url",
        "ur*",
        "cur",
        "passw",
        "wget",
        "proc.cwd:curl",
        "proc.exepath:tmp",
        "10.0.1.0/24",
        "10.0.0.50",
        "curl AND wget",
        "NOT curl",
        "crul~1",
        "\"max time\"",
        "[d TO e]",
        "re:^get",
    ] {
        assert!(!found(query, &thing), "{query}");
    }
}

#[test]
fn conditions_stand_beside_words() {
    let ask = Ask::parse("curl~1 AND proc.name=sh AND evt.time>-5m").unwrap();
    let filter = ask.filter(1_000_000_000_000).unwrap().unwrap();
    assert_eq!(filter.print(), "proc.name=sh and evt.rawtime>700000000000");
    assert_eq!(ask.look(), Look::Near("curl".into(), 1));
    let ask = Ask::parse("shadow (proc.name in (sh, bash) or fd.name exists)").unwrap();
    let filter = ask.filter(0).unwrap().unwrap();
    assert_eq!(filter.print(), "proc.name in (sh, bash) or fd.name exists");
    let ask = Ask::parse("proc.name contains sh").unwrap();
    assert!(!ask.has_text() && ask.has_conditions());
    let ask = Ask::parse("tolower(proc.name)=sh x").unwrap();
    assert!(ask.has_text() && ask.has_conditions());
}

#[test]
fn what_is_wrong_has_a_caret_under_it() {
    for (query, caret) in [
        ("curl AND", "         ^"),
        ("curl AND OR x", "           ^^"),
        ("or", "  ^^"),
        ("curl NOT and", "           ^^^"),
        ("(curl", "  ^"),
        ("curl)", "      ^"),
        ("\"curl", "  ^"),
        ("curl~9", "      ^^"),
        ("a [b]", "    ^^^"),
        ("x re:(", "    ^^^"),
        ("curl OR proc.name=sh", "  ^^^^^^^^^^^^^^^^^^^^"),
        ("a evt.time>-5q", "             ^^"),
        ("curl proc.nam=sh", "       ^^^^^^^^"),
        ("evt.type:open", "  ^^^^^^^^"),
        ("***", "  ^^^"),
        ("\u{1b}[2J (", "         "),
    ] {
        let error = Ask::parse(query).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(caret), "{query}\n{error}");
        assert!(!error.contains('\u{1b}'), "{query}");
    }
    let error = Ask::parse("or").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(r#"in quotes: "or""#), "{error}");
    assert!(Ask::parse(r#""or" AND x"#).is_ok());
}

#[test]
fn whatever_is_found_has_the_words_that_are_looked_up() {
    // The text index may only leave out what is not found.
    fn named(look: &Look, keys: &[String]) -> bool {
        match look {
            Look::Anything => true,
            Look::Begins(word) => {
                let word = word.trim_start_matches('_');
                word.is_empty() || keys.iter().any(|key| key.starts_with(word))
            }
            Look::Near(word, _) if word.contains('_') => true,
            Look::Near(word, most) => keys
                .iter()
                .any(|key| words::within(key, word, usize::from(*most))),
            Look::Between(from, to) if from.as_str() < "`" && "_" <= to.as_str() => true,
            Look::Between(from, to) => keys.iter().any(|key| from <= key && key <= to),
            Look::All(parts) => parts.iter().all(|part| named(part, keys)),
            Look::Any(parts) => parts.iter().any(|part| named(part, keys)),
        }
    }
    let texts = [
        "curl -o /tmp/x.sh",
        "getPasswordHash",
        "x10.0.0.5 10.0.2.7",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "a_b__c",
        "10.0.0.5:443",
        "my\u{fc}sql \u{65e5}\u{672c}",
        "\u{1}\u{2}",
        "HTTPServer2Go",
    ];
    let queries = [
        "x*",
        "*x",
        "*x*",
        "l?bc*",
        "PASSWORD*",
        "hash",
        "so.6",
        "64-linux",
        "_b",
        "b__c",
        "m\u{fc}*",
        "*sql",
        "server2*",
        "http*go",
        "curl~1",
        "hsh~1",
        "x86*gnu",
        "5:443",
        "\"-o /tmp\"",
        "2go",
        "_b*",
        "__c",
        "c_b~1",
        "x_b~2",
        "[lib TO lic]",
        "[10 TO 443]",
        "[_ TO _z]",
        "[a TO zz]",
        "[hash TO hash]",
        "10.0.0.0/8",
        "10.0.0.5",
        "[10.0.0.1 TO 10.0.3.9]",
    ];
    for text in texts {
        let mut keys = Vec::new();
        words::each_sure(text.as_bytes(), |word| keys.push(words::key(word)));
        let thing = Thing::new(Kind::File, &[Some(text.as_bytes())]);
        for query in queries {
            let ask = Ask::parse(query).unwrap();
            if ask.find(&thing).is_some() {
                assert!(named(&ask.look(), &keys), "{query} in {text}");
            }
        }
    }
}
