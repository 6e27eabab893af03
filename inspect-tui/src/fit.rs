//! Text cut to cells: what fits a width on screen, by display width and never by bytes.

use afterimage_model::Safe;
use unicode_width::UnicodeWidthChar;

/// Captured bytes as printable text that fills at most `width` cells; what does not fit ends in `…`.
///
/// Only the bytes that can be seen are looked at, so that a row with megabytes of argv costs no more than a short one.
pub fn captured(bytes: &[u8], width: usize, ascii: bool) -> String {
    // A character takes at most four bytes for at least one cell once characters without width are spelled out.
    let enough = width.saturating_mul(4).saturating_add(8);
    let shown = bytes.get(..enough.min(bytes.len())).unwrap_or_default();
    let text = Safe::new(shown).to_string();
    // Blanks at the end, with which programs that rename themselves fill up, are nothing that is missing.
    let only_blanks =
        |bytes: Option<&[u8]>| bytes.is_some_and(|rest| rest.iter().all(|b| *b == b' '));
    let text = match only_blanks(bytes.get(shown.len()..)) {
        true => text.trim_end_matches(' '),
        false => &text,
    };
    cut(text, width, ascii)
}

/// The same for paths, whose both ends say more than their middle: what does not fit becomes one `…` in between.
pub fn captured_middle(bytes: &[u8], width: usize, ascii: bool) -> String {
    if width < 8 {
        return captured(bytes, width, ascii);
    }
    let enough = width.saturating_mul(4).saturating_add(8);
    let text = match (bytes.get(..enough), bytes.len().checked_sub(enough)) {
        // Longer than both ends together: it will not fit anyway.
        (Some(front), Some(rest)) if rest > enough => {
            let back = bytes.get(rest..).unwrap_or_default();
            format!("{}{}", Safe::new(front), Safe::new(back))
        }
        _ => Safe::new(bytes).to_string(),
    };
    let text = spelled(&text, ascii);
    if cells(&text) <= width {
        return text.into_owned();
    }
    let mut front = String::new();
    for c in text.chars() {
        if cells(&front) + cells_of(c) > width / 3 {
            break;
        }
        front.push(c);
    }
    // A name or a port of which half is there looks like another one: whole ones are left where enough is.
    let parts = |c: char| matches!(c, '/' | ':' | '>');
    let goes_on = text.get(front.len()..).and_then(|rest| rest.chars().next());
    if !goes_on.is_some_and(parts)
        && let Some(at) = front.rfind(parts).filter(|at| at + 1 > front.len() / 2)
    {
        front.truncate(at + 1);
    }
    let room = width - cells(&front);
    let back = tail(&text, room, ascii);
    let rest = back.strip_prefix(if ascii { '~' } else { '…' });
    let Some(rest) = rest else {
        return front + &back;
    };
    let before = text
        .strip_suffix(rest)
        .and_then(|front| front.chars().last());
    let whole = ["->", "/"].iter().filter_map(|part| rest.find(part)).min();
    let whole = whole.and_then(|at| rest.get(at..));
    let back = match whole.filter(|rest| !before.is_some_and(parts) && cells(rest) > room / 2) {
        Some(rest) if !rest.is_empty() => rest,
        _ => rest,
    };
    format!("{front}{}{back}", if ascii { '~' } else { '…' })
}

/// Text that a user typed or a table of ours holds, with anything dangerous spelled out but backslashes left alone.
pub fn plain(text: &str) -> String {
    text.split('\\')
        .map(|part| Safe::new(part).to_string())
        .collect::<Vec<_>>()
        .join("\\")
}

/// What an error says on several lines, as one: without the lines that point at a place above them.
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let says = |line: &&str| !line.trim_matches('^').is_empty();
    let lines: Vec<String> = lines.filter(says).map(plain).collect();
    lines.join("; ")
}

/// Printable text that fills at most `width` cells.
pub fn cut(text: &str, width: usize, ascii: bool) -> String {
    let text = spelled(text, ascii);
    let mut used = 0;
    let mut keep = 0;
    for (at, c) in text.char_indices() {
        let next = used + cells_of(c);
        if next > width {
            let mut out = text.get(..keep).unwrap_or_default().to_owned();
            if width > 0 {
                out.push(if ascii { '~' } else { '…' });
            }
            return out;
        }
        used = next;
        // The ellipsis needs the last cell.
        if used < width {
            keep = at + c.len_utf8();
        }
    }
    text.into_owned()
}

/// Printable text cut or padded to exactly `width` cells.
pub fn pad(text: &str, width: usize, right: bool, ascii: bool) -> String {
    let text = cut(text, width, ascii);
    let space = " ".repeat(width.saturating_sub(cells(&text)));
    if right { space + &text } else { text + &space }
}

/// The tail of printable text that fills at most `width` cells: for paths and breadcrumbs, whose end says most.
pub fn tail(text: &str, width: usize, ascii: bool) -> String {
    let text = spelled(text, ascii);
    if cells(&text) <= width {
        return text.into_owned();
    }
    let mut used = 1;
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        used += cells_of(c);
        if used > width {
            break;
        }
        from = at;
    }
    let mark = if width == 0 {
        ""
    } else if ascii {
        "~"
    } else {
        "…"
    };
    format!("{mark}{}", text.get(from..).unwrap_or_default())
}

/// How many cells printable text takes.
pub fn cells(text: &str) -> usize {
    text.chars().map(cells_of).sum()
}

