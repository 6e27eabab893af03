//! The configuration of `watch`: one TOML file, in which a key that nobody knows is an error.

use super::room::Full;
use super::webhook::MOST_SKEW;
use crate::anchoring;
use crate::commands::rule_files;
use crate::failure::{Failure, shown};
use crate::units::{parse_duration, parse_size};
use afterimage_capture::trigger::{self, Reach, Source, Trigger, Wanted};
use afterimage_capture::watch;
use afterimage_capture::{Bounds, Scope};
use afterimage_format::Recipient;
use afterimage_model::Safe;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// What `watch` does.
pub struct Config {
    /// What is recorded.
    pub scope: Scope,
    /// Bytes kept of each payload.
    pub snaplen: u32,
    /// Bytes of each CPU's ring.
    pub ring_bytes: usize,
    /// The window and the triggers.
    pub watch: watch::Options,
    /// Where files go, and how many.
    pub evidence: Evidence,
    /// Where alerts may be posted, when anywhere.
    pub webhook: Option<Webhook>,
    /// Where numbers are told, when anywhere: on this host alone.
    pub metrics: Option<SocketAddr>,
}

/// Where alerts may be posted, and by whom.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The address.
    pub listen: SocketAddr,
    /// The file with the key of codes.
    pub hmac_file: Option<PathBuf>,
    /// The file with the token.
    pub bearer_file: Option<PathBuf>,
    /// How far a timestamp may be from now.
    pub skew: Duration,
    /// Requests a second.
    pub rate: u32,
    /// Bytes of a body.
    pub body: usize,
}

/// Where evidence goes unless somebody says otherwise.
pub const FOLDER: &str = "/var/lib/afterimage";

/// Where files go, and how many.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The folder.
    pub folder: PathBuf,
    /// Files an hour at most.
    pub files_per_hour: usize,
    /// Bytes a day at most.
    pub bytes_per_day: u64,
    /// Bytes of the file system that are left alone.
    pub free: u64,
    /// Bytes that all files in the folder may have together; 0 for any number.
    pub bytes: u64,
    /// What becomes of a new file when that would be passed.
    pub full: Full,
    /// Whom files are encrypted to; nobody when they are not.
    pub encrypt_to: Vec<Recipient>,
    /// Whether each file gets an index once it is sealed.
    pub index: bool,
    /// Where the window is kept once more, so that it survives a crash of the recorder.
    pub spill: Option<PathBuf>,
    /// Where anchors of the files go, when anywhere.
    pub anchor: Option<anchoring::Wanted>,
}

/// A text that stands for a length of time.
#[derive(Clone, Copy)]
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = String::deserialize(from)?;
        parse_duration(&text)
            .map(Time)
            .map_err(serde::de::Error::custom)
    }
}

/// A text that stands for a number of bytes.
#[derive(Clone, Copy)]
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
        let text = String::deserialize(from)?;
        parse_size(&text)
            .map(Size)
            .map_err(serde::de::Error::custom)
    }
}

