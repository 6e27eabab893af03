//! Fields that the peers had once: filters that name them are read, and match nothing.

use super::{Dependency, Field, FieldArg, FieldType};

macro_rules! retired {
    (@arg) => { FieldArg::None };
    (@arg $arg:ident) => { FieldArg::$arg };
    ($($name:literal $ty:ident $(($arg:ident))? $doc:ident;)*) => {
        &[$(Field {
            name: $name,
            ty: FieldType::$ty,
            arg: retired!(@arg $($arg)?),
            on: Dependency::Type,
            get: |_, _| None,
            doc: $doc,
        }),*]
    };
}

const MESOS: &str = "Mesos and Marathon are not recorded: ask for container.label[…] instead.";
const SPAN: &str = "tracer spans are not recorded: ask for evt.type=write and fd.name=/dev/null, where programs wrote them.";

/// Every one, with what to ask for instead.
#[rustfmt::skip]
pub const RETIRED: &[Field] = retired! {
    "evtin.span.arg" Str(Required) SPAN;
    "evtin.span.args" Str SPAN;
    "evtin.span.id" Int SPAN;
    "evtin.span.m.arg" Str(Required) SPAN;
    "evtin.span.m.args" Str SPAN;
    "evtin.span.m.id" Int SPAN;
    "evtin.span.m.nargs" Uint SPAN;
    "evtin.span.m.ntags" Uint SPAN;
    "evtin.span.m.tag" Str(Required) SPAN;
    "evtin.span.m.tags" Str SPAN;
    "evtin.span.nargs" Uint SPAN;
    "evtin.span.ntags" Uint SPAN;
    "evtin.span.p.arg" Str(Required) SPAN;
    "evtin.span.p.args" Str SPAN;
    "evtin.span.p.id" Int SPAN;
    "evtin.span.p.nargs" Uint SPAN;
    "evtin.span.p.ntags" Uint SPAN;
    "evtin.span.p.tag" Str(Required) SPAN;
    "evtin.span.p.tags" Str SPAN;
    "evtin.span.s.arg" Str(Required) SPAN;
    "evtin.span.s.args" Str SPAN;
    "evtin.span.s.id" Int SPAN;
    "evtin.span.s.nargs" Uint SPAN;
    "evtin.span.s.ntags" Uint SPAN;
    "evtin.span.s.tag" Str(Required) SPAN;
    "evtin.span.s.tags" Str SPAN;
    "evtin.span.tag" Str(Required) SPAN;
    "evtin.span.tags" Str SPAN;
    "marathon.app.id" Str MESOS;
    "marathon.app.label" Str(Required) MESOS;
    "marathon.app.labels" Str MESOS;
    "marathon.app.name" Str MESOS;
    "marathon.group.id" Str MESOS;
    "marathon.group.name" Str MESOS;
    "mesos.framework.id" Str MESOS;
    "mesos.framework.name" Str MESOS;
    "mesos.task.id" Str MESOS;
    "mesos.task.label" Str(Required) MESOS;
    "mesos.task.labels" Str MESOS;
    "mesos.task.name" Str MESOS;
    "span.arg" Str(Required) SPAN;
    "span.args" Str SPAN;
    "span.count" Uint SPAN;
    "span.duration" RelTime SPAN;
    "span.duration.human" Str SPAN;
    "span.duration.quantized" Uint SPAN;
    "span.enterarg" Str(Required) SPAN;
    "span.enterargs" Str SPAN;
    "span.id" Int SPAN;
    "span.nargs" Uint SPAN;
    "span.ntags" Uint SPAN;
    "span.rawparenttime" Str SPAN;
    "span.rawtime" Str SPAN;
    "span.tag" Str(Required) SPAN;
    "span.tags" Str SPAN;
    "span.time" Str SPAN;
};
