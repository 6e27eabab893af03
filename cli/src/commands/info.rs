//! `afterimage info`: what a capture is, what is in it, what is missing from it, and whether it is sealed.

use crate::cache::Caching;
use crate::custody::hex;
use crate::failure::{Exit, Failure, Outcome};
use crate::json::Object;
use crate::keyring;
use crate::moment::Zone;
use crate::opening;
use crate::output::Output;
use crate::recording::books;
use crate::source::{Source, each, unreadable};
use crate::table::{Align, Table};
use crate::units::{plural, show_count};
use afterimage_format::{Note, Parent, PublicKey};
use afterimage_indexer::{Progress, Session, bytes_text, duration_text};
use afterimage_model::fields::by_name;
use afterimage_model::{
    BootNs, Class, Container, Ctx, Dependency, Event, EventFlags, FIELDS, FieldArg, GapCause,
    Manifest, Origin, Process, Safe, Tables, TypeId,
};
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  afterimage info web.aft
  afterimage info --state web.aft     # what was open and mounted at the start
  afterimage info --tz host web.aft   # times in the zone of the recorded host
  afterimage info --json *.aft | jq '.\"capture.file\", .\"capture.events\"'";

/// Say what a capture is: host, time, scope, containers, counts, losses, integrity
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Info {
    /// Captures; `-` reads a pipe
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// One JSON object a capture
    #[arg(long)]
    json: bool,
    /// Do not read the events: no counts by kind
    #[arg(long)]
    quick: bool,
    /// Also what was there when the recording began: open descriptors, sockets, mounts
    #[arg(long, conflicts_with = "json")]
    state: bool,
    /// Zone of the times: utc, local, host, or an offset such as +02:00
    #[arg(long, value_name = "ZONE", default_value = "utc", value_parser = Zone::parse)]
    tz: Zone,
    #[command(flatten)]
    caching: Caching,
}

impl Info {
    /// Says.
    pub fn run(self, out: &mut Output) -> Outcome {
        self.caching.apply();
        let mut first = true;
        each(&self.files, |file| {
            let source = Source::open(file)?;
            let counts = if self.quick {
                None
            } else {
                Some(Counts::of(&source).map_err(|e| unreadable(file, &e))?)
            };
            if self.json {
                writeln!(out, "{}", json(file, &source, counts.as_ref()))?;
            } else {
                if !std::mem::take(&mut first) {
                    writeln!(out)?;
                }
                print(out, file, &source, counts.as_ref(), self.tz, Extent::Full)?;
                if self.state {
                    opening::write(out, source.session.state())?;
                }
            }
            out.flush()?;
            Ok(if source.loss().is_some() {
                Exit::Loss
            } else {
                Exit::Done
            })
        })
    }
}

/// Events by class, and failed ones.
struct Counts {
    classes: BTreeMap<Class, u64>,
    execs: u64,
    errors: u64,
}

impl Counts {
    fn of(source: &Source) -> Result<Counts, afterimage_indexer::Error> {
        let mut counts = Counts {
            classes: BTreeMap::new(),
            execs: 0,
            errors: 0,
        };
        let exec = ["execve", "execveat"].map(|name| source.session.schema().type_id(name));
        let mut each = |ctx: &Ctx<'_>| {
            *counts
                .classes
                .entry(ctx.ty().map_or(Class::Other, |ty| ty.class()))
                .or_default() += 1;
            counts.errors += u64::from(ctx.event.errno().is_some());
            counts.execs +=
                u64::from(ctx.event.errno().is_none() && exec.contains(&Some(ctx.event.ty)));
            true
        };
        source
            .session
            .scan(None, None, 1, &Progress::default(), &mut each)?;
        Ok(counts)
    }
}

/// Prints what a person wants to know before opening a capture, losses and integrity first. How it was recorded, and with
/// what, is only counted.
pub fn describe(out: &mut Output, file: &Path, source: &Source) -> Result<(), Failure> {
    let counts = Counts::of(source).map_err(|error| unreadable(file, &error))?;
    Ok(print(
        out,
        file,
        source,
        Some(&counts),
        Zone::Utc,
        Extent::Short,
    )?)
}

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What is in it and what is missing.
    Short,
    /// Also each thing the recorder saw or could not see, and the limits it kept to.
    Full,
}

