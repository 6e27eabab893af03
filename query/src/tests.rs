//! The language by example: what filters select, how they print, what errors say.

use crate::story::{self, story};
use crate::*;

fn error(text: &str) -> FilterError {
    Filter::parse(text).expect_err(text)
}

#[test]
fn time_since_another_event_is_counted_from_the_one_that_was_asked_before() {
    let mut story = story();
    let times = [10, 11, 13, 16, 20, 25, 31, 38, 46_u64];
    for (event, time) in story.events.iter_mut().zip(times) {
        event.time.0 = time;
    }
    let ask = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        let (mut evaluator, mut anew) = (filter.evaluator(), filter.evaluator());
        let mut found = Vec::new();
        for at in 0..story.events.len() {
            let ctx = story.ctx(at);
            if text.contains("delta") {
                assert!(
                    filter.may_match_type(ctx.schema, ctx.event.ty),
                    "{text}: of every type"
                );
                assert_eq!(
                    evaluator.by_head(&ctx),
                    None,
                    "{text}: every event is asked"
                );
            }
            let matches = evaluator.matches(&ctx);
            assert_eq!(anew.matches_anew(&ctx), matches);
            if matches {
                found.push(at + 1);
            }
        }
        found
    };
    // Of nothing before it, no time has passed.
    assert_eq!(ask("evt.deltatime = 0"), [1]);
    assert_eq!(ask("evt.deltatime > 5"), [7, 8, 9]);
    assert_eq!(ask("not evt.deltatime.ns > 5"), [1, 2, 3, 4, 5, 6]);
    // Those of a kind: 11, 13 and 25.
    assert_eq!(ask("evt.type=openat"), [2, 3, 6]);
    assert_eq!(ask("evt.type=openat and evt.deltatime > 5"), [6]);
    assert_eq!(ask("evt.type=openat and evt.deltatime = 2"), [3]);
    // As it is written: here it is asked of every event.
    assert_eq!(ask("evt.deltatime = 5 and evt.type=openat"), [6]);
    assert_eq!(ask("evt.deltatime > 5 and evt.type=openat"), [0; 0]);
    // Two of them know nothing of one another. The second is not asked of 6, so that for 7 it counts from 5.
    assert_eq!(
        ask("evt.type=openat and evt.deltatime > 5 or evt.deltatime > 7"),
        [6, 7, 9]
    );
}

