//! Rows of a chunk as records, together no larger than what a reader takes. What is too large is cut, and says so: it is what a
//! program may give itself without end (arguments, environment, labels), never who it is.

use crate::layout::{MAX_CHUNK, MAX_CONTAINER_ROWS};
use crate::wire::Record;
use afterimage_model::{Container, File, Group, Process, User};
use std::collections::BTreeMap;

/// Bytes of all rows of a kind. Processes: a batch is closed by half of that, unless one event has so many ancestors.
const MOST_PROCESSES: usize = (MAX_CHUNK / 4) as usize;
const MOST_CONTAINERS: usize = (MAX_CONTAINER_ROWS / 4 * 3) as usize;
const MOST_NAMES: usize = 8 << 20;
/// Bytes of one text of a row that is cut to the utmost.
const SHORT: usize = 128;

/// One way to make a row smaller: to about so many bytes, when that is enough.
type Cut<T> = fn(&mut T, usize);

/// Rows as records, one behind another.
#[derive(Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Records {
    fn of<T: Record>(rows: &[&T]) -> Records {
        let mut records = Records::default();
        rows.iter().for_each(|row| records.add(*row));
        records
    }

    fn add<T: Record>(&mut self, row: &T) {
        row.put(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn keep(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// Each of them, in order.
    pub(crate) fn each(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let record = self.bytes.get(from..*end).unwrap_or_default();
            from = *end;
            record
        })
    }
}

/// The most that each may have, when all have as much as they need or that, and together no more than `most`.
fn share(mut sizes: Vec<usize>, most: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut rest) = (most, sizes.len());
    for size in sizes {
        let each = left / rest.max(1);
        if size > each {
            return each;
        }
        left -= size;
        rest -= 1;
    }
    most
}

/// The rows as records. While they are too many bytes together, those with more than their share are cut, in the first of these ways
/// and then in the next, too.
fn fitted<T: Record + Clone>(rows: &[&T], most: usize, cuts: &[Cut<T>]) -> Records {
    let mut records = Records::of(rows);
    for steps in 1..=cuts.len() {
        if records.bytes.len() <= most {
            break;
        }
        let share = share(records.each().map(<[u8]>::len).collect(), most);
        let mut fewer = Records::default();
        for (row, record) in rows.iter().zip(records.each()) {
            if record.len() <= share {
                fewer.keep(record);
                continue;
            }
            let mut smaller = (*row).clone();
            for cut in cuts.iter().take(steps) {
                cut(&mut smaller, share);
            }
            fewer.add(&smaller);
        }
        records = fewer;
    }
    records
}

fn shorten(text: &mut String) {
    if text.len() > SHORT {
        let end = (0..=SHORT).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
}

/// Arguments get half of the room, or what the environment leaves of it. The lengths that they had stay.
fn cut_arguments(process: &mut Process, most: usize) {
    let fixed = process.encode().len() - process.argv.len() - process.env.len();
    let room = most.saturating_sub(fixed);
    process.argv_full_len = process.argv_full_len.max(process.argv.len() as u64);
    process.env_full_len = process.env_full_len.max(process.env.len() as u64);
    let left = room.saturating_sub(process.env.len()).max(room / 2);
    process.argv.truncate(left);
    process
        .env
        .truncate(room.saturating_sub(process.argv.len()));
}

/// A part of a path would be another path: it is not known then.
fn cut_paths(process: &mut Process, _: usize) {
    for path in [
        &mut process.exe_path,
        &mut process.cwd,
        &mut process.cgroup,
        &mut process.argv,
        &mut process.env,
    ] {
        if path.len() > SHORT {
            path.clear();
        }
    }
}

/// Names, which a kernel keeps short, and a capture of another program need not.
fn cut_names(process: &mut Process, _: usize) {
    for name in [
        &mut process.comm,
        &mut process.main_comm,
        &mut process.session_comm,
        &mut process.script,
        &mut process.interp,
    ] {
        name.truncate(SHORT);
    }
}

fn cut_lists(container: &mut Container, _: usize) {
    container.cut = true;
    container.pairs_mut().into_iter().for_each(BTreeMap::clear);
    container.lists_mut().into_iter().for_each(Vec::clear);
}

fn cut_texts(container: &mut Container, _: usize) {
    container.texts_mut().into_iter().for_each(shorten);
}

/// File rows, which an event cannot have many of.
pub(crate) fn files(rows: &[&File]) -> Records {
    fitted(rows, usize::MAX, &[])
}

/// Process rows.
pub(crate) fn processes(rows: &[&Process]) -> Records {
    fitted(rows, MOST_PROCESSES, &[cut_arguments, cut_paths, cut_names])
}

/// Container rows.
pub(crate) fn containers(rows: &[&Container]) -> Records {
    fitted(rows, MOST_CONTAINERS, &[cut_lists, cut_texts])
}

/// User rows.
pub(crate) fn users(rows: &[&User]) -> Records {
    let cut: Cut<User> = |user, _| {
        for text in [&mut user.name, &mut user.home, &mut user.shell] {
            shorten(text);
        }
    };
    fitted(rows, MOST_NAMES, &[cut])
}

/// Group rows.
pub(crate) fn groups(rows: &[&Group]) -> Records {
    fitted(rows, MOST_NAMES, &[|group, _| shorten(&mut group.name)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_little_leaves_more_to_the_others() {
        assert_eq!(share(vec![10, 10, 10], 100), 100);
        assert_eq!(share(vec![10, 500, 500], 100), 45);
        assert_eq!(share(vec![500, 500], 100), 50);
        assert_eq!(share(vec![], 100), 100);
    }

    #[test]
    fn what_is_cut_is_no_larger_than_its_share() {
        let process = |argv: usize, env: usize| Process {
            argv: vec![b'a'; argv],
            env: vec![b'e'; env],
            ..Process::default()
        };
        for (argv, env) in [
            (0, 5_000),
            (5_000, 0),
            (5_000, 5_000),
            (300, 9_000),
            (9_000, 300),
        ] {
            let mut row = process(argv, env);
            cut_arguments(&mut row, 2_000);
            assert!(
                row.encode().len() <= 2_010,
                "{argv} {env}: {}",
                row.encode().len()
            );
            assert_eq!(
                (row.argv_full_len, row.env_full_len),
                (argv as u64, env as u64)
            );
        }
    }
}
