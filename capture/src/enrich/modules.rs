//! Modules of the kernel: asked for, loaded, removed. And capabilities that it asked for.

use super::{Outcome, World};
use crate::decode::Record;
use crate::wire::Kind;
use afterimage_model::{Blob, Value};

impl World {
    /// A module, by its name, and but where it is only asked for by its taints.
    pub(super) fn module(&mut self, cpu: u16, record: &Record) -> Outcome {
        let (id, known) = self.who(record);
        let name = Value::Bytes(Blob::whole(record.text.clone().unwrap_or_default()));
        let taints = Value::Num(record.head.args[0] as i64);
        let (ty, args) = match u32::from(record.head.kind) {
            Kind::MODULE_REQUEST => ("module_request", vec![name]),
            Kind::MODULE_LOAD => ("module_load", vec![name, taints]),
            _ => ("module_free", vec![name, taints]),
        };
        self.finish(cpu, record, id, known, ty, args.into(), None)
    }

    /// A capability, by its number, and whether it was there.
    pub(super) fn capable(&mut self, cpu: u16, record: &Record) -> Outcome {
        let (id, known) = self.who(record);
        let [cap, had, ..] = record.head.args;
        let args = [cap, had].map(|number| Value::Num(number as i64));
        let args = args.into_iter().collect();
        self.finish(cpu, record, id, known, "cap_capable", args, None)
    }
}