/// The parts that say something.
fn joined<const N: usize>(parts: [String; N], between: &str) -> String {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(between)
}

/// Which machine was recorded, as far as that is known.
fn host(m: &Manifest) -> String {
    let system = ["Linux", &m.kernel, &m.machine].map(|part| safe(part.trim()));
    let cpus = match m.cpus {
        0 => String::new(),
        cpus => plural(cpus.into(), "CPU"),
    };
    joined([safe(&m.host), joined(system, " "), cpus], ", ")
}

fn print(
    out: &mut Output,
    file: &Path,
    source: &Source,
    counts: Option<&Counts>,
    zone: Zone,
    extent: Extent,
) -> std::io::Result<()> {
    let session = &source.session;
    let m = session.manifest();
    let span = session.span();
    let took = span.map_or(0, |(first, last)| last.saturating_sub(first));
    let integrity = if session.has_no_seal() {
        "no seal: nothing in the capture of another program shows whether it was changed".to_owned()
    } else {
        let sealed = if session.totals().is_some() {
            out.good("sealed")
        } else {
            out.warning("not sealed: the recorder died or the tail is missing")
        };
        format!("{sealed} (afterimage verify checks every byte)")
    };
    let lost = match source.loss() {
        Some(text) => out.warning(&text),
        None => out.good("none known"),
    };
    let mut lines: Vec<(&str, String)> = vec![
        ("Capture", crate::failure::shown(file)),
        ("Id", safe(&m.capture_id)),
        ("Integrity", integrity),
        ("Signed", signed(source)),
        ("Lost", lost),
        ("Host", host(m)),
        ("Boot", safe(&m.boot_id)),
    ];
    if !m.machine_id.is_empty() {
        lines.push(("Installation", safe(&m.machine_id)));
    }
    let steps = (session.gaps().iter()).filter(|gap| gap.cause == GapCause::ClockStep);
    let mut clock = safe(&m.clock_sync);
    if let Some(last) = steps.clone().next_back() {
        let comma = if clock.is_empty() { "" } else { "; " };
        let times = plural(steps.count() as u64, "time");
        clock = format!(
            "{clock}{comma}set {times}, the last: {}",
            safe(&last.detail)
        );
    }
    if !clock.is_empty() {
        lines.push(("Clock", clock));
    }
    if let Some((first, last)) = span {
        lines.push(("First event", zone.full(m, m.wall_ns(first))));
        lines.push((
            "Last event",
            format!(
                "{} ({} later)",
                zone.full(m, m.wall_ns(last)),
                duration_text(took.into())
            ),
        ));
    }
    lines.push(("Events", show_count(session.events())));
    if let Some(counts) = counts.filter(|counts| !counts.classes.is_empty()) {
        let list: Vec<String> = counts
            .classes
            .iter()
            .map(|(class, n)| format!("{} {}", show_count(*n), class.name()))
            .collect();
        lines.push(("of which", list.join(", ")));
        lines.push((
            "",
            format!(
                "{} executed, {} failed",
                plural(counts.execs, "program"),
                plural(counts.errors, "call")
            ),
        ));
    }
    if let Some(texts) = text_filters(session).filter(|_| extent == Extent::Full) {
        lines.push(("Texts", texts));
    }
    if let Some(opening) = opening::summary(session.state()) {
        lines.push(("At start", opening));
    }
    if let Some(totals) = session.totals() {
        lines.push(("Books", books(totals)));
    }
    for (name, value) in [
        ("Scope", &m.scope),
        ("Filter", &m.filter),
        ("Trigger", &m.trigger),
        ("Reason", &m.reason),
        ("Operator", &m.operator),
        ("Case", &m.case_id),
    ] {
        if !value.is_empty() {
            lines.push((name, safe(value)));
        }
    }
    let remarks: Vec<&Note> = remarks(source).collect();
    let when = |note: &Note| {
        let at = note.about.map(|about| m.wall_ns(about.0));
        at.map_or_else(String::new, |ns| {
            format!("{}: ", zone.civil(m, ns).time_of_day())
        })
    };
    for (at, note) in remarks.iter().take(MOST_REMARKS).enumerate() {
        let name = if at == 0 { "Notes" } else { "" };
        lines.push((name, format!("{}{}", when(note), safe(&note.text))));
    }
    if let Some(more) = remarks.len().checked_sub(MOST_REMARKS).filter(|n| *n > 0) {
        let text = format!("and {more} more (the bookmarks of afterimage inspect)");
        lines.push(("", text));
    }
    if !source.lineage.recipients.is_empty() {
        lines.push(("Encrypted to", safe(&source.lineage.recipients.join(", "))));
    }
    if let Some(seal) = source.seal.as_ref().filter(|seal| seal.real_ns != 0) {
        lines.push((
            "Ended",
            joined([zone.full(m, seal.real_ns), safe(&seal.ended)], ": "),
        ));
    }
    for (at, parent) in parents(source).into_iter().enumerate() {
        lines.push((if at == 0 { "Derived" } else { "" }, parent));
    }
    let custody = source.notes.iter().filter(|note| !note.action.is_empty());
    let actions: Vec<String> = custody.map(|note| safe(&note.action)).collect();
    if !actions.is_empty() {
        let text = actions.join(", ");
        lines.push((
            "Custody",
            format!("{text} (afterimage custody shows and checks it)"),
        ));
    }
    lines.push((
        "Recorded by",
        match m.command.as_slice() {
            [] => safe(&m.tool),
            command => format!("{} ({})", safe(&m.tool), safe(&command.join(" "))),
        },
    ));
    let limits: Vec<String> = m
        .limits
        .iter()
        .map(|(name, value)| format!("{} {}", safe(name), safe(value)))
        .collect();
    match extent {
        Extent::Full => lines.push(("Limits", limits.join(", "))),
        Extent::Short if m.coverage.is_empty() => {}
        Extent::Short => {
            let kinds = plural(m.coverage.len() as u64, "source");
            let text =
                format!("{kinds} of events (afterimage info names them, and what cannot be seen)");
            lines.push(("Seen", text));
        }
    }
    // What another program recorded does not say all of it.
    lines.retain(|(_, value)| !value.is_empty());
    for (name, value) in &lines {
        let name = out.bold(&format!("{name:<12}"));
        let value = out.within(value, 13);
        writeln!(out, "{name} {value}")?;
    }
    let told = [("Seen", &m.coverage), ("Not seen", &m.not_covered)];
    for (name, sentences) in told.iter().filter(|_| extent == Extent::Full) {
        for (at, sentence) in sentences.iter().enumerate() {
            let name = out.bold(&format!("{:<12}", if at == 0 { name } else { "" }));
            let sentence = out.within(&safe(sentence), 13);
            writeln!(out, "{name} {sentence}")?;
        }
    }
    let containers = &session.state().containers;
    if !containers.is_empty() {
        writeln!(out)?;
        let mut table = Table::new([
            ("Container", Align::Left),
            ("Name", Align::Left),
            ("Runtime", Align::Left),
            ("Image", Align::Left),
            ("Seen", Align::Left),
            ("Gone", Align::Left),
        ]);
        for container in containers.values() {
            table.row(container_row(container, |ns| {
                zone.civil(m, m.wall_ns(ns)).time_of_day()
            }));
        }
        table.write(out)?;
        for container in containers.values() {
            let name = safe(container.short_id());
            for (label, value) in facts(session, container) {
                out.told(&format!("{name}  {label} {value}"))?;
            }
            for (label, value) in &container.labels {
                writeln!(out, "{name}  label {}={}", safe(label), safe(value))?;
            }
        }
    }
    Ok(())
}

