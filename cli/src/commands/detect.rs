//! `afterimage detect`: runs Falco rule files over captures.

use super::When;
use crate::cache::Caching;
use crate::failure::{Exit, Failure, Outcome, escape_lines, shown};
use crate::moment::Zone;
use crate::output::{Output, say};
use crate::source::{Source, explain, filter};
use crate::units::plural;
use afterimage_detect::{
    Alerts, Detector, JsonParts, Matching, Priority, Report, Rule, Rules, Selection, load,
    results_json, text,
};
use afterimage_indexer::{Progress, Ruled, Span};
use afterimage_model::Ctx;
use afterimage_query::{Filter, json_text};
use clap::Args;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

const EXAMPLES: &str = "\
Examples:
  afterimage detect web.aft --rules falco_rules.yaml
  afterimage detect captures/ --rules rules.d --json | jq .rule
  afterimage detect web.aft --rules a.yaml --rules b.yaml --priority warning
  afterimage detect web.aft --rules a.yaml --rule 'Terminal shell*' --all
  afterimage detect --validate --rules falco_rules.yaml

Rule files are read in the order given, and those of a folder by name: later
ones may extend and override what earlier ones define. With -q nothing is
printed and the exit code says whether there was an alert (0) or none (1).";

/// Endings of files that are taken for captures in a folder.
const CAPTURES: &[&str] = &["aft", "scap"];
/// Endings of files that are taken for rules in a folder.
const RULES: &[&str] = &["yaml", "yml"];
/// Most files that a folder may hold.
const MOST_FILES: usize = 1_000_000;
/// Bytes of alerts that are handed over at once, and how many of those may wait for each capture.
const BATCH: usize = 64 << 10;
const WAITING: usize = 16;

/// Run Falco rules over captures
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = "afterimage detect [OPTIONS] --rules FILE FILE|DIR...")]
pub struct Detect {
    /// Captures, and folders of captures
    #[arg(value_name = "FILE|DIR", required_unless_present = "validate")]
    captures: Vec<PathBuf>,
    /// A rule file, or a folder of them; may be given again
    #[arg(short, long, value_name = "FILE|DIR", required = true)]
    rules: Vec<PathBuf>,
    /// Only check the rules, and say what is wrong with them
    #[arg(long, conflicts_with_all = ["captures", "quiet"])]
    validate: bool,
    /// One JSON object a line, with Falco's keys
    #[arg(short, long)]
    json: bool,
    /// Only rules with this tag; may be given again
    #[arg(short, long, value_name = "TAG")]
    tag: Vec<String>,
    /// No rules with this tag; may be given again
    #[arg(short = 'T', long, value_name = "TAG")]
    no_tag: Vec<String>,
    /// Only rules of this name, * for any text; may be given again
    #[arg(long, value_name = "PATTERN")]
    rule: Vec<String>,
    /// No rules of this name, * for any text; may be given again
    #[arg(long, value_name = "PATTERN")]
    no_rule: Vec<String>,
    /// No rules less urgent than this: emergency, alert, critical, error, warning, notice, info, debug
    #[arg(long, value_name = "PRIORITY", value_parser = priority)]
    priority: Option<Priority>,
    /// Every rule that matches an event, not only the first
    #[arg(long)]
    all: bool,
    /// Only events that pass this filter too
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Times as ISO 8601
    #[arg(long)]
    iso8601: bool,
    /// Leave these keys out of JSON: output, output_fields, tags
    #[arg(long, value_name = "KEY", value_parser = ["output", "output_fields", "tags"])]
    without: Vec<String>,
    /// Captures that are read at once; as many as there are CPUs when not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print nothing; exit with 0 when there was an alert, 1 when there was none
    #[arg(short, long)]
    quiet: bool,
    /// Also say what is worth a word about the rules
    #[arg(short, long)]
    verbose: bool,
    /// Also say on standard error what was passed over and what was read
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    caching: Caching,
}

fn priority(text: &str) -> Result<Priority, String> {
    Priority::parse(text).ok_or_else(|| "no such priority".to_owned())
}

