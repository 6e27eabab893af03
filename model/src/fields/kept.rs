//! Which fields say what is written in a capture's strings: what such a field says is ruled out by a filter of those.

use super::{Field, Looks, evt};
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
                matches!(looks, Looks::Nowhere | Looks::At { bytes: true, .. })
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