/// What its zone maps say of texts. Of the capture of another program nothing: what it would be told of is our copy.
fn text_filters(session: &Session) -> Option<String> {
    let told = session.text_filters();
    if session.has_no_seal() || told.chunks == 0 {
        return None;
    }
    let chunks = plural(told.chunks, "chunk");
    if told.filters == 0 {
        return Some(format!(
            "without an index a search reads all of {chunks}: none has a filter of its texts"
        ));
    }
    let thousandths = told.bytes.saturating_mul(1_000) / told.of_bytes.max(1);
    Some(format!(
        "filters in {} of {chunks}, {} ({}.{} % of them): a search passes over those without its texts",
        show_count(told.filters),
        bytes_text(told.bytes.into()),
        thousandths / 10,
        thousandths % 10
    ))
}

/// Remarks that are printed; all are in the JSON.
const MOST_REMARKS: usize = 16;

/// What was noted of it by who recorded it or looked at it: each trigger that fired, and bookmarks.
fn remarks(source: &Source) -> impl Iterator<Item = &Note> {
    source.notes.iter().filter(|note| note.action.is_empty())
}

/// Who signed it, as it says itself.
fn signed(source: &Source) -> String {
    if source.lineage.signer.is_empty() {
        return "no".to_owned();
    }
    let hex = hex(&source.lineage.signer);
    let name = PublicKey::from_hex(&hex)
        .ok()
        .and_then(|key| keyring::name_of(&key, &keyring::known()));
    match name {
        Some(name) => format!("by {name}, a key known here: {hex}"),
        None => format!("by an unknown key: {hex}"),
    }
}