fn cells_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Spells out characters that take no cell (they would hide in their neighbour), and in ASCII mode all others but ASCII.
fn spelled(text: &str, ascii: bool) -> std::borrow::Cow<'_, str> {
    let odd = |c: char| cells_of(c) == 0 || (ascii && !c.is_ascii());
    if !text.contains(odd) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if odd(c) {
            out += &format!("\\u{{{:04x}}}", c as u32)
        } else {
            out.push(c)
        }
    }
    out.into()
}

/// Printable text as lines of at most `width` cells, broken at blanks where that is possible. There is at least one line and
/// at most `most`; what comes after that is left out.
pub fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    // Where the line starts, where its last blank is, and the cells up to here and since that blank.
    let (mut start, mut blank, mut used, mut after) = (0, None, 0, 0);
    for (at, c) in text.char_indices() {
        let wide = cells_of(c);
        if used + wide > width && at > start {
            if lines.len() + 1 >= most {
                break;
            }
            let (end, next) = match blank {
                // The blank itself falls into the break.
                _ if c == ' ' => (at, at + 1),
                Some(blank) => (blank, blank + 1),
                None => (at, at),
            };
            lines.push(text.get(start..end).unwrap_or_default().to_owned());
            used = if next == blank.map_or(0, |b| b + 1) {
                after
            } else {
                0
            };
            (start, blank) = (next, None);
            if c == ' ' {
                (used, after) = (0, 0);
                continue;
            }
        }
        used += wide;
        after += wide;
        if c == ' ' {
            (blank, after) = (Some(at), 0);
        }
    }
    let rest = text.get(start..).unwrap_or_default();
    lines.push(cut(rest, width.max(1), false));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_are_never_cut_in_half() {
        assert_eq!(cut("検索検索", 8, false), "検索検索");
        assert_eq!(cut("検索検索", 7, false), "検索検…");
        assert_eq!(cut("検索検索", 6, false), "検索…");
        assert_eq!(cut("検索", 1, false), "…");
        assert_eq!(cut("x", 0, false), "");
    }

    #[test]
    fn padding_gives_exactly_the_width() {
        for width in 0..12 {
            for text in ["", "a", "検索", "a\u{20d0}b", "longer than that"] {
                assert_eq!(
                    cells(&pad(text, width, false, false)),
                    width,
                    "{text:?} in {width}"
                );
                assert_eq!(
                    cells(&pad(text, width, true, true)),
                    width,
                    "{text:?} in {width}"
                );
                assert!(
                    cells(&tail(text, width, false)) <= width,
                    "{text:?} in {width}"
                );
            }
        }
    }

    #[test]
    fn characters_without_width_are_spelled_out() {
        assert_eq!(cut("a\u{20d0}b", 20, false), "a\\u{20d0}b");
    }

    #[test]
    fn blanks_at_the_end_are_nothing_that_is_cut() {
        let renamed = [&b"stress-ng-pipe [run]"[..], &[b' '; 5000]].concat();
        assert_eq!(captured(&renamed, 30, false), "stress-ng-pipe [run]");
        assert_eq!(captured(&renamed, 14, false), "stress-ng-pip…");
        let more = [&renamed[..], b"x"].concat();
        assert_eq!(
            captured(&more, 30, false),
            format!("{}…", "stress-ng-pipe [run]         ")
        );
    }

    #[test]
    fn a_megabyte_of_escapes_is_cut_to_the_cells_there_are() {
        let shown = captured(&vec![0x1b; 1 << 20], 10, false);
        assert_eq!(cells(&shown), 10);
        assert!(shown.ends_with('…'));
    }

    #[test]
    fn a_long_path_keeps_both_its_ends() {
        let path = b"/var/lib/postgresql/data/pg_wal/000000010000000000000001";
        assert_eq!(captured_middle(path, 24, false), "/var/lib…000000000000001");
        assert_eq!(captured_middle(b"/etc/shadow", 24, false), "/etc/shadow");
        for (path, width, says) in [
            (
                &b"127.0.0.1:53742->127.0.0.1:8080"[..],
                29,
                "127.0.0.1…->127.0.0.1:8080",
            ),
            (
                b"127.0.0.1:53742->192.168.121.128:8080",
                36,
                "127.0.0.1:…->192.168.121.128:8080",
            ),
            (b"/var/www/cgi-bin/lookup", 22, "/var/…/cgi-bin/lookup"),
            (
                b"/tmp-stress-ng-hdd-9-0/stress-ng-hdd-9-0-2924324906",
                45,
                "/tmp-stress-ng-…/stress-ng-hdd-9-0-2924324906",
            ),
        ] {
            assert_eq!(captured_middle(path, width, false), says);
        }
        assert_eq!(captured_middle(b"/etc/shadow", 11, false), "/etc/shadow");
        for width in 0..40 {
            assert!(cells(&captured_middle(path, width, true)) <= width);
            assert!(cells(&captured_middle(&[b'\x1b'; 90], width, false)) <= width);
        }
    }

    #[test]
    fn ascii_mode_prints_ascii_only() {
        assert!(cut("naïve 検索", 40, true).is_ascii());
        assert!(tail("naïve 検索 and more of it", 12, true).is_ascii());
    }

    #[test]
    fn text_is_broken_between_words_and_a_long_word_where_it_must() {
        assert_eq!(wrap("", 5, 9), [""]);
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("one two three", 8, 9), ["one two", "three"]);
        assert_eq!(wrap("a /very/long b", 5, 9), ["a", "/very", "/long", "b"]);
        assert_eq!(wrap("日本語", 4, 9), ["日本", "語"]);
        assert_eq!(wrap("日", 1, 9).len(), 1);
        assert_eq!(wrap(&"x".repeat(100), 10, 3).len(), 3);
        assert!(
            wrap(&"x y ".repeat(100), 10, 3)
                .iter()
                .all(|line| cells(line) <= 10)
        );
    }
}
