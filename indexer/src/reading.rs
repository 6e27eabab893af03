//! A field over many events: values are interned, and what a type, process or file row decides is asked once per row.

use crate::cell::Key;
use afterimage_model::{Ctx, Dependency, FieldValue};
use afterimage_query::FieldRef;
use std::collections::HashMap;

/// A field and the values seen of it, each with a small number.
pub(crate) struct FieldReader {
    field: FieldRef,
    ids: HashMap<Key, u32>,
    keys: Vec<Key>,
    by_row: HashMap<u32, u32>,
    last: Option<(u32, u32)>,
}

impl FieldReader {
    pub fn new(field: FieldRef) -> FieldReader {
        FieldReader {
            field,
            ids: HashMap::new(),
            keys: Vec::new(),
            by_row: HashMap::new(),
            last: None,
        }
    }

    pub fn field(&self) -> &FieldRef {
        &self.field
    }

    /// Forgets which row had which value: other tables follow.
    pub fn forget_rows(&mut self) {
        self.by_row.clear();
        self.last = None;
    }

    /// The row that decides the value, if one does.
    fn row(&self, ctx: &Ctx<'_>) -> Option<u32> {
        match self.field.field().on {
            Dependency::Type => Some(u32::from(ctx.event.ty.0)),
            Dependency::Process => Some(ctx.event.proc.0),
            Dependency::File => ctx.event.file.map(|id| id.0),
            _ => None,
        }
    }

    /// The number of the event's value; equal values have equal numbers.
    pub fn id(&mut self, ctx: &Ctx<'_>) -> u32 {
        let Some(row) = self.row(ctx) else {
            return self.intern(Key::of(self.field.value(ctx)));
        };
        match self.last {
            Some((last, id)) if last == row => return id,
            _ => {}
        }
        let id = match self.by_row.get(&row) {
            Some(id) => *id,
            None => {
                let id = self.intern(Key::of(self.field.value(ctx)));
                self.by_row.insert(row, id);
                id
            }
        };
        self.last = Some((row, id));
        id
    }

    fn intern(&mut self, key: Key) -> u32 {
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.keys.push(key.clone());
        self.ids.insert(key, id);
        id
    }

    /// The value with this number.
    pub fn key(&self, id: u32) -> &Key {
        self.keys.get(id as usize).unwrap_or(&Key::Missing)
    }

    /// The value itself, not interned.
    pub fn value(&self, ctx: &Ctx<'_>) -> Key {
        Key::of(self.field.value(ctx))
    }

    /// The value as a number; a yes is one.
    pub fn number(&self, ctx: &Ctx<'_>) -> Option<i128> {
        match self.field.value(ctx)? {
            FieldValue::Int(n) => Some(i128::from(n)),
            FieldValue::Uint(n) => Some(i128::from(n)),
            FieldValue::Bool(yes) => Some(i128::from(yes)),
            // Shares in percent: whole ones are enough.
            FieldValue::Double(f) => Some(f.round() as i128),
            _ => None,
        }
    }

    /// The value as a number with a fraction.
    pub fn fraction(&self, ctx: &Ctx<'_>) -> Option<f64> {
        match self.field.value(ctx)? {
            FieldValue::Double(f) => Some(f),
            FieldValue::Int(n) => Some(n as f64),
            FieldValue::Uint(n) => Some(n as f64),
            _ => None,
        }
    }

    /// Whether one row of a table decides the value.
    pub fn is_of_a_row(&self) -> bool {
        self.field.field().on.is_row()
    }
}
