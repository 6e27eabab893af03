//! Which fields say what is written in a capture's strings: what such a field says is ruled out by a filter of those.

use super::{Field, Looks, evt};
use crate::args::ArgKind;
use crate::pieces::{class, pieces};
use crate::schema::TypeDesc;

/// How the texts of a field are made of the strings that a chunk keeps for arguments and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Bytes with which strings are put together: what holds one of them may lie across two strings.
    glue: &'static [u8],
    /// Bytes of which texts are made that are in no string.
    made: &'static [u8],
}

/// Parts of strings.
const STRING: Kept = Kept {
    glue: b"",
    made: b"",
};
/// Words with blanks between them.
const WORDS: Kept = Kept {
    glue: b" ",
    made: b"",
};
/// Paths that were made absolute.
const PATH: Kept = Kept {
    glue: b"/",
    made: b"",
};
/// The name of a file, or the two ends of a socket.
const NAME: Kept = Kept {
    glue: b"",
    made: b"0123456789abcdef.:->?",
};
/// A path as it was passed, or the number where it could not be read.
const ARGUMENT: Kept = Kept {
    glue: b"",
    made: b"0123456789abcdefx-NUL",
};
/// A text of a container; on the host that word.
const OR_HOST: Kept = Kept {
    glue: b"",
    made: b"host",
};

/// Fields whose texts are made of strings, by name. The test beside it asks them of events of all sorts.
const KEPT: &[(&str, Kept)] = &[
    ("container.cgroup", STRING),
    ("container.full_id", OR_HOST),
    ("container.hostname", STRING),
    ("container.id", OR_HOST),
    ("container.image", STRING),
    ("container.image.digest", STRING),
    ("container.image.id", STRING),
    ("container.image.repository", STRING),
    ("container.label", STRING),
    ("container.name", OR_HOST),
    ("evt.abspath", PATH),
    ("evt.arg", ARGUMENT),
    ("evt.rawarg", ARGUMENT),
    ("fd.directory", STRING),
    ("fd.filename", STRING),
    ("fd.name", NAME),
    ("fd.nameraw", NAME),
    ("fs.path.name", PATH),
    ("fs.path.nameraw", STRING),
    ("fs.path.source", PATH),
    ("fs.path.sourceraw", STRING),
    ("fs.path.target", PATH),
    ("fs.path.targetraw", STRING),
    ("group.name", STRING),
    ("k8s.ns.name", STRING),
    ("k8s.pod.name", STRING),
    ("k8s.pod.uid", STRING),
    ("proc.aargs", WORDS),
    ("proc.acmdline", WORDS),
    ("proc.aenv", WORDS),
    ("proc.aexe", STRING),
    ("proc.aexepath", STRING),
    ("proc.aname", STRING),
    ("proc.args", WORDS),
    ("proc.cmdline", WORDS),
    ("proc.cwd", STRING),
    ("proc.env", WORDS),
    ("proc.exe", STRING),
    ("proc.exeline", WORDS),
    ("proc.exepath", STRING),
    ("proc.interp", STRING),
    ("proc.name", STRING),
    ("proc.pcmdline", WORDS),
    ("proc.pexe", STRING),
    ("proc.pexepath", STRING),
    ("proc.pgid.exe", STRING),
    ("proc.pgid.exepath", STRING),
    ("proc.pgid.name", STRING),
    ("proc.pname", STRING),
    ("proc.script", STRING),
    ("proc.sid.exe", STRING),
    ("proc.sid.exepath", STRING),
    ("proc.sname", STRING),
    ("thread.cgroup", WORDS),
    ("thread.cgroups", WORDS),
    ("user.homedir", STRING),
    ("user.loginname", STRING),
    ("user.name", STRING),
    ("user.shell", STRING),
];

impl Kept {
    /// How the texts of a field are made; `None` where that is not told.
    pub fn of(field: &Field) -> Option<Kept> {
        let at = KEPT.binary_search_by(|row| row.0.cmp(field.name)).ok()?;
        KEPT.get(at).map(|row| row.1)
    }