/// What one capture came to.
#[derive(Default)]
struct Total {
    alerts: u64,
    events: u64,
    by_priority: BTreeMap<Priority, u64>,
}

/// What a capture's reader hands over.
enum Message {
    Lines(String),
    Done(Box<Result<(Total, Exit), Failure>>),
}

fn read_rules(paths: &[PathBuf]) -> Result<(Rules, Vec<Report>), Failure> {
    let files = rule_files(paths)?;
    let named = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_ref()));
    Ok(load(named))
}

/// Says what there is to say about rule files; an error when one of them is not right.
fn accept(reports: &[Report], verbose: bool) -> Result<(), Failure> {
    for report in reports {
        tell(report, verbose);
    }
    match reports.iter().find(|report| !report.is_ok()) {
        None => Ok(()),
        Some(report) => Err(Failure::new(
            format!(
                "{}: the rules are not right",
                shown(Path::new(&report.name))
            ),
            "afterimage detect --validate --rules FILE says all of it",
        )),
    }
}

/// The rules of files and folders, for those who ask them of a session.
pub fn rules(paths: &[PathBuf]) -> Result<Rules, Failure> {
    let (rules, reports) = read_rules(paths)?;
    accept(&reports, false)?;
    Ok(rules)
}

impl Detect {
    /// Detects.
    pub fn run(self, out: &mut Output) -> Outcome {
        self.caching.apply();
        let (rules, reports) = read_rules(&self.rules)?;
        if self.validate {
            return validate(out, &reports, self.json);
        }
        accept(&reports, self.verbose)?;
        let selected = rules.select(&Selection {
            tags: self.tag.clone(),
            not_tags: self.no_tag.clone(),
            rules: self.rule.clone(),
            not_rules: self.no_rule.clone(),
            least: self.priority,
            capture: false,
        });
        if selected.all().is_empty() {
            say("afterimage: warning: no rule is left to be asked");
        }
        let captures = found(&self.captures, CAPTURES)?;
        self.detect(out, &selected, &captures)
    }

    fn detect(&self, out: &mut Output, rules: &Rules, captures: &[PathBuf]) -> Outcome {
        let words: Vec<String> = self.filter.iter().cloned().collect();
        let json = self.json.then(|| {
            let with = |key: &str| !self.without.iter().any(|word| word == key);
            JsonParts {
                output: with("output"),
                output_fields: with("output_fields"),
                tags: with("tags"),
                message: false,
            }
        });
        let job = Job {
            rules,
            matching: match self.all {
                true => Matching::All,
                false => Matching::First,
            },
            alerts: (!self.quiet).then(|| Alerts::new(json, self.iso8601)),
            json: self.json,
            several: captures.len() > 1,
            filter: filter(&words)?,
            from: self.when.from.as_deref(),
            to: self.when.to.as_deref(),
            zone: self.when.tz,
            progress: Progress::default(),
        };
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.map_or(cpus, usize::from).min(captures.len());
        let (senders, receivers): (Vec<_>, Vec<_>) =
            captures.iter().map(|_| sync_channel(WAITING)).unzip();
        let senders: Vec<_> = senders
            .into_iter()
            .map(|one| Mutex::new(Some(one)))
            .collect();
        let next = AtomicUsize::new(0);
        let (total, exit) = std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| work(&job, captures, &senders, &next));
            }
            let printed = print(out, receivers, captures.len() == 1);
            job.progress.cancel.store(true, Ordering::Relaxed);
            printed
        })?;
        out.flush()?;
        if self.explain {
            explain(&job.progress.work);
        }
        if self.quiet {
            return Ok(match (exit, total.alerts) {
                (Exit::Failed, _) | (_, 0) => Exit::Failed,
                _ => Exit::Done,
            });
        }
        let by: Vec<_> = total
            .by_priority
            .iter()
            .map(|(priority, count)| format!("{} {}", count, priority.name().to_lowercase()))
            .collect();
        say(format_args!(
            "afterimage: {} in {} by {}{}",
            plural(total.alerts, "alert"),
            plural(total.events, "event"),
            plural(rules.all().len() as u64, "rule"),
            if by.is_empty() {
                String::new()
            } else {
                format!(": {}", by.join(", "))
            }
        ));
        Ok(exit)
    }
}

