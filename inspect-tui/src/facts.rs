//! What the screen says of the capture as a whole: taken from the session when it opens, and when
//! the capture has grown.

use crate::show;
use afterimage_indexer::{Place, Session};
use afterimage_model::{Container, Gap, GapCause, Loss, Manifest, Totals, TypeDesc};

/// A remark in the file on an instant.
#[derive(Clone, Debug)]
pub struct Remark {
    /// The instant, ns since boot.
    pub at_ns: u64,
    /// Whether a trigger made it when it fired.
    pub trigger: bool,
    /// What it says, as it stands in the file.
    pub text: String,
}

impl Remark {
    /// The remark of a note; `None` for notes that are about the whole capture.
    fn of(note: &afterimage_indexer::Note) -> Option<Remark> {
        Some(Remark {
            at_ns: note.about?.0,
            trigger: note.text.starts_with("trigger "),
            text: note.text.clone(),
        })
    }
}

/// What is known of the capture before anything is looked for in it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The file's name.
    pub name: String,
    /// Its header.
    pub manifest: Manifest,
    /// Its books; `None` when it is not sealed.
    pub totals: Option<Totals>,
    /// It is the capture of a program that seals nothing.
    pub has_no_seal: bool,
    /// The public key that it says it is signed with, in hex; empty where it is not signed.
    pub signer: String,
    /// What is missing from it, as the file says.
    pub recorded_gaps: Vec<Gap>,
    /// Parts of the file that turned out not to be readable.
    pub unreadable: Vec<Gap>,
    /// What was remarked on instants, by people and by triggers.
    pub remarks: Vec<Remark>,
    /// Whose events it holds.
    pub containers: Vec<Container>,
    /// Number of events.
    pub events: u64,
    /// Whether some of them may be hidden: those that a recorder kept for its own books.
    pub hides: bool,
    /// First and last instant, ns since boot.
    pub span: Option<(u64, u64)>,
    /// How many rules alerts are made by; `None` when no rule files were given.
    pub rules: Option<usize>,
    /// It is being written: it has grown not long ago.
    pub recording: bool,
    /// What became of its file since it was opened.
    pub place: Place,
}

impl Facts {
    /// Asks the session.
    pub fn of(session: &Session, name: String) -> Facts {
        Facts {
            name,
            manifest: session.manifest().clone(),
            totals: session.totals().cloned(),
            has_no_seal: session.has_no_seal(),
            signer: (session.signer().iter())
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            recorded_gaps: session.gaps().to_vec(),
            unreadable: session.unreadable(),
            remarks: session.notes().iter().filter_map(Remark::of).collect(),
            containers: session
                .state()
                .containers
                .values()
                .map(|container| Container::clone(container))
                .collect(),
            events: session.events(),
            hides: (session.schema().types.iter()).any(|ty| ty.is(TypeDesc::INTERNAL)),
            span: session.span(),
            rules: session.rules().map(|rules| rules.all().len()),
            // A working copy is at work while it is not whole.
            recording: session.has_no_seal() && session.may_grow(),
            place: Place::Here,
        }
    }

