//! The configuration of `watch`: one TOML file, in which a key that nobody knows is an error.

use crate::failure::{Failure, shown};
use crate::units::{parse_duration, parse_size};
use afterimage_capture::trigger::{self, Reach, Trigger, Wanted};
use afterimage_capture::watch;
use afterimage_capture::{Bounds, Scope};
use afterimage_format::Recipient;
use afterimage_model::Safe;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
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
}

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
    /// Whom files are encrypted to; nobody when they are not.
    pub encrypt_to: Vec<Recipient>,
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    record: RecordTable,
    window: WindowTable,
    evidence: EvidenceTable,
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
    bytes: Size,
}

impl Default for WindowTable {
    fn default() -> WindowTable {
        let bounds = Bounds::default();
        WindowTable {
            span: Time(bounds.span),
            bytes: Size(bounds.bytes as u64),
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
    encrypt_to: Vec<String>,
}

impl Default for EvidenceTable {
    fn default() -> EvidenceTable {
        EvidenceTable {
            folder: PathBuf::from("/var/lib/afterimage"),
            after: Time(Duration::from_secs(30)),
            most: Time(Duration::from_secs(600)),
            concurrent: 8,
            files_per_hour: 60,
            bytes_per_day: Size(10 << 30),
            free: Size(1 << 30),
            encrypt_to: Vec::new(),
        }
    }
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
                    let armed = table.into_inner().wanted().and_then(|wanted| wanted.arm());
                    let armed = armed.map_err(wrong)?;
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
        Ok(Config {
            scope,
            snaplen: u32::try_from(file.record.snaplen.0).unwrap_or(u32::MAX),
            ring_bytes: usize::try_from(file.record.ring.0).unwrap_or(usize::MAX),
            watch: watch::Options {
                bounds: Bounds {
                    span: file.window.span.0,
                    bytes: usize::try_from(file.window.bytes.0).unwrap_or(usize::MAX),
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
                encrypt_to: recipients(&file.evidence.encrypt_to)?,
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
        ] {
            let why = Config::parse(text).err().unwrap_or_default();
            assert!(why.contains(said), "{text:?}: {why}");
        }
    }
}