/// What every capture is asked.
struct Job<'j> {
    rules: &'j Rules,
    matching: Matching,
    /// How alerts are written; nothing is when they are only counted.
    alerts: Option<Alerts>,
    json: bool,
    /// Whether an alert has to say which capture it is of.
    several: bool,
    filter: Option<Filter>,
    from: Option<&'j str>,
    to: Option<&'j str>,
    zone: Zone,
    progress: Progress,
}

/// Takes one capture after another, and hands over what is in it.
fn work(
    job: &Job<'_>,
    captures: &[PathBuf],
    senders: &[Mutex<Option<SyncSender<Message>>>],
    next: &AtomicUsize,
) {
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let (Some(path), Some(sender)) = (captures.get(at), senders.get(at)) else {
            return;
        };
        let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(sender) = sender else { return };
        let result = one(job, path, &sender);
        // Nobody listens once the reader of the output has gone.
        if sender.send(Message::Done(Box::new(result))).is_err() {
            return;
        }
    }
}

/// Asks the rules about one capture.
fn one(job: &Job<'_>, path: &Path, sender: &SyncSender<Message>) -> Result<(Total, Exit), Failure> {
    let source = Source::open(path)?;
    let span: Span = source.span(job.from, job.to, job.zone)?;
    let mut watch = Watch {
        job,
        path: shown(path),
        sender,
        lines: String::new(),
        gone: false,
        total: Total::default(),
    };
    let detector = job.rules.detector(job.matching);
    let mut ruled = Ruled::new(detector, |detector, ctx| watch.event(detector, ctx));
    let events = source
        .session
        .visit(job.filter.as_ref(), span, &job.progress, &mut ruled);
    watch.hand_over();
    let mut total = watch.total;
    total.events = events;
    let exit = match source.loss() {
        Some(text) => {
            say(format_args!(
                "afterimage: {}: this capture is not whole: {text}",
                shown(path)
            ));
            Exit::Loss
        }
        None => Exit::Done,
    };
    Ok((total, exit))
}

struct Watch<'w> {
    job: &'w Job<'w>,
    path: String,
    sender: &'w SyncSender<Message>,
    lines: String,
    gone: bool,
    total: Total,
}

impl Watch<'_> {
    fn hand_over(&mut self) {
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            self.gone |= self.sender.send(Message::Lines(lines)).is_err();
        }
    }

    /// Asks the rules about an event; `false` when nobody takes the lines any more.
    fn event(&mut self, detector: &mut Detector, ctx: &Ctx<'_>) -> bool {
        let Watch {
            job,
            path,
            lines,
            total,
            ..
        } = self;
        detector.examine(ctx, |rule: &Rule| {
            total.alerts += 1;
            *total.by_priority.entry(rule.priority).or_default() += 1;
            let Some(alerts) = &job.alerts else { return };
            let line = alerts.line(rule, ctx);
            match (job.several, job.json) {
                (false, _) => lines.push_str(&line),
                (true, false) => {
                    lines.push_str(path);
                    lines.push_str(": ");
                    lines.push_str(&line);
                }
                (true, true) => {
                    let rest = line.strip_prefix('{').unwrap_or(&line);
                    lines.push_str("{\"capture\":");
                    lines.push_str(&json_text(path.as_bytes()));
                    lines.push(',');
                    lines.push_str(rest);
                }
            }
            lines.push('\n');
        });
        if self.lines.len() >= BATCH {
            self.hand_over();
        }
        !self.gone
    }
}