/// What it was made from, one line each.
fn parents(source: &Source) -> Vec<String> {
    let lineage = &source.lineage;
    let by = safe(&lineage.derived_by);
    if lineage.parents.is_empty() && !lineage.parent.is_empty() {
        return vec![format!("by {by} from BLAKE3 {}", hex(&lineage.parent))];
    }
    let one = |parent: &Parent| {
        format!(
            "by {by} from {} (BLAKE3 {}; {})",
            safe(&parent.name),
            hex(&parent.hash),
            safe(&parent.verdict)
        )
    };
    lineage.parents.iter().map(one).collect()
}

/// Fields that `info` prints of each container, with their titles; what is not known, or usual, is not worth a line.
const FACTS: &[(&str, &str)] = &[
    ("digest", "container.image.digest"),
    ("pod", "k8s.pod.name"),
    ("namespace", "k8s.ns.name"),
    ("command", "container.command"),
    ("user", "container.user"),
    ("host name", "container.hostname"),
    ("privileged", "container.privileged"),
    ("added", "container.cap_add"),
    ("taken", "container.cap_drop"),
    ("capabilities", "container.cap_effective"),
    ("seccomp", "container.seccomp"),
    ("AppArmor", "container.apparmor"),
    ("read-only", "container.read_only"),
    ("no new privileges", "container.no_new_privileges"),
    ("network", "container.network_mode"),
    ("pids", "container.pid_mode"),
    ("users", "container.userns_mode"),
    ("address", "container.ip"),
    ("ports", "container.ports"),
    ("mounts", "container.mounts"),
    ("memory limit", "container.limit.memory"),
    ("CPU limit, thousandths", "container.limit.cpu"),
    ("CPUs", "container.limit.cpuset"),
    ("pids limit", "container.limit.pids"),
    ("restarts", "container.restart_policy"),
    ("exit code", "container.exit_code"),
    ("out of memory", "container.oom_killed"),
];

/// A row that is in a container and stands for no process: what fields of containers are asked of.
struct Asked {
    tables: Tables,
    event: Event,
}

impl Asked {
    fn about(container: &Container) -> Asked {
        let nobody = Process {
            container: Some(container.id),
            origin: Origin::Runtime,
            ..Process::default()
        };
        let mut tables = Tables::default();
        tables
            .containers
            .insert(container.id, Arc::new(container.clone()));
        tables.procs.insert(nobody.id, Arc::new(nobody));
        let event = Event {
            time: BootNs(container.first_seen_ns),
            cpu: Event::NO_CPU,
            flags: EventFlags(EventFlags::TOLD),
            ..Event::of_type(TypeId(u16::MAX))
        };
        Asked { tables, event }
    }