/// So many bytes, as far as they can be addressed.
fn in_memory(size: Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    record: RecordTable,
    window: WindowTable,
    evidence: EvidenceTable,
    webhook: Option<Spanned<WebhookTable>>,
    metrics: Option<Spanned<MetricsTable>>,
    trigger: Option<Vec<Spanned<TriggerTable>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RecordTable {
    host: bool,
    containers: Vec<String>,
    snaplen: Size,
    ring: Size,
}

impl Default for RecordTable {
    fn default() -> RecordTable {
        RecordTable {
            host: false,
            containers: Vec::new(),
            snaplen: Size(256),
            ring: Size(16 << 20),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WindowTable {
    span: Time,
    /// As much as memory leaves where it is not said.
    bytes: Option<Size>,
    memory: Size,
    spill: Option<PathBuf>,
}

impl Default for WindowTable {
    fn default() -> WindowTable {
        let bounds = Bounds::default();
        WindowTable {
            span: Time(bounds.span),
            bytes: None,
            memory: Size(bounds.memory as u64),
            spill: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EvidenceTable {
    folder: PathBuf,
    after: Time,
    most: Time,
    concurrent: usize,
    files_per_hour: usize,
    bytes_per_day: Size,
    free: Size,
    bytes: Size,
    full: Full,
    encrypt_to: Vec<String>,
    index: bool,
    anchor: Option<PathBuf>,
    anchor_ca: Option<PathBuf>,
}

impl Default for EvidenceTable {
    fn default() -> EvidenceTable {
        EvidenceTable {
            folder: PathBuf::from(FOLDER),
            after: Time(Duration::from_secs(30)),
            most: Time(Duration::from_secs(600)),
            concurrent: 8,
            files_per_hour: 60,
            bytes_per_day: Size(10 << 30),
            free: Size(1 << 30),
            bytes: Size(0),
            full: Full::Stop,
            encrypt_to: Vec::new(),
            index: false,
            anchor: None,
            anchor_ca: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    listen: SocketAddr,
    hmac_file: Option<PathBuf>,
    bearer_file: Option<PathBuf>,
    skew: Option<Time>,
    rate: Option<u32>,
    body: Option<Size>,
}

impl WebhookTable {
    fn checked(self) -> Result<Webhook, String> {
        let skew = self.skew.map_or(MOST_SKEW, |time| time.0);
        if self.hmac_file.is_none() && self.bearer_file.is_none() {
            return Err("webhook needs hmac_file or bearer_file: nobody else is heard".to_owned());
        }
        if skew > MOST_SKEW || skew < Duration::from_secs(1) {
            return Err(format!(
                "webhook.skew is {} s, expected 1 s to {} s",
                skew.as_secs_f64(),
                MOST_SKEW.as_secs()
            ));
        }
        let body = self.body.map_or(1 << 20, |size| size.0);
        if body > 16 << 20 {
            return Err("webhook.body is more than 16MiB".to_owned());
        }
        let rate = self.rate.unwrap_or(10);
        if !(1..=1_000).contains(&rate) {
            return Err(format!(
                "webhook.rate is {rate}, expected 1 to 1000 a second"
            ));
        }
        Ok(Webhook {
            listen: self.listen,
            hmac_file: self.hmac_file,
            bearer_file: self.bearer_file,
            skew,
            rate,
            body: usize::try_from(body).unwrap_or(usize::MAX),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsTable {
    listen: SocketAddr,
}

#[derive(Deserialize)]
struct TriggerTable {
    name: Option<String>,
    kind: String,
    reach: Option<String>,
    after: Option<Time>,
    #[serde(flatten)]
    params: BTreeMap<String, toml::Value>,
}

/// Where in a text an error is.
fn place(text: &str, span: Option<Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return String::new();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: ")
}

impl TriggerTable {
    fn wanted(self) -> Result<Wanted, String> {
        let mut params = BTreeMap::new();
        for (name, value) in self.params {
            let text = |value: toml::Value| match value {
                toml::Value::String(text) => Ok(text),
                toml::Value::Integer(number) => Ok(number.to_string()),
                other => Err(format!(
                    "{name} is {}, expected a text or a number",
                    other.type_str()
                )),
            };
            let items = match value {
                toml::Value::Array(items) => {
                    items.into_iter().map(text).collect::<Result<_, _>>()?
                }
                one => vec![text(one)?],
            };
            params.insert(name, items);
        }
        let reach = match self.reach {
            None => Reach::default(),
            Some(name) => {
                let found = Reach::ALL.iter().find(|row| row.1 == name);
                let all: Vec<_> = Reach::ALL.iter().map(|row| row.1).collect();
                found
                    .map(|row| row.0)
                    .ok_or_else(|| format!("reach is {name:?}, expected {}", all.join(", ")))?
            }
        };
        Ok(Wanted {
            name: self.name.unwrap_or_else(|| self.kind.clone()),
            kind: self.kind,
            params,
            reach,
            after: self.after.map(|time| time.0),
            texts: Vec::new(),
        })
    }
}

fn recipients(texts: &[String]) -> Result<Vec<Recipient>, String> {
    let one = |text: &String| {
        text.parse()
            .map_err(|error| format!("evidence.encrypt_to has {:?}: {error}", Safe::new(text)))
    };
    texts.iter().map(one).collect()
}

/// A trigger, armed; the rule files it names are read.
fn armed(table: TriggerTable) -> Result<Trigger, String> {
    let mut wanted = table.wanted()?;
    let takes_rules =
        trigger::kind(&wanted.kind).is_some_and(|kind| matches!(kind.source, Source::Rules));
    if takes_rules && let Some(paths) = wanted.params.get("rules") {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let files = rule_files(&paths).map_err(|failure| failure.what)?;
        wanted.texts = (files.into_iter())
            .map(|(name, text)| (name, text.to_string()))
            .collect();
    }
    wanted.arm()
}

impl Config {
    /// Reads the file; what is not there has its default. The whole configuration is the default without a file.
    ///
    /// # Errors
    /// With the place in the file, what is wrong there, and what was expected.
    pub fn read(path: Option<&Path>) -> Result<Config, Failure> {
        let Some(path) = path else {
            return Config::parse("").map_err(|why| Failure::new(why, ""));
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::path("reading", path, error, "name a file with --config FILE")
        })?;
        Config::parse(&text).map_err(|why| {
            Failure::usage(
                format!("{}: {why}", shown(path)),
                "list the kinds of trigger and their parameters with: afterimage triggers",
            )
        })
    }

    fn parse(text: &str) -> Result<Config, String> {
        let file: File = toml::from_str(text).map_err(|error| {
            let place = place(text, error.span());
            format!("{place}{}", Safe::new(error.message()))
        })?;
        let mut triggers: Vec<Trigger> = Vec::new();
        match file.trigger {
            None => {
                for wanted in trigger::defaults() {
                    triggers.push(wanted.arm()?);
                }
            }
            Some(tables) => {
                for table in tables {
                    let place = place(text, Some(table.span()));
                    let wrong =
                        |why: String| format!("{place}{}", crate::failure::escape_lines(&why));
                    let armed = armed(table.into_inner()).map_err(wrong)?;
                    if triggers.iter().any(|other| other.name == armed.name) {
                        let name = Safe::new(&armed.name).to_string();
                        return Err(wrong(format!("two triggers are called {name}")));
                    }
                    triggers.push(armed);
                }
            }
        }
        let scope = match (file.record.host, file.record.containers) {
            (true, containers) if !containers.is_empty() => {
                return Err(
                    "host and containers cannot both be recorded: the host has them".to_owned(),
                );
            }
            (true, _) => Scope::Host,
            (false, containers) if containers.is_empty() => Scope::AllContainers,
            (false, containers) => Scope::Containers(containers),
        };
        let webhook = (file.webhook)
            .map(|table| {
                let place = place(text, Some(table.span()));
                let checked = table.into_inner().checked();
                checked.map_err(|why| format!("{place}{why}"))
            })
            .transpose()?;
        let metrics = (file.metrics)
            .map(|table| {
                let place = place(text, Some(table.span()));
                let listen = table.into_inner().listen;
                match listen.ip().is_loopback() {
                    true => Ok(listen),
                    false => Err(format!(
                        "{place}metrics.listen is {listen}, expected an address of this host alone, as 127.0.0.1:9842"
                    )),
                }
            })
            .transpose()?;
        if file.evidence.index && !file.evidence.encrypt_to.is_empty() {
            return Err(
                "evidence.index and evidence.encrypt_to cannot both be set: an index would lay open what is sealed"
                    .to_owned(),
            );
        }
        let anchor = anchoring::Wanted::configured(file.evidence.anchor, file.evidence.anchor_ca)?;
        Ok(Config {
            webhook,
            metrics,
            scope,
            snaplen: u32::try_from(file.record.snaplen.0).unwrap_or(u32::MAX),
            ring_bytes: in_memory(file.record.ring),
            watch: watch::Options {
                bounds: Bounds {
                    span: file.window.span.0,
                    bytes: in_memory(file.window.bytes.unwrap_or(file.window.memory)),
                    memory: in_memory(file.window.memory),
                },
                after: file.evidence.after.0,
                most: file.evidence.most.0.max(file.evidence.after.0),
                concurrent: file.evidence.concurrent.max(1),
                triggers,
            },
            evidence: Evidence {
                folder: file.evidence.folder,
                files_per_hour: file.evidence.files_per_hour,
                bytes_per_day: file.evidence.bytes_per_day.0,
                free: file.evidence.free.0,
                bytes: file.evidence.bytes.0,
                full: file.evidence.full,
                encrypt_to: recipients(&file.evidence.encrypt_to)?,
                index: file.evidence.index,
                spill: file.window.spill,
                anchor,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_there_is_a_window_and_there_are_triggers() {
        let config = Config::parse("").unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(config.watch.bounds.span, Duration::from_secs(60));
        assert_eq!(config.watch.bounds.bytes, 256 << 20);
        let names: Vec<_> = (config.watch.triggers.iter())
            .map(|trigger| trigger.name.as_str())
            .collect();
        assert!(
            names.contains(&"command") && names.contains(&"secret"),
            "{names:?}"
        );
    }

    #[test]
    fn a_file_says_what_it_differs_in() {
        let config = Config::parse(
            r#"
            [window]
            span = "2m"
            bytes = "64MiB"
            [evidence]
            after = "5s"
            encrypt_to = ["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"]
            [[trigger]]
            name = "honey"
            kind = "canary"
            paths = ["/srv/honey*", "/srv/\"pot\""]
            reach = "host"
            [[trigger]]
            kind = "rate"
            filter = "evt.type=open"
            above = 10
            "#,
        )
        .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(config.watch.bounds.bytes, 64 << 20);
        assert_eq!(config.watch.after, Duration::from_secs(5));
        assert_eq!(config.evidence.encrypt_to.len(), 1);
        assert!(Config::parse("[evidence]\nencrypt_to = [\"age1x\"]").is_err());
        let [honey, rate] = config.watch.triggers.as_slice() else {
            panic!("two triggers");
        };
        assert_eq!((honey.name.as_str(), honey.reach), ("honey", Reach::Host));
        assert!(
            honey.text.contains(r#"fd.name glob "/srv/\"pot\"""#),
            "{}",
            honey.text
        );
        assert_eq!(rate.name, "rate");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, said) in [
            (
                "[window]\nspam = 3",
                "line 2, column 1: unknown field `spam`",
            ),
            (
                "[window]\nspan = \"soon\"",
                "line 2, column 8: expected a duration",
            ),
            (
                "\n[[trigger]]\nkind = \"crush\"",
                "line 2, column 1: there is no kind of trigger",
            ),
            (
                "[[trigger]]\nkind = \"filter\"\nfilter = \"proc.nam=sh\"",
                "did you mean proc.name?",
            ),
            ("[[trigger]]\nkind = \"oom\"\npath = \"x\"", "takes no path"),
            (
                "[[trigger]]\nkind = \"oom\"\nreach = \"moon\"",
                "expected container, pod, host",
            ),
            (
                "[[trigger]]\nkind = \"oom\"\n[[trigger]]\nkind = \"oom\"",
                "two triggers are called oom",
            ),
            ("window = [", "line 1"),
            (
                "[evidence]\nindex = 3",
                "line 2, column 9: invalid type: integer `3`",
            ),
            (
                "[evidence]\nindex = true\nencrypt_to = [\"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj\"]",
                "evidence.index and evidence.encrypt_to cannot both be set",
            ),
            (
                "[evidence]\nanchor = \"https://h/\"\nanchor_ca = \"/nowhere\"",
                "evidence.anchor: https://h/: /nowhere: No such file",
            ),
            (
                "[evidence]\nanchor_ca = \"x\"",
                "of no use without evidence.anchor",
            ),
            (
                "[webhook]\nlisten = \"127.0.0.1:1\"",
                "line 1, column 1: webhook needs hmac_file or bearer_file",
            ),
            (
                "[webhook]\nlisten = \"127.0.0.1:1\"\nhmac_file = \"x\"\nskew = \"1h\"",
                "expected 1 s to 300 s",
            ),
            (
                "[metrics]\nlisten = \"0.0.0.0:1\"",
                "expected an address of this host alone",
            ),
            (
                "[[trigger]]\nkind = \"falco\"\nrules = [\"/nowhere/a.yaml\"]",
                "line 1, column 1: LOAD_ERR_FILE_READ",
            ),
            ("[[trigger]]\nkind = \"falco\"", "needs rules"),
        ] {
            let why = Config::parse(text).err().unwrap_or_default();
            assert!(why.contains(said), "{text:?}: {why}");
        }
    }
}