/// Prints what the captures hand over, capture by capture in order, whoever is done first.
fn print(
    out: &mut Output,
    receivers: Vec<Receiver<Message>>,
    only: bool,
) -> Result<(Total, Exit), Failure> {
    let mut sum = Total::default();
    let mut worst = Exit::Done;
    for receiver in receivers {
        for message in receiver {
            match message {
                Message::Lines(lines) => out.write_all(lines.as_bytes())?,
                Message::Done(result) => match *result {
                    Ok((total, exit)) => {
                        sum.alerts += total.alerts;
                        sum.events += total.events;
                        for (priority, count) in total.by_priority {
                            *sum.by_priority.entry(priority).or_default() += count;
                        }
                        worst = worst.worse(exit);
                    }
                    Err(failure) if only => return Err(failure),
                    Err(failure) => {
                        failure.report();
                        worst = worst.worse(failure.exit);
                    }
                },
            }
        }
    }
    Ok((sum, worst))
}

/// The reports of rule files, and nothing else.
fn validate(out: &mut Output, reports: &[Report], json: bool) -> Outcome {
    if json {
        writeln!(out, "{}", results_json(reports))?;
    } else {
        for report in reports {
            let verdict = match (report.is_ok(), report.warnings.is_empty()) {
                (true, true) => "Ok",
                (true, false) => "Ok, with warnings",
                (false, _) => "Invalid",
            };
            writeln!(out, "{}: {verdict}", shown(Path::new(&report.name)))?;
            for problem in report.errors.iter().chain(&report.warnings) {
                writeln!(
                    out,
                    "{}\n{}",
                    escape_lines(&problem.to_string()),
                    indented(problem.snippet())
                )?;
            }
        }
    }
    out.flush()?;
    Ok(match reports.iter().all(Report::is_ok) {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn indented(snippet: &str) -> String {
    snippet
        .lines()
        .map(|line| format!("  {}", escape_lines(line)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Says what is wrong with a rule file, and with `verbose` what is worth a word.
fn tell(report: &Report, verbose: bool) {
    for error in &report.errors {
        say(format_args!(
            "afterimage: {}\n{}",
            escape_lines(&error.to_string()),
            indented(error.snippet())
        ));
    }
    for warning in report.warnings.iter().filter(|_| verbose) {
        say(format_args!(
            "afterimage: warning: {}",
            escape_lines(&warning.to_string())
        ));
    }
}

/// Bytes of a rule file that are read: with more than the loader takes it says that there is too much.
const MOST_READ: u64 = 80 << 20;

/// Rule files with their texts, in order.
pub fn rule_files(paths: &[PathBuf]) -> Result<Vec<(String, Arc<str>)>, Failure> {
    let mut files = Vec::new();
    for path in found(paths, RULES)? {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&path)
            .and_then(|file| file.take(MOST_READ).read_to_end(&mut bytes));
        read.map_err(|error| {
            Failure::path(
                "LOAD_ERR_FILE_READ (File read error): reading",
                &path,
                error,
                "name a rule file or a folder of them",
            )
        })?;
        files.push((path.display().to_string(), text(&bytes).into()));
    }
    Ok(files)
}

/// The files themselves, and those of folders by name, with one of these endings.
fn found(paths: &[PathBuf], endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        gather(path, endings, &mut files)?;
        if files.len() == before {
            return Err(Failure::new(
                format!(
                    "{}: no file ends in .{}",
                    shown(path),
                    endings.join(" or .")
                ),
                "name a file, or another folder",
            ));
        }
    }
    Ok(files)
}

fn gather(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error| Failure::path("reading", folder, error, "check who may read it");
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?);
        if entries.len() + files.len() > MOST_FILES {
            return Err(Failure::new(
                format!("{}: more files than can be taken", shown(folder)),
                "name its folders one by one",
            ));
        }
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a folder is not followed: it may lead back here.
        if entry.file_type().is_ok_and(|ty| ty.is_dir()) {
            gather(&path, endings, files)?;
        } else if path
            .extension()
            .and_then(|ending| ending.to_str())
            .is_some_and(|ending| endings.contains(&ending))
        {
            files.push(path);
        }
    }
    Ok(())
}