    fn ctx<'a>(&'a self, session: &'a Session) -> Ctx<'a> {
        Ctx {
            manifest: session.manifest(),
            schema: session.schema(),
            tables: &self.tables,
            event: &self.event,
            num: 0,
            first_ns: 0,
            previous_ns: 0,
        }
    }
}

/// What is worth telling of a container beyond its row, safe to print.
fn facts(session: &Session, container: &Container) -> Vec<(&'static str, String)> {
    let asked = Asked::about(container);
    let ctx = asked.ctx(session);
    let usual = ["", "0", "false", "private", "no"];
    let all = FACTS.iter().filter_map(|(title, name)| {
        let value = (by_name(name)?.get)(&ctx, None)?;
        let text = Safe::new(value.text().as_ref()).to_string();
        (!usual.contains(&text.as_str())).then_some((*title, text))
    });
    all.collect()
}

fn container_row(c: &Container, time: impl Fn(u64) -> String) -> [String; 6] {
    let image = match (c.image.as_str(), c.unresolved.as_str()) {
        ("", "") => "(no runtime described it)".to_owned(),
        ("", why) => format!("({why})"),
        (image, _) => image.to_owned(),
    };
    [
        safe(c.short_id()),
        safe(&c.name),
        safe(&c.runtime),
        safe(&image),
        time(c.first_seen_ns),
        if c.removed_ns == 0 {
            "—".to_owned()
        } else {
            time(c.removed_ns)
        },
    ]
}

fn safe(text: &str) -> String {
    Safe::new(text).to_string()
}

fn json(file: &Path, source: &Source, counts: Option<&Counts>) -> String {
    let session = &source.session;
    let m = session.manifest();
    let mut o = Object::new();
    o.text("capture.file", file.as_os_str().as_encoded_bytes())
        .text("capture.id", &m.capture_id);
    if !source.lineage.signer.is_empty() {
        o.text("capture.signer", hex(&source.lineage.signer));
    }
    if !source.lineage.recipients.is_empty() {
        o.texts("capture.encrypted_to", &source.lineage.recipients);
    }
    if let Some(seal) = source.seal.as_ref().filter(|seal| seal.real_ns != 0) {
        o.number("capture.sealed_ns", seal.real_ns)
            .text("capture.ended", &seal.ended);
    }
    if !source.lineage.derived_by.is_empty() {
        o.text("capture.derived_by", &source.lineage.derived_by);
        let named = source
            .lineage
            .parents
            .iter()
            .map(|parent| hex(&parent.hash));
        let mut from: Vec<String> = named.collect();
        if from.is_empty() {
            from.push(hex(&source.lineage.parent));
        }
        o.texts("capture.parents", from);
    }
    o.truth(
        "capture.sealed",
        session.totals().is_some() && !session.has_no_seal(),
    )
    .number("capture.events", session.events());
    if !session.has_no_seal() {
        let told = session.text_filters();
        o.number("capture.chunks", told.chunks)
            .number("capture.text_filters", told.filters)
            .number("capture.text_filters.bytes", told.bytes);
    }
    if let Some((first, last)) = session.span() {
        o.number("capture.first_ns", m.wall_ns(first))
            .number("capture.last_ns", m.wall_ns(last));
    }
    o.number("capture.gaps", session.gaps().len() as u64);
    match session
        .gaps()
        .iter()
        .map(|gap| gap.count)
        .collect::<Option<Vec<u64>>>()
    {
        Some(counts) => o.number(
            "capture.lost",
            counts.iter().fold(0u64, |sum, n| sum.saturating_add(*n)),
        ),
        None => o.raw("capture.lost", "null"),
    };
    if let Some(t) = session.totals() {
        for (name, n) in [
            ("offered", t.offered),
            ("written", t.written),
            ("dropped", t.dropped),
            ("filtered", t.filtered),
            ("unsealed", t.unsealed),
            ("spared_self", t.spared_self),
            ("spared_scope", t.spared_scope),
            ("told", t.told),
            ("sampled", t.sampled),
        ] {
            o.number(&format!("totals.{name}"), n);
        }
    }
    for (name, value) in [
        ("host.name", &m.host),
        ("host.kernel", &m.kernel),
        ("host.machine", &m.machine),
        ("host.boot_id", &m.boot_id),
        ("host.time_zone", &m.time_zone),
        ("host.machine_id", &m.machine_id),
        ("host.clock_sync", &m.clock_sync),
        ("record.tool", &m.tool),
        ("record.tool_hash", &m.tool_hash),
        ("record.scope", &m.scope),
        ("record.filter", &m.filter),
        ("record.trigger", &m.trigger),
        ("record.reason", &m.reason),
        ("record.operator", &m.operator),
        ("record.case", &m.case_id),
    ] {
        o.text(name, value);
    }
    o.texts("record.command", &m.command)
        .texts("record.coverage", &m.coverage)
        .texts("record.not_covered", &m.not_covered);
    for (name, value) in &m.limits {
        o.text(&format!("record.limit.{name}"), value);
    }
    if let Some(counts) = counts {
        for (class, n) in &counts.classes {
            o.number(&format!("events.{}", class.name()), *n);
        }
        o.number("events.executed", counts.execs)
            .number("events.failed", counts.errors);
    }
    let containers: Vec<String> = session
        .state()
        .containers
        .values()
        .map(|c| container_json(session, c))
        .collect();
    let notes: Vec<String> = remarks(source).map(|note| note_json(m, note)).collect();
    o.raw("notes", &format!("[{}]", notes.join(",")))
        .raw("containers", &format!("[{}]", containers.join(",")));
    o.end()
}

