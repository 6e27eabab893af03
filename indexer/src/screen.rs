//! A terminal's screen: what bytes that were written to it left standing there. As much of ECMA-48 and xterm as shells,
//! editors and pagers use: motion, erasing, scrolling, the alternate screen. Colours are left out.

/// A screen of cells.
pub(crate) struct Screen {
    width: usize,
    height: usize,
    cells: Vec<Vec<char>>,
    x: usize,
    y: usize,
    saved: (usize, usize),
    state: Parse,
    text: Vec<u8>,
    top: usize,
    bottom: usize,
}

/// Where in a sequence the last byte was.
enum Parse {
    Plain,
    Escape,
    Charset,
    Control(Vec<u8>),
    /// A string that is no text: titles and the like; whether its last byte was an escape.
    Command(bool),
}

impl Screen {
    /// An empty screen.
    pub fn new(width: usize, height: usize) -> Screen {
        Screen {
            width,
            height,
            cells: vec![Vec::new(); height],
            x: 0,
            y: 0,
            saved: (0, 0),
            state: Parse::Plain,
            text: Vec::new(),
            top: 0,
            bottom: height.saturating_sub(1),
        }
    }

    /// Becomes larger or smaller; of the lines that do not fit any more those at the top go, as far as the cursor is low.
    pub fn resize(&mut self, width: usize, height: usize) {
        let over = (self.y + 1).saturating_sub(height.max(1));
        self.cells.drain(..over.min(self.cells.len()));
        self.cells.resize(height, Vec::new());
        self.cells.iter_mut().for_each(|line| line.truncate(width));
        (self.width, self.height) = (width, height);
        self.y -= over;
        self.x = self.x.min(width.saturating_sub(1));
        (self.top, self.bottom) = (0, height.saturating_sub(1));
    }