    /// Whether what [`Kept::of`] says of a field holds for events of a type.
    pub fn holds_for(field: &Field, arg: Option<&str>, ty: &TypeDesc) -> bool {
        match (field.name, arg) {
            ("evt.arg" | "evt.rawarg", Some(name)) => {
                let looks = evt::arg_looks(ty, name, field.name == "evt.rawarg");
                match looks {
                    Looks::Nowhere => true,
                    // Of others, and of another recorder's, what is shown is not what is kept.
                    Looks::At { at, .. } => {
                        let kind = ty.args.get(at).and_then(|arg| arg.kind());
                        kind == Some(ArgKind::Path) && !ty.is(TypeDesc::SCAP)
                    }
                    _ => false,
                }
            }
            // How another recorder told of a path is no path yet.
            (name, _) if name.starts_with("evt.") || name.starts_with("fs.") => {
                !ty.is(TypeDesc::SCAP)
            }
            ("fd.nameraw", _) => !ty.is(TypeDesc::SCAP),
            _ => true,
        }
    }

    /// The pieces of a text that a string must hold when the field's value holds the text.
    pub fn pieces(self, text: &[u8]) -> Vec<u32> {
        let is_of = |bytes: &[u8], byte: u8| bytes.iter().any(|b| class(*b) == class(byte));
        let certain = text.windows(crate::pieces::PIECE).filter(|three| {
            !three.iter().any(|byte| is_of(self.glue, *byte))
                && !three.iter().all(|byte| is_of(self.made, *byte))
        });
        let mut found: Vec<u32> = certain.flat_map(pieces).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Words that another recorder's readers put where nothing is known, or before a number.
const SAID: &[&str] = &["UNKNOWN", "unknown", "NULL", "host", "family", "pid", "bpf"];

/// Bytes of the ends of a socket.
const ENDS: &[u8] = b"0123456789abcdef-";

/// Bytes of a word at the least: what is shorter is everywhere.
const WORD: usize = 3;

/// The longest part of a text that must have been recorded as it is by another recorder when the value of a field holds the
/// text: its values are made of what was recorded by joining paths and arguments and leaving out what does not print, and of
/// some words and numbers. Recorded of the thread itself, that is, or of those that it has it from. `None` when there may be no
/// such part.
pub fn recorded<'t>(field: &Field, text: &'t [u8]) -> Option<&'t [u8]> {
    let of_threads = field.name.starts_with("proc.") || field.name.starts_with("fd.");
    if !of_threads || field.name == "fd.nameraw" || Kept::of(field).is_none() {
        return None;
    }
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let parts = text.split(|byte| !is_of_word(byte));
    let certain = parts.filter(|part| {
        let said = SAID.iter().map(|said| said.as_bytes());
        part.len() >= WORD
            && !part.iter().all(|byte| ENDS.contains(byte))
            && said
                .flat_map(|said| said.windows(part.len()))
                .all(|said| said != *part)
    });
    certain.max_by_key(|part| part.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::by_name;

    #[test]
    fn the_table_is_sorted_and_names_fields() {
        assert!(KEPT.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, _) in KEPT {
            assert!(by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_another_recorder_must_have_kept_is_the_longest_certain_part() {
        for (name, text, part) in [
            ("fd.name", "/etc/shadow", Some("shadow")),
            ("fd.name", "/etc/x.y", Some("etc")),
            ("fd.name", "10.0.0.7:443->10.0.0.8:80", None),
            ("fd.name", "dead-beef", None),
            ("fd.name", "<UNKNOWN>/ab", None),
            ("fd.name", "UNKNOWNS", Some("UNKNOWNS")),
            ("fd.name", "ab", None),
            ("proc.name", "runc:[2:IN]", Some("runc")),
            ("proc.cmdline", "sh -c 'sleep 10'", Some("sleep")),
            ("proc.env", "A=host", None),
            ("fd.nameraw", "passwd", None),
            ("evt.arg", "passwd", None),
            ("user.name", "nobody", None),
            ("container.name", "nobody", None),
            ("proc.pid", "12345", None),
        ] {
            let field = by_name(name).unwrap();
            let found = recorded(field, text.as_bytes());
            assert_eq!(found, part.map(str::as_bytes), "{name} {text}");
        }
    }

    #[test]
    fn what_may_be_put_together_is_not_looked_for() {
        let of = |kept: Kept, text: &str| kept.pieces(text.as_bytes()).len();
        assert_eq!(of(STRING, "passwd"), 4);
        assert_eq!(of(STRING, "ab"), 0);
        assert_eq!(of(WORDS, "sh -c true"), 2);
        assert_eq!(of(PATH, "/etc/shadow"), 5);
        assert_eq!(of(NAME, "10.0.0.7:80"), 0);
        // What could be the ends of a socket is not, either.
        assert_eq!(of(NAME, "/etc/abc"), 5);
    }
}
