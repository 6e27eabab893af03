//! What decides the value of a field that depends on the event itself: how a filter is answered from columns.

use super::{Ctx, Field, dns, evt, fd, syslog, told};
use crate::schema::TypeDesc;

/// What decides the value of a field of [`Dependency::Event`](super::Dependency::Event), of events of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// None of them has a value.
    Nowhere,
    /// The argument of this number alone: where it is a number, or with `bytes` whatever it is; where there is none, they have no
    /// value.
    At {
        /// Which argument.
        at: usize,
        /// Captured bytes decide the value, too, and nothing beside them.
        bytes: bool,
    },
    /// The result of a call that returned, where it is not negative, else the number that the argument of this number holds, if there
    /// is one.
    ResultOr(Option<usize>),
    /// The path that this argument holds, and what it starts at: the argument before it, process and file row, and whether the call
    /// returned, failed, and with a negative number.
    Path(usize),
    /// No argument: process row, thread and marks.
    Who,
    /// More than that, and only of what goes through some files: [`has_none`] tells which have no value.
    OnFile,
    /// The line of all arguments, stretch by stretch: [`Stretch`](crate::render::Stretch).
    Line,
    /// More than that.
    Beyond,
}

impl Looks {
    /// What a field with this argument looks at of events of a type.
    pub fn of(field: &Field, arg: Option<&str>, ty: &TypeDesc) -> Looks {
        match (field.name, arg) {
            ("evt.arg", Some(name)) => evt::arg_looks(ty, name, false),
            ("evt.rawarg", Some(name)) => evt::arg_looks(ty, name, true),
            ("evt.args" | "evt.info", None) => Looks::Line,
            ("fd.num", None) => fd::num_looks(ty),
            (
                "evt.is_open_create" | "evt.is_open_exec" | "evt.is_open_read"
                | "evt.is_open_write",
                None,
            ) => evt::open_looks(ty),
            ("evt.buffer", None) => evt::buffer_looks(ty),
            ("evt.abspath" | "fs.path.name" | "fs.path.source" | "fs.path.target", None) => {
                evt::path_looks(field.name, ty)
            }
            (
                "syslog.facility"
                | "syslog.facility.str"
                | "syslog.message"
                | "syslog.severity"
                | "syslog.severity.str",
                None,
            ) => match evt::buffer_looks(ty) {
                Looks::Nowhere => Looks::Nowhere,
                _ => Looks::OnFile,
            },
            ("dns.answers" | "dns.question" | "dns.question.type" | "dns.rcode", None) => {
                match evt::payloads(ty).next() {
                    None => Looks::Nowhere,
                    Some(_) => Looks::OnFile,
                }
            }
            (name, None) => told::looks(name, ty),
            _ => Looks::Beyond,
        }
    }
}

/// Whether a field has certainly no value, told from an event's type and file row alone.
pub fn has_none(field: &Field, arg: Option<&str>, ctx: &Ctx<'_>) -> bool {
    let nowhere = || (ctx.ty()).is_some_and(|ty| Looks::of(field, arg, ty) == Looks::Nowhere);
    match field.name.split_once('.') {
        Some(("dns", _)) => !dns::may_be(ctx) || nowhere(),
        Some(("syslog", _)) => !syslog::is_syslog(ctx),
        _ => nowhere(),
    }
}
