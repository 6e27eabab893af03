//! Random filters and searches: what an index answers is what going through the capture answers.

use super::*;

/// Cases of a property: hundreds, or ten thousand where somebody has the time.
fn cases() -> u32 {
    match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 10_000,
        None => 300,
    }
}

fn filters() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &["nginx", "sh", "id", "sshd", "worker", "ba'sh", "none"];
    let name = prop::sample::select(NAMES).prop_map(|name| format!("\"{name}\""));
    let proc = (
        prop::sample::select(
            &[
                "=",
                "!=",
                " contains ",
                " startswith ",
                " icontains ",
                " glob ",
            ][..],
        ),
        name.clone(),
    )
        .prop_map(|(op, name)| format!("proc.name{op}{name}"));
    let path = prop::sample::select(
        &[
            "fd.name=/etc/shadow",
            "fd.name startswith /etc",
            "fd.name contains 443",
            "fd.name exists",
            "fd.name glob '/*o*'",
            "fd.name endswith 22",
            "fd.name in (/etc, 'pipe:[7]')",
            "fd.name pmatch (/etc)",
            "proc.exepath=/bin/sh",
            "proc.cmdline contains -x",
            "proc.cwd exists",
            "fd.name regex '.*s.*'",
            "evt.failed=true",
            "evt.type=read",
            "container.name=web",
            "proc.name intersects (sh, id)",
            "fd.name contains anyof (shadow, tmp)",
        ][..],
    )
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        proc,
        path,
        name.prop_map(|name| format!("proc.name in ({name})"))
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(" or "))),
            inner.prop_map(|one| format!("not ({one})")),
        ]
    })
}

/// Captures in which names are rare, so that chunks can be passed over.
fn sparse() -> Vec<u8> {
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        Schema::current(),
        WriterOptions {
            chunk_events: 40,
            ..WriterOptions::default()
        },
    )
    .unwrap();
    let tables = world();
    for (at, mut event) in story(1500).into_iter().enumerate() {
        // Each process has its hour.
        event.proc.0 = 1 + (at / 230) as u32 % 7;
        if event.file.is_some() {
            event.file = Some(afterimage_model::FileId(1 + (at / 170) as u32 % 8));
        }
        writer.push(event, &tables).unwrap();
    }
    writer.seal(&Totals::default(), &tables).unwrap()
}

#[test]
fn random_filters_match_the_same_events_with_an_index() {
    let case = Case::new(&sparse());
    case.build();
    let (plain, indexed) = (case.session(), case.indexed());
    let skipped = std::cell::Cell::new(0);
    let config = ProptestConfig::with_cases(cases());
    proptest!(config, |(filter in filters())| {
        let (found, with) = (count(&plain, &filter), count(&indexed, &filter));
        prop_assert_eq!(found.0, with.0, "{}", filter);
        skipped.set(skipped.get() + with.1);
    });
    assert!(skipped.get() > 100, "{}", skipped.get());
}

#[test]
fn random_searches_find_the_same_with_an_index() {
    let case = Case::new(&sparse());
    case.build();
    let (plain, indexed) = (case.session(), case.indexed());
    let short = "[a-z]{1,4}\\*?".prop_filter("joins words", |word| {
        !matches!(word.as_str(), "and" | "or" | "not")
    });
    let word = prop_oneof![
        short,
        "\\*[a-z.]{1,3}",
        "[a-z]{3,6}~[12]",
        "/[a-z]{1,3}\\*",
        Just("shadow".to_owned()),
        Just("nginx".to_owned()),
        Just("username".to_owned()),
        Just("10.0.0.0/8".to_owned()),
        Just("hunter2".to_owned()),
        Just("proc.name:sh".to_owned()),
    ];
    let query = prop::collection::vec(
        (word, prop::sample::select(&[" ", " OR ", " AND NOT "][..])),
        1..4,
    );
    let query = query.prop_map(|words| {
        let mut text = String::new();
        for (at, (word, join)) in words.iter().enumerate() {
            text.push_str(if at > 0 { join } else { "" });
            text.push_str(word);
        }
        text
    });
    let when = prop::option::of(filters());
    // A search with conditions takes as long as three filters do.
    let config = ProptestConfig::with_cases(match cases() {
        long @ 10_000.. => long,
        short => short / 3,
    });
    proptest!(config, |(query in query, when in when)| {
        let query = match when {
            Some(when) => format!("({query}) AND ({when})"),
            None => query,
        };
        prop_assert_eq!(search(&plain, &query), search(&indexed, &query), "{}", query);
    });
}
