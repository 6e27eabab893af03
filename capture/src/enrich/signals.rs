//! Signals, from whom and to whom, and threads that are renamed.

use super::{Outcome, World};
use crate::decode::Record;
use afterimage_model::{Blob, Process, Value, signal};
use std::collections::HashMap;

/// Most signals whose sender is remembered.
const MOST: usize = 1 << 16;

/// Who sent the last signal of each kind to each process: what a handler is told is a pid of its own namespace, or nothing.
#[derive(Default)]
pub(super) struct Signals {
    sent: HashMap<(u32, u32), u32>,
}

fn code(sig: u64, code: u64) -> Value {
    let name = signal::code_name(sig as i64, code as i64);
    Value::Bytes(Blob::whole(name.into_bytes()))
}

impl World {
    pub(super) fn signal_generate(&mut self, cpu: u16, record: &Record) -> Outcome {
        let (id, known) = self.who(record);
        let [sig, from, to, si_code, result, _] = record.head.args;
        let sent = &mut self.signals.sent;
        if sent.len() >= MOST {
            sent.clear();
        }
        sent.insert((to as u32, sig as u32), from as u32);
        let args = [
            Value::Num(sig as i64),
            Value::Num(from as i64),
            Value::Num(to as i64),
            code(sig, si_code),
            Value::Num(result as i64),
        ];
        let args = args.into_iter().collect();
        self.finish(cpu, record, id, known, "signal_generate", args, None)
    }

    pub(super) fn signal_deliver(&mut self, cpu: u16, record: &Record) -> Outcome {
        let (id, known) = self.who(record);
        let [sig, si_code, handler, flags, ..] = record.head.args;
        let from = self.signals.sent.remove(&(record.head.pid, sig as u32));
        let args = [
            from.map_or(Value::Absent, |pid| Value::Num(i64::from(pid))),
            Value::Num(i64::from(record.head.pid)),
            Value::Num(sig as i64),
            code(sig, si_code),
            // SIG_DFL is 0, SIG_IGN 1; any other is an address.
            Value::Num(handler.min(2) as i64),
            Value::Num(i64::from(flags as u32)),
        ];
        let args = args.into_iter().collect();
        self.finish(cpu, record, id, known, "signaldeliver", args, None)
    }

    /// A thread was given a name from outside: its process has it from now on, when the thread leads it.
    pub(super) fn renamed(&mut self, cpu: u16, record: &Record) -> Outcome {
        let (mut id, known) = self.who(record);
        let name = record.text.clone().unwrap_or_default();
        if record.head.tid == record.head.pid {
            let row = Process {
                comm: name.clone(),
                ..self.row(id)
            };
            id = self.replace(record.head.pid, row);
        }
        let args = [
            Value::Num(i64::from(record.head.tid)),
            Value::Bytes(Blob::whole(name)),
        ];
        let args = args.into_iter().collect();
        self.finish(cpu, record, id, known, "task_rename", args, None)
    }
}
