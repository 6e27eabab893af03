//! What terminals are called, from the numbers that the kernel has for them.

/// Majors of terminals, how their minors are named, and the minor that is the first of the name; a name counts on from it, and ends
/// where the next row of the same major begins (Documentation/admin-guide/devices.txt).
const NAMES: &[(u32, u32, &str)] = &[
    (4, 0, "tty"),
    (4, 64, "ttyS"),
    (166, 0, "ttyACM"),
    (188, 0, "ttyUSB"),
    (204, 64, "ttyAMA"),
    (229, 0, "hvc"),
];

/// The first and the last major of the terminals of `/dev/pts`, each of 256.
const PTS: (u32, u32) = (136, 143);

/// Major and minor of a device as `/proc/PID/stat` and `stat` have it (`new_encode_dev` in include/linux/kdev_t.h).
fn encoded(number: u32) -> (u32, u32) {
    (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xf_ff00)
}

/// The number that `/proc/PID/stat` has for a device which the kernel itself numbers so (`dev_t`: major << 20 | minor).
pub fn from_kernel(dev: u32) -> u32 {
    let (major, minor) = (dev >> 20, dev & 0xf_ffff);
    minor & 0xff | major << 8 | (minor & !0xff) << 12
}

/// A terminal as ps names it: `pts/3`, `tty1`, `ttyS0`, `console`; by its numbers, `204:1`, where it has no name that is known, and
/// nothing for none. Early captures of ours hold the kernel's own number, whose major lies elsewhere: it is read, too.
pub fn name(number: u32) -> String {
    if number == 0 {
        return String::new();
    }
    let (major, minor) = encoded(number);
    let inside = (number >> 20, number & 0xf_ffff);
    named(major, minor)
        .or_else(|| named(inside.0, inside.1))
        .unwrap_or_else(|| format!("{major}:{minor}"))
}

fn named(major: u32, minor: u32) -> Option<String> {
    match (major, minor) {
        (5, 0) => Some("tty".to_owned()),
        (5, 1) => Some("console".to_owned()),
        (5, 2) => Some("ptmx".to_owned()),
        (major, _) if (PTS.0..=PTS.1).contains(&major) => {
            Some(format!("pts/{}", (major - PTS.0) * 256 + minor))
        }
        _ => {
            let mut rows = NAMES.iter().rev();
            let row = rows.find(|row| row.0 == major && row.1 <= minor)?;
            Some(format!("{}{}", row.2, minor - row.1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_named_as_ps_names_them() {
        for (number, says) in [
            (0, ""),
            (34816, "pts/0"),
            (34817, "pts/1"),
            (136 << 8 | 1 << 20, "pts/256"),
            (137 << 8, "pts/256"),
            (143 << 8 | 255, "pts/2047"),
            (4 << 8 | 1, "tty1"),
            (4 << 8 | 63, "tty63"),
            (4 << 8 | 64, "ttyS0"),
            (5 << 8, "tty"),
            (5 << 8 | 1, "console"),
            (188 << 8 | 2, "ttyUSB2"),
            (204 << 8 | 64, "ttyAMA0"),
            (204 << 8 | 1, "204:1"),
            (229 << 8, "hvc0"),
            (9 << 8 | 7, "9:7"),
        ] {
            assert_eq!(name(number), says, "{number}");
        }
    }

    #[test]
    fn the_kernels_own_number_is_read_and_written_as_proc_has_it() {
        for (major, minor, says) in [
            (136, 0, "pts/0"),
            (136, 300, "pts/300"),
            (4, 1, "tty1"),
            (4, 65, "ttyS1"),
            (5, 1, "console"),
        ] {
            let inside = major << 20 | minor;
            assert_eq!(name(inside), says, "{inside}");
            assert_eq!(encoded(from_kernel(inside)), (major, minor));
            assert_eq!(name(from_kernel(inside)), says, "{inside}");
        }
        assert_eq!(from_kernel(136 << 20 | 1), 34817);
        assert_eq!(from_kernel(0), 0);
    }
}
