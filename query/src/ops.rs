//! The operators, their modifiers and the functions: tables read by the parser, the checker, completion and the documents.

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
    Ne          "!="          []     "proc.name!=sh"                     "The event has the field, and it differs.";
    Le          "<="          []     "evt.num<=100"                      "Less or equal.";
    Ge          ">="          []     "evt.buflen>=4096"                  "Greater or equal.";
    Eq          "="           ["=="] "proc.name=sh"                      "Equal: text byte for byte, addresses also by CIDR block, ports also by service name.";
    Lt          "<"           []     "fd.sport<1024"                     "Less; texts are ordered byte by byte.";
    Gt          ">"           []     "evt.rawres>0"                      "Greater.";
    Exists      "exists"      []     "fd.name exists"                    "The event has the field.";
    Contains    "contains"    []     "fd.name contains shadow"           "The value contains the text.";
    Icontains   "icontains"   []     "fd.name icontains password"        "The value contains the text, whatever the case of ASCII letters.";
    Bcontains   "bcontains"   []     "evt.buffer bcontains 7f454c46"     "The value contains the bytes, given in hex.";
    Startswith  "startswith"  []     "fd.name startswith /etc"           "The value begins with the text.";
    Bstartswith "bstartswith" []     "evt.buffer bstartswith 7f454c46"   "The value begins with the bytes, given in hex.";
    Endswith    "endswith"    []     "fd.name endswith .sh"              "The value ends with the text.";
    Glob        "glob"        []     "fd.name glob '/home/*/.ssh/*'"     "The whole value matches a pattern of *, ? and [a-z]; * also crosses slashes.";
    Iglob       "iglob"       []     "proc.name iglob 'PYTHON*'"         "As glob, whatever the case of ASCII letters.";
    Regex       "regex"       []     "proc.name regex 'python[23]?'"     "The whole value matches a regular expression; matching takes linear time.";
    In          "in"          []     "proc.name in (sh, bash)"           "Equal to one of the list; of a field that is a list, all values are.";
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
        use FieldType::{AbsTime, Bytes, Double, Int, List, Port, RelTime, Str, Uint};
        match self {
            Op::Exists | Op::In | Op::Intersects => true,
            Op::Eq | Op::Ne => ty != List,
            Op::Lt | Op::Le | Op::Gt | Op::Ge => {
                matches!(ty, Str | Int | Uint | Double | Port | RelTime | AbsTime)
            }
            Op::Contains | Op::Startswith | Op::Endswith => matches!(ty, Str | Bytes),
            Op::Bcontains | Op::Bstartswith => ty == Bytes,
            Op::Icontains | Op::Glob | Op::Iglob | Op::Regex | Op::Pmatch => ty == Str,
        }
    }

    /// Whether it asks which of two is the greater.
    pub(crate) fn orders(self) -> bool {
        matches!(self, Op::Lt | Op::Le | Op::Gt | Op::Ge)
    }

    /// Whether `oneof`, `anyof` or `allof` may follow it.
    pub fn takes_modifier(self) -> bool {
        self.operand() == Operand::Value && !self.orders()
    }
}

/// How many members of a list a comparison has to hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Modifier {
    /// Exactly one.
    Oneof,
    /// At least one.
    Anyof,
    /// All; false for an empty list.
    Allof,
}

/// A row of [`MODIFIERS`].
#[derive(Clone, Copy, Debug)]
pub struct ModifierRow {
    /// The modifier.
    pub modifier: Modifier,
    /// How it is written.
    pub text: &'static str,
    /// How it is used.
    pub example: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// Every modifier. It stands between an operator that takes one value and a list.
pub const MODIFIERS: &[ModifierRow] = &[
    ModifierRow {
        modifier: Modifier::Oneof,
        text: "oneof",
        example: "proc.name startswith oneof (ssh, sudo)",
        doc: "The comparison holds for exactly one member of the list.",
    },
    ModifierRow {
        modifier: Modifier::Anyof,
        text: "anyof",
        example: "fd.name endswith anyof (.sh, .py)",
        doc: "The comparison holds for at least one member of the list.",
    },
    ModifierRow {
        modifier: Modifier::Allof,
        text: "allof",
        example: "proc.cmdline contains allof (curl, '-o')",
        doc: "The comparison holds for all members of the list, of which there is at least one.",
    },
];

impl Modifier {
    /// How it is written.
    pub fn text(self) -> &'static str {
        MODIFIERS
            .iter()
            .find(|row| row.modifier == self)
            .map_or("", |row| row.text)
    }