fn note_json(manifest: &Manifest, note: &Note) -> String {
    let mut o = Object::new();
    if note.made_ns != 0 {
        o.number("note.made_ns", note.made_ns);
    }
    if let Some(about) = note.about {
        o.number("note.about_ns", manifest.wall_ns(about.0));
    }
    o.text("note.author", &note.author)
        .text("note.text", &note.text);
    o.end()
}

fn container_json(session: &Session, c: &Container) -> String {
    let mut o = Object::new();
    for (name, value) in [
        ("container.full_id", &c.full_id),
        ("container.name", &c.name),
        ("container.type", &c.runtime),
        ("container.image", &c.image),
        ("container.image.id", &c.image_id),
        ("container.image.digest", &c.image_digest),
        ("container.ip", &c.ip),
        ("container.cgroup", &c.cgroup),
        ("k8s.pod.name", &c.pod_name),
        ("k8s.ns.name", &c.pod_namespace),
        ("unresolved", &c.unresolved),
    ] {
        if !value.is_empty() {
            o.text(name, value);
        }
    }
    let asked = Asked::about(c);
    let ctx = asked.ctx(session);
    // Every other field that the container alone decides.
    let said = [
        "container.full_id",
        "container.name",
        "container.type",
        "container.image",
        "container.image.id",
        "container.image.digest",
        "container.ip",
        "container.cgroup",
        "container.labels",
        "container.annotations",
        "container.unresolved",
        "k8s.pod.name",
        "k8s.ns.name",
    ];
    let more = FIELDS.iter().filter(|field| {
        let about = field.name.starts_with("container.") || field.name.starts_with("k8s.");
        about
            && field.on == Dependency::Process
            && field.arg == FieldArg::None
            && !said.contains(&field.name)
    });
    for field in more {
        if let Some(value) = (field.get)(&ctx, None) {
            o.field(field.name, &value);
        }
    }
    for (name, value) in &c.labels {
        o.text(&format!("container.label.{name}"), value);
    }
    for (name, value) in &c.annotations {
        o.text(&format!("container.annotation.{name}"), value);
    }
    o.end()
}
