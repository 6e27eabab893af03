//! Texts that the peers take or refuse, out of files beside the repository; where there are none, the tests say so.

use crate::ops::Op;
use crate::syntax::{Check, Node, Right, Syntax, Term};
use crate::{Filter, parse};
use serde_json::Value;
use std::path::PathBuf;

/// The vectors in a file, or nothing where the file is not there.
#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn vectors(name: &str) -> Vec<Value> {
    let folder = std::env::var_os("AFTERIMAGE_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    let path = folder.join("falco").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return Vec::new();
    };
    serde_json::from_str(&text).unwrap()
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

#[test]
fn the_peers_take_and_refuse_the_same_texts() {
    for row in vectors("filter_parse_vectors.json") {
        let filter = text(&row, "filter");
        let taken = Syntax::parse(filter);
        match text(&row, "expect") {
            "accept" => {
                let syntax = taken.unwrap_or_else(|e| panic!("{e}"));
                let printed = syntax.to_string();
                let again = Syntax::parse(&printed).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(again, syntax, "{printed}");
            }
            _ => assert!(taken.is_err(), "{filter} is {taken:?}"),
        }
    }
}

#[test]
fn the_peers_find_the_same_filters_right_and_wrong() {
    for row in vectors("filter_compile_vectors.json") {
        // Fields of the peers' own tests stand for a text and for bytes.
        let filter = text(&row, "filter")
            .replace("c.true", "fd.name")
            .replace("c.false", "fd.name")
            .replace("c.buffer", "evt.buffer");
        if text(&row, "kind") == "compile" {
            let wrong = Filter::parse(&filter).is_err();
            assert_eq!(Some(wrong), row["expect_fail"].as_bool(), "{filter}");
        } else {
            let (node, _) = parse::words(text(&row, "filter")).unwrap();
            assert_eq!(Some(holds(&node)), row["expect"].as_bool(), "{filter}");
        }
    }
}

/// With the fields of the peers' tests, whose names say whether they match.
fn holds(node: &Node) -> bool {
    match node {
        Node::Or(parts) => parts.iter().any(holds),
        Node::And(parts) => parts.iter().all(holds),
        Node::Not(inner) => !holds(inner),
        Node::Macro(_) => false,
        Node::Check(check) => check_holds(check),
    }
}

fn check_holds(check: &Check) -> bool {
    let (Term::Field { name, .. }, Op::Eq, Right::Value(value)) =
        (&check.left, check.op, &check.right)
    else {
        panic!("{check} is not of these tests");
    };
    match name.as_str() {
        "c.true" => true,
        "c.singlequote" => value.bytes == b"hello 'quoted'",
        "c.doublequote" => value.bytes == b"hello \"quoted\"",
        _ => false,
    }
}

/// The grammar's corners, as texts of our own.
#[test]
fn corners_of_the_grammar_are_taken_or_refused() {
    for taken in [
        "a",
        "(a)or(b)or(c)",
        "not not(not not a)",
        "a.b=1 or b.b=2 and c",
        "a.b in (1, 'a', b.c)",
        "a.b[\"\"] = empty",
        "a.b = !0.1222e+10",
        "a.b = 0xAAA.1",
        "a.b > 1.2",
        "a.b pmatch()",
        "b64( b64(a.b )) exists",
        "len(toupper(join(\"-\", (a.b, c.d)))) = 10",
        "a.b intersects b64(c.d)",
        "a.b = val(c.d[1])",
        "a.b contains anyof names",
        "a.b = \"a \\\\ b\"",
        "getopt(a.b, \"nt:\")[t] = x",
    ] {
        assert!(Syntax::parse(taken).is_ok(), "{taken}");
    }
    for refused in [
        "",
        "and a",
        "a andb",
        "a b",
        "a or not",
        "a.b = a,",
        "a.b = a=",
        "a.b[ x ] = y",
        "a.b]] = y",
        "a.b >= 0aaaaa",
        "a.b > !0.1",
        "a.b in (,)",
        "a.b = (value)",
        "a.b exists something",
        "a.b ExIsTs",
        "macro > 12",
        "#a and b",
        "b64(val(a.b)) exists",
        "b64(a.b [1]) exists",
        "join() = foo",
        "a.b = val(val(c.d))",
        "a.b = val(c.d, e.f)",
        "a.b = val(c.d)[x]",
        "a.b == anyof and",
        "a.b < anyof (1)",
    ] {
        let taken = Syntax::parse(refused);
        assert!(taken.is_err(), "{refused} is {taken:?}");
    }
}
