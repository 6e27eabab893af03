//! Who does what with a capture: the entries that commands leave in its custody log, and how the log is printed.

use crate::failure::{Failure, shown};
use crate::json::Object;
use crate::keyring::{self, DEFAULT};
use crate::units::instant;
use afterimage_format::{Card, Checks, CustodyEntry, Deed, ErrorKind, Report};
use afterimage_model::Safe;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Who signs what a command makes, and who is to be named.
#[derive(Args, Debug)]
pub struct Signer {
    /// Who does it [default: the user behind sudo, or the current one]
    #[arg(long, value_name = "NAME", help_heading = "Custody")]
    operator: Option<String>,
    /// The key to sign with, by its name; the default one is made when it is first needed
    #[arg(long, value_name = "NAME", help_heading = "Custody", default_value = DEFAULT)]
    sign_with: String,
}

impl Signer {
    /// The key.
    pub fn key(&self) -> Result<keyring::Pair, Failure> {
        keyring::load(&self.sign_with)
    }

    /// What is to be said of something that was done just now.
    pub fn deed(&self, action: &str, text: String, subject: Option<[u8; 32]>) -> Deed {
        deed(action, self.operator.clone(), text, subject)
    }

    /// Appends to a capture's log.
    pub fn append(&self, file: &Path, deed: &Deed, checks: &Checks) -> Result<Report, Failure> {
        let pair = self.key()?;
        afterimage_format::custody::append(file, deed, &pair.secret, checks).map_err(|error| {
            let remedy = match &error.kind {
                ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    "it takes the right to write to the capture"
                }
                ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    "somebody else is writing to its custody log; try again"
                }
                _ => "afterimage verify says what is wrong with it",
            };
            Failure::path(
                "appending to the custody log of",
                file,
                Safe::new(&error.to_string()),
                format!("{remedy}: {}", shown(file)),
            )
        })
    }
}

/// What is to be said of something that was done just now, by the one who is named or the one who runs this.
pub fn deed(
    action: &str,
    operator: Option<String>,
    text: String,
    subject: Option<[u8; 32]>,
) -> Deed {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Deed {
        action: action.to_owned(),
        operator: operator.unwrap_or_else(self::operator),
        tool: concat!("afterimage ", env!("CARGO_PKG_VERSION")).to_owned(),
        host: host_name(),
        made_ns: i64::try_from(since.as_nanos()).unwrap_or(0),
        text,
        subject,
    }
}

/// The user behind `sudo`, or the current one.
pub fn operator() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    named("SUDO_USER")
        .or_else(|| named("USER"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// This host.
pub fn host_name() -> String {
    let host = rustix::system::uname();
    Safe::new(host.nodename().to_bytes()).to_string()
}

/// What the entries are called that say that a capture must be kept, and that it need not be any more.
pub const HELD: [&str; 2] = ["held", "released"];

/// The entry that says that a capture must be kept, when none behind it says otherwise.
pub fn held(report: &Report) -> Option<&CustodyEntry> {
    let entries = report.custody.iter().rev();
    let mut said = entries.filter(|entry| HELD.contains(&entry.note.action.as_str()));
    said.next().filter(|entry| entry.note.action == HELD[0])
}

/// An entry as a line.
pub fn line(entry: &CustodyEntry, known: &[(PathBuf, Card)]) -> String {
    let note = &entry.note;
    let safe = |text: &str| Safe::new(text).to_string();
    let mut line = format!(
        "{} {} by {} with {} on {}",
        instant(note.made_ns),
        safe(&note.action),
        safe(&note.author),
        safe(&note.tool),
        safe(&note.host)
    );
    if !note.text.is_empty() {
        line += &format!(": {}", safe(&note.text));
    }
    if !note.subject.is_empty() {
        line += &format!(" (BLAKE3 {})", hex(&note.subject));
    }
    line += &match entry.signer {
        None => "; not signed".to_owned(),
        Some(key) => match keyring::name_of(&key, known) {
            Some(name) => format!("; signed by {name}"),
            None => format!("; signed by an unknown key, {key}"),
        },
    };
    line
}

/// An entry as JSON.
pub fn json(entry: &CustodyEntry, known: &[(PathBuf, Card)]) -> String {
    let note = &entry.note;
    let mut o = Object::new();
    o.number("custody.made_ns", note.made_ns)
        .text("custody.action", &note.action)
        .text("custody.operator", &note.author)
        .text("custody.tool", &note.tool)
        .text("custody.host", &note.host)
        .text("custody.text", &note.text)
        .truth("custody.after_seal", entry.after_seal);
    if !note.subject.is_empty() {
        o.text("custody.subject", hex(&note.subject));
    }
    if let Some(key) = entry.signer {
        o.text("custody.signer", key.to_string());
        if let Some(name) = keyring::name_of(&key, known) {
            o.text("custody.signer_name", name);
        }
    }
    o.end()
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