    /// Takes bytes as a terminal would.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
    }

    /// The lines, without the blanks at their ends.
    pub fn lines(&self) -> Vec<String> {
        let line = |cells: &Vec<char>| cells.iter().collect::<String>().trim_end().to_owned();
        self.cells.iter().map(line).collect()
    }

    fn byte(&mut self, byte: u8) {
        match &mut self.state {
            Parse::Plain => self.plain(byte),
            Parse::Escape => {
                self.state = Parse::Plain;
                match byte {
                    b'[' => self.state = Parse::Control(Vec::new()),
                    b']' | b'P' | b'X' | b'^' | b'_' => self.state = Parse::Command(false),
                    b'(' | b')' | b'*' | b'+' | b'#' | b'%' => self.state = Parse::Charset,
                    b'7' => self.saved = (self.x, self.y),
                    b'8' => (self.x, self.y) = self.saved,
                    b'D' => self.down(),
                    b'E' => {
                        self.x = 0;
                        self.down();
                    }
                    b'M' if self.y == self.top => self.scroll(false),
                    b'M' => self.y = self.y.saturating_sub(1),
                    b'c' => *self = Screen::new(self.width, self.height),
                    _ => {}
                }
            }
            Parse::Charset => self.state = Parse::Plain,
            Parse::Command(escaped) => match (byte, *escaped) {
                (0x07, _) | (b'\\', true) => self.state = Parse::Plain,
                (0x1b, _) => *escaped = true,
                _ => *escaped = false,
            },
            Parse::Control(parameters) => match byte {
                0x40..=0x7e => {
                    let parameters = std::mem::take(parameters);
                    self.state = Parse::Plain;
                    self.control(byte, &parameters);
                }
                0x1b => self.state = Parse::Escape,
                // Longer than any sequence that means something.
                _ if parameters.len() < 64 => parameters.push(byte),
                _ => self.state = Parse::Plain,
            },
        }
    }

    fn plain(&mut self, byte: u8) {
        if byte >= 0x80 {
            self.text.push(byte);
            match std::str::from_utf8(&self.text) {
                Ok(text) => {
                    let c = text.chars().next();
                    self.text.clear();
                    c.into_iter().for_each(|c| self.put(c));
                }
                // More bytes may make it whole.
                Err(error) if error.error_len().is_none() && self.text.len() < 4 => {}
                Err(_) => {
                    self.text.clear();
                    self.put('\u{fffd}');
                }
            }
            return;
        }
        self.text.clear();
        match byte {
            0x1b => self.state = Parse::Escape,
            b'\r' => self.x = 0,
            b'\n' | 0x0b | 0x0c => self.down(),
            0x08 => self.x = self.x.saturating_sub(1),
            b'\t' => self.x = ((self.x / 8 + 1) * 8).min(self.width.saturating_sub(1)),
            0x00..=0x1f | 0x7f => {}
            _ => self.put(char::from(byte)),
        }
    }

    fn put(&mut self, c: char) {
        if c.is_control() {
            return;
        }
        if self.x >= self.width {
            self.x = 0;
            self.down();
        }
        let (x, width) = (self.x, self.width);
        if let Some(line) = self.cells.get_mut(self.y) {
            if line.len() <= x {
                line.resize((x + 1).min(width), ' ');
            }
            if let Some(cell) = line.get_mut(x) {
                *cell = c;
            }
        }
        self.x += 1;
    }

    fn down(&mut self) {
        if self.y == self.bottom {
            self.scroll(true);
        } else {
            self.y = (self.y + 1).min(self.height.saturating_sub(1));
        }
    }

    fn scroll(&mut self, up: bool) {
        let (top, bottom) = (
            self.top,
            self.bottom.min(self.cells.len().saturating_sub(1)),
        );
        let Some(part) = self.cells.get_mut(top..=bottom) else {
            return;
        };
        if up {
            part.rotate_left(1);
            part.last_mut().into_iter().for_each(Vec::clear);
        } else {
            part.rotate_right(1);
            part.first_mut().into_iter().for_each(Vec::clear);
        }
    }

    fn control(&mut self, last: u8, parameters: &[u8]) {
        let number = |at: usize, otherwise: usize| {
            let part = parameters.split(|b| *b == b';').nth(at).unwrap_or_default();
            let text = std::str::from_utf8(part).unwrap_or_default();
            match text.parse::<usize>() {
                Ok(0) | Err(_) => otherwise,
                Ok(n) => n.min(10_000),
            }
        };
        let (right, low) = (self.width.saturating_sub(1), self.height.saturating_sub(1));
        match last {
            b'A' => self.y = self.y.saturating_sub(number(0, 1)),
            b'B' | b'e' => self.y = (self.y + number(0, 1)).min(low),
            b'C' | b'a' => self.x = (self.x + number(0, 1)).min(right),
            b'D' => self.x = self.x.saturating_sub(number(0, 1)),
            b'E' => (self.x, self.y) = (0, (self.y + number(0, 1)).min(low)),
            b'F' => (self.x, self.y) = (0, self.y.saturating_sub(number(0, 1))),
            b'G' | b'`' => self.x = (number(0, 1) - 1).min(right),
            b'd' => self.y = (number(0, 1) - 1).min(low),
            b'H' | b'f' => {
                (self.x, self.y) = ((number(1, 1) - 1).min(right), (number(0, 1) - 1).min(low));
            }
            b'J' => match number(0, 0) {
                0 => {
                    self.erase_line(0);
                    for line in self.cells.iter_mut().skip(self.y + 1) {
                        line.clear();
                    }
                }
                1 => {
                    self.erase_line(1);
                    self.cells.iter_mut().take(self.y).for_each(Vec::clear);
                }
                _ => self.cells.iter_mut().for_each(Vec::clear),
            },
            b'K' => self.erase_line(number(0, 0)),
            b'L' | b'M' => {
                let top = std::mem::replace(&mut self.top, self.y);
                for _ in 0..number(0, 1).min(self.height) {
                    self.scroll(last == b'M');
                }
                self.top = top;
            }
            b'P' => {
                let (from, count) = (self.x, number(0, 1));
                if let Some(line) = self.cells.get_mut(self.y)
                    && from < line.len()
                {
                    line.drain(from..(from + count).min(line.len()));
                }
            }
            b'@' => {
                let (from, count, width) = (self.x, number(0, 1).min(self.width), self.width);
                if let Some(line) = self.cells.get_mut(self.y)
                    && from <= line.len()
                {
                    line.splice(from..from, std::iter::repeat_n(' ', count));
                    line.truncate(width);
                }
            }
            b'X' => {
                let (from, count) = (self.x, number(0, 1));
                if let Some(line) = self.cells.get_mut(self.y) {
                    line.iter_mut()
                        .skip(from)
                        .take(count)
                        .for_each(|c| *c = ' ');
                }
            }
            b'S' | b'T' => {
                (0..number(0, 1).min(self.height)).for_each(|_| self.scroll(last == b'S'))
            }
            b'r' => {
                let bottom = (number(1, self.height) - 1).min(low);
                (self.top, self.bottom) = ((number(0, 1) - 1).min(bottom), bottom);
                (self.x, self.y) = (0, 0);
            }
            b's' => self.saved = (self.x, self.y),
            b'u' => (self.x, self.y) = self.saved,
            // The alternate screen, entered or left, begins empty: what was there before is not kept.
            b'h' | b'l' if matches!(parameters, b"?1049" | b"?47" | b"?1047") => {
                self.cells.iter_mut().for_each(Vec::clear);
                (self.x, self.y) = (0, 0);
            }
            _ => {}
        }
    }

    fn erase_line(&mut self, which: usize) {
        let x = self.x;
        let Some(line) = self.cells.get_mut(self.y) else {
            return;
        };
        match which {
            0 => line.truncate(x),
            1 => line.iter_mut().take(x + 1).for_each(|c| *c = ' '),
            _ => line.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> Vec<String> {
        let mut screen = Screen::new(10, 3);
        screen.feed(bytes);
        screen.lines()
    }

    #[test]
    fn what_is_written_over_is_gone() {
        assert_eq!(shown(b"$ ls\r\na  b\r\n$ "), ["$ ls", "a  b", "$"]);
        assert_eq!(shown(b"passwd\x08\x08\x1b[Kx"), ["passx", "", ""]);
        assert_eq!(shown(b"1\r\n2\r\n3\r\n4"), ["2", "3", "4"]);
        assert_eq!(
            shown(b"\x1b]0;title\x07\x1b[31mred\x1b[0m"),
            ["red", "", ""]
        );
        assert_eq!(shown(b"abc\x1b[2J\x1b[2;3Hx"), ["", "  x", ""]);
        assert_eq!(shown("grün\u{1f600}".as_bytes()), ["grün\u{1f600}", "", ""]);
        assert_eq!(shown(b"0123456789ab"), ["0123456789", "ab", ""]);
    }

    #[test]
    fn a_smaller_screen_keeps_the_line_of_the_cursor() {
        let mut screen = Screen::new(10, 3);
        screen.feed(b"one\r\ntwo\r\nthree");
        screen.resize(4, 2);
        assert_eq!(screen.lines(), ["two", "thre"]);
        screen.resize(10, 4);
        screen.feed(b"\r\nfour");
        assert_eq!(screen.lines(), ["two", "thre", "four", ""]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_screen(bytes in proptest::collection::vec(any::<u8>(), 0..400), seed in proptest::collection::vec((0usize..12, 0u8..=255), 0..40)) {
            let mut screen = Screen::new(20, 6);
            screen.feed(&bytes);
            for (at, n) in seed {
                let last = b"ABCDHJKLMP@XSTr"[at];
                screen.feed(format!("\x1b[{n};{}{}", n / 3, char::from(last)).as_bytes());
                screen.resize(1 + at, 1 + usize::from(n) % 9);
                screen.feed(b"more\n");
                screen.resize(20, 6);
                screen.feed(b"text that is long enough to wrap\n");
            }
            let lines = screen.lines();
            prop_assert_eq!(lines.len(), 6);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= 20 && !line.contains(char::is_control)));
        }
    }
}