    /// The modifier whose name is `text`.
    pub fn by_text(text: &str) -> Option<Modifier> {
        MODIFIERS
            .iter()
            .find(|row| row.text == text)
            .map(|row| row.modifier)
    }
}

/// What can be made of a field before it is compared or printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// ASCII letters to lower case.
    Tolower,
    /// ASCII letters to upper case.
    Toupper,
    /// Base64 decoded.
    B64,
    /// The part after the last slash.
    Basename,
    /// Bytes of a text, members of a list.
    Len,
    /// Members of a list with a text between them.
    Join,
    /// Texts, one after another.
    Concat,
    /// Options of a command line.
    Getopt,
}

/// A row of [`FUNCTIONS`].
#[derive(Clone, Copy, Debug)]
pub struct FunctionRow {
    /// The function.
    pub function: Function,
    /// How it is written.
    pub text: &'static str,
    /// How it is used.
    pub example: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// Every function.
pub const FUNCTIONS: &[FunctionRow] = &[
    FunctionRow {
        function: Function::Tolower,
        text: "tolower",
        example: "tolower(proc.name)=curl",
        doc: "The text with ASCII letters in lower case.",
    },
    FunctionRow {
        function: Function::Toupper,
        text: "toupper",
        example: "toupper(fd.name) startswith /ETC",
        doc: "The text with ASCII letters in upper case.",
    },
    FunctionRow {
        function: Function::B64,
        text: "b64",
        example: "b64(evt.buffer) contains secret",
        doc: "The text or bytes decoded from base64; missing when they are not base64.",
    },
    FunctionRow {
        function: Function::Basename,
        text: "basename",
        example: "basename(proc.exepath)=curl",
        doc: "What follows the last slash.",
    },
    FunctionRow {
        function: Function::Len,
        text: "len",
        example: "len(proc.cmdline)>1000",
        doc: "Bytes of a text, or members of a list.",
    },
    FunctionRow {
        function: Function::Join,
        text: "join",
        example: "join(':', (proc.name, proc.pid))='sh:4'",
        doc: "The members of a list with a text between them.",
    },
    FunctionRow {
        function: Function::Concat,
        text: "concat",
        example: "concat(fd.directory, '/x')=/etc/x",
        doc: "Two texts or more, one after another.",
    },
    FunctionRow {
        function: Function::Getopt,
        text: "getopt",
        example: "getopt(proc.args, 'lp:')[p]=4444",
        doc: "The short options of a command line and their values as getopt(3) finds them; in brackets, the value of one.",
    },
];

impl Function {
    /// How it is written.
    pub fn text(self) -> &'static str {
        FUNCTIONS
            .iter()
            .find(|row| row.function == self)
            .map_or("", |row| row.text)
    }

    /// The function whose name is `text`.
    pub fn by_text(text: &str) -> Option<Function> {
        FUNCTIONS
            .iter()
            .find(|row| row.text == text)
            .map(|row| row.function)
    }
}

/// What a type is called in messages, documents and JSON.
pub(crate) fn type_name(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Str => "text",
        FieldType::Bytes => "bytes",
        FieldType::List => "a list of texts",
        FieldType::Int | FieldType::Uint | FieldType::Double => "a number",
        FieldType::Bool => "true or false",
        FieldType::Ip => "an address",
        FieldType::Net => "an address or a CIDR block",
        FieldType::Port => "a port",
        FieldType::RelTime => "a duration",
        FieldType::AbsTime => "an instant",
    }
}
