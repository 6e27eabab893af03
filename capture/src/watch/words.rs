//! Why a trigger fired, in the words of the event that fired it.

use afterimage_model::Ctx;
use afterimage_model::fields::by_name;

/// Characters of what an event is about that are told at the most.
const MOST_WORDS: usize = 200;

/// An event in a few words: its type, what it was done to, and who did it.
pub(super) fn of(ctx: &Ctx<'_>) -> String {
    let field = |name: &str| {
        let value = by_name(name).and_then(|field| (field.get)(ctx, None));
        value.map_or_else(String::new, |value| {
            String::from_utf8_lossy(&value.text())
                .chars()
                .take(MOST_WORDS)
                .collect()
        })
    };
    // What a runtime tells is by no process.
    let process = (ctx.tables.proc(ctx.event.proc)).filter(|process| process.key.pid != 0);
    let about = match process {
        Some(_) => field("fd.name"),
        None => field("evt.args"),
    };
    let by = process.map_or_else(String::new, |process| {
        let comm = String::from_utf8_lossy(&process.comm);
        format!("by {comm} ({})", process.key.pid)
    });
    let words = [field("evt.type"), about, by];
    let words: Vec<&str> = (words.iter().map(String::as_str))
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}