#[test]
fn filters_select_what_they_say() {
    let story = story();
    for (filter, expected) in [
        ("", vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("evt.type=openat", vec![2, 3, 6]),
        ("evt.type==openat and proc.name=sh", vec![2, 6]),
        // `and` binds tighter than `or`.
        (
            "evt.type=read or evt.type=openat and proc.name=nginx",
            vec![3, 8],
        ),
        (
            "(evt.type=read or evt.type=openat) and proc.name=nginx",
            vec![3],
        ),
        ("not not evt.type=read", vec![8]),
        ("evt.type=openat and(proc.name=nginx)", vec![3]),
        ("not(evt.type=openat)and proc.name=sh", vec![4, 5, 7]),
        // A missing field makes a comparison false, and its opposite true.
        ("fd.name!=zzz", vec![2, 4, 5, 6, 8]),
        ("fd.name exists", vec![2, 4, 5, 6, 8]),
        ("not fd.name=/etc/shadow", vec![1, 3, 4, 5, 6, 7, 8, 9]),
        ("evt.type in (read, 'write')", vec![5, 8]),
        ("evt.num<=0x2 or evt.num > 8", vec![1, 2, 9]),
        ("evt.num in (1,2 , 3)", vec![1, 2, 3]),
        ("fd.port=https", vec![4, 5]),
        ("fd.port=40000", vec![4, 5]),
        ("fd.port!=443", vec![8]),
        ("fd.ip=10.0.0.5", vec![4, 5]),
        ("fd.net=10.0.0.0/8", vec![4, 5]),
        ("fd.sip=::1", vec![8]),
        ("fd.sport<1024", vec![4, 5, 8]),
        ("evt.failed=true", vec![3]),
        ("evt.res=ENOENT", vec![3]),
        ("evt.buffer contains \"GET /\"", vec![5]),
        ("fd.name < '/etd' and fd.name > \"/etc\"", vec![2]),
        ("tolower(proc.name)=sh and evt.type=connect", vec![4]),
        ("toupper(basename(fd.name)) = SHADOW", vec![2]),
        ("len(fd.name) = 11", vec![2]),
        ("len(evt.buffer)=val(evt.rawres)", vec![5, 8]),
        ("b64('R0VU') = GET and evt.buffer startswith GET", vec![5]),
        ("proc.name=val(proc.pname)", vec![]),
        ("proc.name!=val(proc.pname)", vec![2, 4, 5, 6, 7]),
        ("proc.ppid < val(proc.pid)", vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (
            "proc.exe=val(proc.name) and evt.num>3",
            vec![4, 5, 6, 7, 8, 9],
        ),
        ("join('-', (proc.name, evt.num)) = 'sh-2'", vec![2]),
        (
            "concat(fd.directory, '/', fd.filename) = /etc/shadow",
            vec![2],
        ),
        ("getopt(proc.args, 'c:')[c] = id and evt.num=2", vec![2]),
        ("getopt(proc.args, 'g') intersects (g)", vec![1, 3, 9]),
        ("evt.around[1700000000001500000]=1", vec![1, 2]),
        (
            "span.tag[0]=x or not mesos.task.name=y and evt.num=1",
            vec![1],
        ),
        ("fd.sproto=https", vec![4, 5]),
        ("evt.type=pread or evt.type=openat", vec![2, 3, 6]),
        (
            "evt.arg.flags=EXE_UPPER_LAYER or evt.type=execve and evt.arg.flags=0",
            vec![7],
        ),
        ("fd.proto=ssh", vec![8]),
        ("fd.types in (ipv4, file)", vec![2, 4, 5, 6]),
        ("fd.types[4] intersects (ipv4)", vec![4, 5]),
        ("proc.name startswith oneof (s, ss)", vec![2, 4, 5, 6, 7]),
        ("proc.name startswith anyof (ss, ng)", vec![1, 3, 8, 9]),
        ("proc.name startswith allof (s, ss)", vec![8]),
        ("proc.name startswith allof ()", vec![]),
        ("proc.name != allof (sh, sshd)", vec![1, 3, 9]),
        ("proc.name = oneof and evt.num=1", vec![]),
        ("proc.name in sh", vec![2, 4, 5, 6, 7]),
        ("proc.name in ()", vec![]),
        ("evt.num>3and(evt.num<5)", vec![4]),
        ("fd.name existsand evt.num<3", vec![2]),
        ("evt.buffer bcontains 48545450", vec![5]),
        ("evt.buffer bstartswith 5353482D", vec![8]),
        ("fd.name startswith /etc", vec![2]),
        ("fd.name endswith shadow", vec![2]),
        ("fd.name glob '/e*w'", vec![2]),
        ("fd.name iglob '/E*W'", vec![2]),
        ("proc.name regex 'ss?hd?'", vec![2, 4, 5, 6, 7, 8]),
        ("proc.name regex s", vec![]),
        ("proc.name regex 's{1}h' and evt.num<4", vec![2]),
        (
            "proc.name regex 's{2' or fd.name regex '/[a-z]{3}/sh.*'",
            vec![2],
        ),
        ("fd.name pmatch (/etc, /var)", vec![2]),
        ("proc.aname intersects (nginx, x)", vec![2, 4, 5, 6, 7]),
        ("proc.aname[1]=nginx", vec![2, 4, 5, 6, 7]),
        ("evt.arg.flags contains O_CREAT", vec![6]),
        ("evt.arg[2] contains O_CREAT", vec![6]),
        ("evt.rawarg.count>20", vec![8]),
        ("evt.rawarg.flags=0x41", vec![6]),
        ("evt.rawarg.path startswith /etc", vec![2]),
        ("evt.rawarg.path in (x, /nowhere)", vec![3, 6]),
        ("evt.arg.count<20", vec![5]),
        ("container.id!=host and evt.type=exit_group", vec![9]),
        ("container.name=host", vec![8]),
        ("evt.reltime<2ms", vec![1, 2]),
        ("evt.rawtime>=2023-11-14T22:13:20.008Z", vec![8, 9]),
        (r#"fd.name="/tmp/\"a b\"\xff\x1b\n\\""#, vec![6]),
    ] {
        assert_eq!(story.select(filter), expected, "{filter}");
    }
}

#[test]
fn a_filter_prints_in_one_way() {
    for (text, printed) in [
        ("  ", ""),
        ("evt.type == openat", "evt.type=openat"),
        (
            "((evt.type=read))or(proc.name=sh)",
            "evt.type=read or proc.name=sh",
        ),
        ("not not not evt.type=read", "not evt.type=read"),
        (
            "not (evt.type=read and proc.name=sh)",
            "not (evt.type=read and proc.name=sh)",
        ),
        (
            "(evt.type=a or evt.type=b) and not (evt.type=c or evt.type=d)",
            "(evt.type=a or evt.type=b) and not (evt.type=c or evt.type=d)",
        ),
        (
            "evt.type=a and (evt.type=b and evt.type=c)",
            "evt.type=a and evt.type=b and evt.type=c",
        ),
        ("fd.name!=''", "fd.name!=\"\""),
        ("fd.name = 'a b'", "fd.name=\"a b\""),
        ("evt.arg[flags] exists", "evt.arg.flags exists"),
        ("evt.arg.0=1", "evt.arg[0]=1"),
        ("evt.arg[how.flags]=0", "evt.arg.how.flags=0"),
        ("evt.dir=>", "evt.dir=\">\""),
        ("proc.name in(sh,'x y')", "proc.name in (sh, \"x y\")"),
        (
            "container.label['a.b/c d']=1",
            "container.label[\"a.b/c d\"]=1",
        ),
        ("container.label.a.b/c=1", "container.label[a.b/c]=1"),
        ("proc.name regex '\\\\d+'", "proc.name regex \"\\\\d+\""),
        ("fd.name='a\\x5c'", "fd.name=\"a\\x5c\""),
        (
            "join( \",\" ,(proc.name,proc.pid ))=x",
            "join(\",\", (proc.name, proc.pid))=x",
        ),
        (
            "getopt(proc.args,'ab:')['a'] exists",
            "getopt(proc.args, \"ab:\")[a] exists",
        ),
        ("proc.name = val( proc.pname )", "proc.name=val(proc.pname)"),
        (
            "proc.name=tolower(proc.pname)",
            "proc.name=tolower(proc.pname)",
        ),
        ("proc.name == anyof (sh,b)", "proc.name = anyof (sh, b)"),
        ("fd.name endswith allof sh", "fd.name endswith allof (sh)"),
    ] {
        let filter = Filter::parse(text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(filter.print(), printed);
        assert_eq!(Filter::parse(printed).unwrap(), filter);
    }
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    for (text, place, message, remedy) in [
        (
            "prc.name=sh",
            "prc.name",
            "unknown field `prc.name`",
            "did you mean proc.name?",
        ),
        (
            "evt.type=a and evt.around[1]>1",
            ">",
            "`>` does not fit a field that holds a duration",
            "=",
        ),
        ("proc.name", "", "expected an operator", "for example"),
        (
            "proc.name and evt.type=a",
            "and",
            "expected an operator",
            "for example",
        ),
        (
            "proc.name startwith a",
            "startwith",
            "unknown operator `startwith`",
            "did you mean startswith?",
        ),
        (
            "fd.ip<3",
            "<",
            "`<` does not fit a field that holds an address",
            "exists",
        ),
        (
            "evt.buffer icontains a",
            "icontains",
            "`icontains` does not fit a field that holds bytes",
            "bcontains",
        ),
        (
            "evt.num contains 3",
            "contains",
            "`contains` does not fit a field that holds a number",
            "<=",
        ),
        ("evt.num=many", "many", "`many` is not a number", "0x10"),
        (
            "evt.failed=yes",
            "yes",
            "`yes` is not true or false",
            "true or false",
        ),
        (
            "fd.ip=localhost",
            "localhost",
            "`localhost` is not an address",
            "10.0.0.1",
        ),
        ("fd.port=70000", "70000", "`70000` is not a port", "65535"),
        ("evt.reltime>soon", "soon", "`soon` is not a number", "0x10"),
        ("evt.reltime=soon", "soon", "`soon` is not a duration", "ms"),
        (
            "proc.name = 'a\\d'",
            "\\d",
            "means nothing in quotes",
            "\\\\ for a backslash",
        ),
        ("thread.cpu = 1.5", "1.5", "`1.5` is not a number", "0x10"),
        (
            "proc.name contains(sh)",
            "",
            "expected a blank",
            "behind the operator",
        ),
        (
            "tolowr(proc.name)=sh",
            "tolowr",
            "unknown function `tolowr`",
            "did you mean tolower?",
        ),
        (
            "tolower(proc.pid)=1",
            "tolower(proc.pid)",
            "`tolower` takes one text",
            "tolower(proc.name)=curl",
        ),
        (
            "tolower(proc.nam)=1",
            "proc.nam",
            "unknown field",
            "proc.name",
        ),
        (
            "len(proc.aname)=1",
            "len(proc.aname)",
            "`proc.aname` cannot be given to a function",
            "several",
        ),
        (
            "proc.aname=val(proc.name)",
            "proc.name",
            "`proc.aname` cannot be compared with another field",
            "several",
        ),
        (
            "proc.name=val(proc.pid)",
            "proc.pid",
            "text cannot be compared with a number",
            "both sides",
        ),
        (
            "proc.name regex val(proc.exe)",
            "proc.exe",
            "`regex` does not compare two fields",
            "a text or a list",
        ),
        (
            "tolower(proc.name)[a]=x",
            "tolower(proc.name)[a]",
            "`tolower` takes nothing in brackets",
            "getopt",
        ),
        (
            "join('-', proc.name)=x",
            "join('-', proc.name)",
            "`join` takes a text to put between, and a list",
            "join(",
        ),
        (
            "b64(proc.name",
            "(",
            "this bracket is not closed",
            "closing bracket",
        ),
        (
            "val(proc.name)=a",
            "val",
            "unknown function `val`",
            "tolower",
        ),
        ("shell=1", "shell", "unknown field `shell`", "fields"),
        (
            "evt.buffer bcontains 7f4",
            "7f4",
            "`7f4` is not an even number of hex digits",
            "7f454c46",
        ),
        (
            "proc.name regex '('",
            "'('",
            "is not a pattern for `regex`",
            "regex crate",
        ),
        (
            "proc.name regex 'a)|(b'",
            "'a)|(b'",
            "is not a pattern for `regex`",
            "regex crate",
        ),
        ("proc.name=", "", "expected a value", "quotes"),
        (
            "proc.name in 'sh'",
            "'sh'",
            "`in` needs a list in brackets",
            "proc.name in (sh, bash)",
        ),
        (
            "proc.name in (sh",
            "(",
            "this bracket is not closed",
            "closing bracket",
        ),
        (
            "(proc.name=sh",
            "(",
            "this bracket is not closed",
            "closing bracket",
        ),
        (
            "proc.name=sh)",
            ")",
            "expected `and`, `or` or the end",
            "quotes",
        ),
        (
            "proc.name=sh ad evt.type=a",
            "ad",
            "expected `and`, `or` or the end",
            "did you mean and?",
        ),
        (
            "proc.name='sh",
            "'sh",
            "this quote is not closed",
            "closing quote",
        ),
        (
            "evt.arg=1",
            "evt.arg",
            "`evt.arg` needs an argument",
            "evt.arg[0]",
        ),
        (
            "proc.name[1]=a",
            "proc.name[1]",
            "`proc.name` takes no argument",
            "write proc.name",
        ),
        (
            "evt.arg[=1",
            "evt.arg[=1",
            "the argument in brackets is empty or not closed",
            "evt.arg[0]",
        ),
        ("not", "", "expected a field", "proc.name=sh"),
        ("proc.name=a or", "", "expected a field", "proc.name=sh"),
    ] {
        let error = error(text);
        assert_eq!(&text[error.span()], place, "{error}");
        assert!(error.message().contains(message), "{error}");
        assert!(error.remedy().contains(remedy), "{error}");
        assert_eq!(error.to_string().lines().count(), 4);
    }
}

#[test]
fn what_the_user_wrote_reaches_no_terminal_raw() {
    let shown = error("proc.name=\"a\" \x1b[2J\u{202e}x").to_string();
    assert!(
        shown.chars().all(|c| !c.is_control() || c == '\n'),
        "{shown:?}"
    );
    assert!(!shown.contains('\u{202e}'));
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = |n: usize| format!("{}evt.num=1{}", "(".repeat(n), ")".repeat(n));
    assert!(Filter::parse(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(
        *error(&deep(MAX_DEPTH + 1)).kind(),
        FilterErrorKind::TooDeep
    );
    assert_eq!(*error(&deep(100_000)).kind(), FilterErrorKind::TooDeep);
    assert_eq!(
        *error(&"x".repeat(MAX_TEXT + 1)).kind(),
        FilterErrorKind::TooLong
    );
    let nots = format!("{}evt.num=1", "not ".repeat(10_000));
    assert_eq!(Filter::parse(&nots).unwrap().print(), "evt.num=1");
    let wide = vec!["evt.num=1"; 10_000].join(" or ");
    assert_eq!(story().select(&wide), [1]);
    assert_eq!(
        *error("proc.name regex '(a{1000}){1000}'").kind(),
        FilterErrorKind::BadPattern(Op::Regex)
    );
}

#[test]
fn a_nested_repetition_takes_linear_time() {
    let mut story = story();
    story.events[5].args[1] = story::bytes("a".repeat(100_000).as_bytes());
    assert_eq!(
        story.select("evt.arg.path regex '(a+)+$b'"),
        Vec::<usize>::new()
    );
}

#[test]
fn two_filters_joined_select_what_both_select() {
    let join = |a: &str, b: &str| {
        Filter::parse(a)
            .unwrap()
            .and(Filter::parse(b).unwrap())
            .print()
    };
    assert_eq!(
        join("evt.type=a or evt.type=b", "proc.name=sh"),
        "(evt.type=a or evt.type=b) and proc.name=sh"
    );
    assert_eq!(join("", "proc.name=sh"), "proc.name=sh");
    assert_eq!(join("", ""), "");
}

#[test]
fn what_the_known_fields_decide_is_left_out() {
    let filter =
        Filter::parse("proc.name!=x and evt.failed=true and (proc.name=a or fd.num=1)").unwrap();
    let known = [FieldRef::parse("proc.name").unwrap()];
    assert_eq!(
        filter.beyond(&known).print(),
        "evt.failed=true and (proc.name=a or fd.num=1)"
    );
    assert!(
        Filter::parse("proc.name exists")
            .unwrap()
            .beyond(&known)
            .is_all()
    );
}

#[test]
fn templates_print_pad_cut_and_leave_out() {
    let story = story();
    let print = |text: &str, at: usize| {
        Template::parse(text)
            .unwrap_or_else(|e| panic!("{e}"))
            .print(&story.ctx(at))
    };
    assert_eq!(print("%evt.num %proc.name", 1).as_deref(), Some("2 sh"));
    assert_eq!(
        print("[%5proc.name][%-3proc.name]", 2).as_deref(),
        Some("[nginx][ngi]")
    );
    assert_eq!(print("[%8proc.name]", 1).as_deref(), Some("[sh      ]"));
    assert_eq!(print("%fd.name", 0), None);
    assert_eq!(print("*%fd.name %evt.num", 0).as_deref(), Some("<NA> 1"));
    assert_eq!(print("%evt.num *%fd.name", 0).as_deref(), Some("1 <NA>"));
    assert_eq!(print("%evt.num *%fd.name %fd.num", 0), None);
    assert_eq!(
        print("100%% * %evt.type.", 1).as_deref(),
        Some("100% * openat.")
    );
    assert_eq!(
        print("%evt.arg[1]|%evt.arg.path|%proc.aname[1]", 1).as_deref(),
        Some("/etc/shadow|/etc/shadow|nginx")
    );
    assert_eq!(
        print(
            "%toupper(proc.name) [%4basename(fd.name)]%join(',', (proc.pid, evt.num))",
            1
        )
        .as_deref(),
        Some("SH [shad]102,2")
    );
    assert_eq!(
        print("%fd.name", 5).as_deref(),
        Some(r#"/tmp/"a b"\xff\x1b\n\\"#)
    );
}

#[test]
fn template_errors_name_the_place() {
    for (text, place) in [
        ("%proc.nam x", "proc.nam"),
        ("a %", ""),
        ("%5 x", ""),
        ("x %evt.arg", "evt.arg"),
        ("%evt.num %proc.name[3]", "proc.name[3]"),
        ("x %len(proc.pid)", "len(proc.pid)"),
        ("x %tolower(proc.nam)", "proc.nam"),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert_eq!(&text[error.span()], place, "{error}");
    }
}

#[test]
fn json_keeps_every_byte_and_shows_none_raw() {
    let story = story();
    let fields = [
        "evt.num",
        "proc.name",
        "fd.name",
        "evt.failed",
        "fd.port",
        "fd.ip",
    ]
    .map(|name| Shown::from(FieldRef::parse(name).unwrap()));
    assert_eq!(
        json_line(&fields, &story.ctx(3)),
        r#"{"evt.num":4,"proc.name":"sh","fd.name":"10.0.0.5:40000->93.184.216.34:443","evt.failed":false,"fd.port":[40000,443],"fd.ip":["10.0.0.5","93.184.216.34"]}"#
    );
    assert_eq!(
        json_line(&fields[2..3], &story.ctx(0)),
        r#"{"fd.name":null}"#
    );
    assert_eq!(
        json_line(&fields[2..3], &story.ctx(5)),
        r#"{"fd.name":{"hex":"2f746d702f2261206222ff1b0a5c"}}"#
    );
    assert_eq!(
        json_text("é\u{1b}\"\\\u{202e}\u{9b}😀".as_bytes()),
        r#""é\u001b\"\\\u202e\u009b\ud83d\ude00""#
    );
}

#[test]
fn completion_offers_what_the_parser_would_take() {
    let offers = |text: &str| {
        complete(text, text.len())
            .into_iter()
            .map(|c| c.text)
            .collect::<Vec<_>>()
    };
    assert!(offers("").contains(&"proc.name".to_owned()));
    assert!(offers("proc.na").starts_with(&["proc.name".to_owned()]));
    assert!(offers("evt.type=a and (fd.na").contains(&"fd.name".to_owned()));
    assert!(offers("tolow").starts_with(&["tolower(".to_owned()]));
    assert!(offers("tolower(proc.na").starts_with(&["proc.name".to_owned()]));
    assert!(offers("len(proc.name) ").contains(&"<".to_owned()));
    assert!(offers("proc.name=val(proc.pna").starts_with(&["proc.pname".to_owned()]));
    assert!(offers("proc.name sta").starts_with(&["startswith".to_owned()]));
    assert!(!offers("evt.num ").contains(&"contains".to_owned()));
    assert!(offers("evt.type=opena").starts_with(&["openat".to_owned()]));
    assert!(offers("evt.type in (read, opena").starts_with(&["openat".to_owned()]));
    assert!(offers("evt.res=ENOE").contains(&"ENOENT".to_owned()));
    assert_eq!(offers("evt.failed="), ["true", "false"]);
    assert_eq!(offers("proc.name=sh a"), ["and "]);
    assert_eq!(offers("proc.name='a b"), Vec::<String>::new());
    let candidate = &complete("not (fd.nam=x", 11)[0];
    assert_eq!(
        (candidate.text.as_str(), candidate.replace.clone()),
        ("fd.name", 5..11)
    );
}

#[test]
fn a_type_is_ruled_out_only_by_what_it_alone_decides() {
    let schema = afterimage_model::Schema::current();
    let may = |filter: &str, ty: &str| {
        Filter::parse(filter)
            .unwrap()
            .may_match_type(schema, schema.type_id(ty).unwrap())
    };
    assert!(may("evt.type=openat and proc.name=sh", "openat"));
    assert!(!may("evt.type=openat and proc.name=sh", "read"));
    assert!(may("evt.type=openat or proc.name=sh", "read"));
    assert!(!may("not (evt.type=read or proc.name=sh)", "read"));
    assert!(may("not (evt.type=read and proc.name=sh)", "read"));
    assert!(may("", "read"));
}

#[test]
fn an_unclear_text_says_how_it_was_read() {
    let notes = |text: &str| {
        let filter = Filter::parse(text).unwrap_or_else(|e| panic!("{e}"));
        let say = |note: &Note| format!("{}: {}", &text[note.span.clone()], note.message());
        filter.notes().iter().map(say).collect::<Vec<_>>()
    };
    assert_eq!(
        notes("evt.num=1 or evt.num=2 and evt.num=3"),
        [
            "evt.num=1 or evt.num=2 and evt.num=3: `and` binds tighter than `or`: read as (evt.num = 1 or (evt.num = 2 and evt.num = 3))"
        ]
    );
    assert!(notes("evt.num=1 or (evt.num=2 and evt.num=3)").is_empty());
    assert_eq!(
        notes("not not evt.num=1"),
        ["not not evt.num=1: each `not` turns the one after it round: read as evt.num = 1"]
    );
    for (text, number) in [
        ("evt.source = evt.plugininfo", 1),
        ("evt.source = 'tolower(evt.plugininfo)'", 1),
        ("evt.source regex syscall", 1),
        ("evt.source regex ^syscall$", 1),
        ("evt.source regex .*syscall", 1),
        ("evt.source regex syscall.?", 1),
        ("evt.source regex .+syscall.+", 1),
        ("evt.source = unknown.field", 0),
        ("evt.source = tolower", 0),
        ("evt.source = tolower(evt.plugininfo)", 0),
        ("evt.source = 'tolow(evt.plugininfo)'", 0),
        ("evt.source regex syscall.{1}", 0),
        ("evt.source regex syscall\\.*", 0),
        ("evt.source regex s.*l", 0),
    ] {
        assert_eq!(notes(text).len(), number, "{text}");
    }
}

#[test]
fn every_example_of_a_function_and_a_modifier_parses() {
    let examples = FUNCTIONS.iter().map(|row| (row.text, row.example));
    for (text, example) in examples.chain(MODIFIERS.iter().map(|row| (row.text, row.example))) {
        assert!(example.contains(text));
        Filter::parse(example).unwrap_or_else(|e| panic!("{e}"));
    }
}