    /// Everything that is known to be missing. What is still to be written is not.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        let all = self.recorded_gaps.iter().chain(&self.unreadable);
        all.filter(|gap| !self.recording || gap.cause != GapCause::Torn)
    }

    /// What is lost, in words; `None` when nothing is known to be. A number that may be too low says `≥`.
    pub fn losses(&self, ascii: bool) -> Option<String> {
        let loss = Loss::of(self.gaps(), self.totals.as_ref())?;
        let mark = if ascii { ">= " } else { "≥ " };
        let events = match (loss.events, loss.exact) {
            (0, true) => "no events".to_owned(),
            (n, true) => show::counted(n, "event"),
            (0, false) => "unknown number of events".to_owned(),
            (n, false) => format!("{mark}{}", show::counted(n, "event")),
        };
        let gaps = show::counted(loss.gaps, "gap");
        let why = if loss.causes.is_empty() {
            String::new()
        } else {
            format!(": {}", loss.causes.join(", "))
        };
        Some(format!("LOST {events} in {gaps}{why}"))
    }

    /// Whether parts of the file cannot be read, so that what is counted is not all there is.
    pub fn is_damaged(&self) -> bool {
        self.gaps().any(|gap| gap.cause == GapCause::Unreadable)
    }

    /// Whether the file is whole: `sealed`, `being recorded`, `being read`, `torn`, `damaged`, `not sealed` or `no seal`, and whether that is good, where it is either.
    pub fn integrity(&self) -> (&'static str, Option<bool>) {
        let has = |cause| self.gaps().any(|gap| gap.cause == cause);
        if self.is_damaged() {
            ("damaged", Some(false))
        } else if self.recording && self.has_no_seal {
            ("being read", None)
        } else if self.recording {
            ("being recorded", None)
        } else if has(GapCause::Torn) {
            ("torn", Some(false))
        } else if self.totals.is_none() {
            ("not sealed", Some(false))
        } else if self.has_no_seal {
            ("no seal", None)
        } else {
            ("sealed", Some(true))
        }
    }

    /// Whether it is signed, as it says itself: by which key, its first digits; nothing where no signature is to be expected.
    pub fn signature(&self) -> String {
        match (self.signer.get(..8), self.integrity()) {
            (Some(key), _) => format!("signed by {key}"),
            (None, ("sealed", _)) => "unsigned".to_owned(),
            (None, _) => String::new(),
        }
    }

    /// The capture described, as pairs of a name and a value; names repeat only when the value is a list.
    pub fn description(&self) -> Vec<(String, String)> {
        let m = &self.manifest;
        let mut out = Vec::new();
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                out.push((name.to_owned(), value.to_owned()));
            }
        };
        add("file", &self.name);
        add("file now", self.place.says().unwrap_or_default());
        add("integrity", self.integrity().0);
        let signed = match self.signer.as_str() {
            "" => String::new(),
            key => format!("by {key}, as it says itself: afterimage verify checks it"),
        };
        add("signed", &signed);
        let losses = self.losses(true);
        let losses = losses.as_deref().unwrap_or("nothing known");
        add("lost", losses.trim_start_matches("LOST "));
        if self.hides {
            add(
                "hidden",
                "events that the recorder kept for its own books, such as samples of processes; afterimage read --internal shows them",
            );
        }
        add("capture id", &m.capture_id);
        add("recorded by", &m.tool);
        add("host", &m.host);
        add("kernel", &m.kernel);
        add("machine", &m.machine);
        add("boot id", &m.boot_id);
        add(
            "cpus",
            &if m.cpus == 0 {
                String::new()
            } else {
                m.cpus.to_string()
            },
        );
        add("scope", &m.scope);
        add("filter", &m.filter);
        add("trigger", &m.trigger);
        for remark in &self.remarks {
            add("remark", &remark.text);
        }
        add("reason", &m.reason);
        add("operator", &m.operator);
        add("case", &m.case_id);
        add("command", &m.command.join(" "));
        for container in &self.containers {
            let name = if container.name.is_empty() {
                container.short_id()
            } else {
                &container.name
            };
            let says = if container.unresolved.is_empty() {
                String::new()
            } else {
                format!(" ({})", container.unresolved)
            };
            add(
                "container",
                &format!(
                    "{name}  {}  {} {}{says}",
                    container.short_id(),
                    container.runtime,
                    container.image
                ),
            );
        }
        if let Some(totals) = &self.totals {
            for (name, count) in [
                ("offered", totals.offered),
                ("written", totals.written),
                ("dropped", totals.dropped),
            ] {
                add(name, &show::count(count));
            }
            for (name, count) in [
                ("filtered", totals.filtered),
                ("unsealed", totals.unsealed),
                ("spared, recorder", totals.spared_self),
                ("spared, scope", totals.spared_scope),
                ("told by runtimes", totals.told),
                ("samples of use", totals.sampled),
            ] {
                if count > 0 {
                    add(name, &show::count(count));
                }
            }
        }
        for (name, value) in &m.limits {
            add("limit", &format!("{name} = {value}"));
        }
        for sentence in &m.coverage {
            add("seen", sentence);
        }
        for sentence in &m.not_covered {
            add("not seen", sentence);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::BootNs;

    fn gap(count: Option<u64>) -> Gap {
        Gap {
            cause: GapCause::RingFull,
            start: BootNs(1),
            end: BootNs(2),
            cpu: None,
            count,
            first_seq: None,
            detail: String::new(),
        }
    }

    #[test]
    fn a_loss_that_may_be_larger_says_so() {
        let losses = |recorded_gaps| {
            Facts {
                recorded_gaps,
                ..Facts::default()
            }
            .losses(false)
        };
        assert_eq!(losses(vec![]), None);
        assert_eq!(
            losses(vec![gap(Some(1))]).as_deref(),
            Some("LOST 1 event in 1 gap: ring-full")
        );
        assert_eq!(
            losses(vec![gap(Some(1200)), gap(None)]).as_deref(),
            Some("LOST ≥ 1,200 events in 2 gaps: ring-full")
        );
        assert_eq!(
            losses(vec![gap(None)]).as_deref(),
            Some("LOST unknown number of events in 1 gap: ring-full")
        );
        assert_eq!(
            losses(vec![gap(Some(0))]).as_deref(),
            Some("LOST no events in 1 gap: ring-full")
        );
    }
}
