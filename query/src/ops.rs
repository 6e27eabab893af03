//! The operators: one table read by the parser, the checker, completion and the documents.

use afterimage_model::FieldType;

/// An operator of the filter language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The event has the field.
    Exists,
    /// Equal.
    Eq,
    /// There, and not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Substring.
    Contains,
    /// Substring, ASCII case ignored.
    Icontains,
    /// Byte substring, given in hex.
    Bcontains,
    /// Prefix.
    Startswith,
    /// Byte prefix, given in hex.
    Bstartswith,
    /// Suffix.
    Endswith,
    /// Shell pattern.
    Glob,
    /// Shell pattern, ASCII case ignored.
    Iglob,
    /// Regular expression over the whole value.
    Regex,
    /// Equal to one of a list.
    In,
    /// Has an element in common with a list.
    Intersects,
    /// Lies at or under one of a list of paths.
    Pmatch,
}

/// What follows an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    None,
    Value,
    List,
}

/// A row of [`OPERATORS`].
#[derive(Clone, Copy, Debug)]
pub struct OperatorRow {
    /// The operator.
    pub op: Op,
    /// How it is written, and how it is printed.
    pub text: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// What its right side looks like.
    pub example: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

macro_rules! operators {
    ($($op:ident $text:literal $aliases:tt $example:literal $doc:literal;)*) => {
        &[$(OperatorRow { op: Op::$op, text: $text, aliases: &$aliases, example: $example, doc: $doc }),*]
    };
}

/// Every operator. Symbols that begin with another symbol stand before it.
pub const OPERATORS: &[OperatorRow] = operators! {
    Ne          "!="          []     "proc.name!=sh"                     "The event has the field, and none of its values is equal.";
    Le          "<="          []     "evt.num<=100"                      "Less or equal.";
    Ge          ">="          []     "evt.buflen>=4096"                  "Greater or equal.";
    Eq          "="           ["=="] "proc.name=sh"                      "Equal: text byte for byte, addresses also by CIDR block, ports also by service name.";
    Lt          "<"           []     "fd.sport<1024"                     "Less.";
    Gt          ">"           []     "evt.rawres>0"                      "Greater.";
    Exists      "exists"      []     "fd.name exists"                    "The event has the field.";
    Contains    "contains"    []     "fd.name contains shadow"           "The value contains the text.";
    Icontains   "icontains"   []     "evt.buffer icontains password"     "The value contains the text, whatever the case of ASCII letters.";
    Bcontains   "bcontains"   []     "evt.buffer bcontains 7f454c46"     "The value contains the bytes, given in hex.";
    Startswith  "startswith"  []     "fd.name startswith /etc"           "The value begins with the text.";
    Bstartswith "bstartswith" []     "evt.buffer bstartswith 7f454c46"   "The value begins with the bytes, given in hex.";
    Endswith    "endswith"    []     "fd.name endswith .sh"              "The value ends with the text.";
    Glob        "glob"        []     "fd.name glob '/home/*/.ssh/*'"     "The whole value matches a pattern of *, ? and [a-z]; * also crosses slashes.";
    Iglob       "iglob"       []     "proc.name iglob 'PYTHON*'"         "As glob, whatever the case of ASCII letters.";
    Regex       "regex"       []     "proc.name regex 'python[23]?'"     "The whole value matches a regular expression; matching takes linear time.";
    In          "in"          []     "proc.name in (sh, bash)"           "Equal to one of the list.";
    Intersects  "intersects"  []     "proc.aname intersects (sshd, sudo)" "One of the values is equal to one of the list.";
    Pmatch      "pmatch"      []     "fd.name pmatch (/etc, /usr/*/bin)" "The path is one of the list or lies under one; a component may be a pattern.";
};

impl Op {
    /// Its row.
    pub fn row(self) -> Option<&'static OperatorRow> {
        OPERATORS.iter().find(|row| row.op == self)
    }

    /// How it is written.
    pub fn text(self) -> &'static str {
        self.row().map_or("", |row| row.text)
    }

    /// Whether it is written in letters and needs blanks around it.
    pub(crate) fn is_word(self) -> bool {
        self.text().starts_with(|c: char| c.is_ascii_alphabetic())
    }

    pub(crate) fn operand(self) -> Operand {
        match self {
            Op::Exists => Operand::None,
            Op::In | Op::Intersects | Op::Pmatch => Operand::List,
            _ => Operand::Value,
        }
    }

    /// The operator whose name is `text`.
    pub fn by_text(text: &str) -> Option<Op> {
        OPERATORS
            .iter()
            .find(|row| row.text == text || row.aliases.contains(&text))
            .map(|row| row.op)
    }

    /// Whether it can be asked of a field that holds `ty`.
    pub fn fits(self, ty: FieldType) -> bool {
        match self {
            Op::Exists | Op::Eq | Op::Ne | Op::In | Op::Intersects => true,
            Op::Lt | Op::Le | Op::Gt | Op::Ge => {
                matches!(
                    ty,
                    FieldType::Int
                        | FieldType::Uint
                        | FieldType::Port
                        | FieldType::RelTime
                        | FieldType::AbsTime
                )
            }
            _ => matches!(ty, FieldType::Str | FieldType::Bytes),
        }
    }
}

/// What a type is called in messages, documents and JSON.
pub(crate) fn type_name(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Str => "text",
        FieldType::Bytes => "bytes",
        FieldType::Int | FieldType::Uint => "a number",
        FieldType::Bool => "true or false",
        FieldType::Ip => "an address",
        FieldType::Net => "an address or a CIDR block",
        FieldType::Port => "a port",
        FieldType::RelTime => "a duration",
        FieldType::AbsTime => "an instant",
    }
}
