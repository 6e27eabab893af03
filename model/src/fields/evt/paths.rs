//! The paths an event is about, as they were passed and made absolute: `fs.path.*` and `evt.abspath`.

use super::scap;
use crate::args::ArgKind;
use crate::event::{EventFlags, TypeId, Value};
use crate::fields::{Ctx, FieldValue, Looks};
use crate::render;
use crate::schema::TypeDesc;

/// Bytes of the argument at this place.
fn bytes_at<'a>(c: &Ctx<'a>, at: usize) -> Option<&'a [u8]> {
    match c.event.args.get(at)? {
        Value::Bytes(blob) => Some(&blob.bytes),
        Value::Absent | Value::Num(_) => None,
    }
}

fn path_places(ty: &TypeDesc) -> impl Iterator<Item = usize> {
    ty.args
        .iter()
        .enumerate()
        .filter(|(_, arg)| arg.kind() == Some(ArgKind::Path))
        .map(|(at, _)| at)
}

/// Places of the source and the target path of a call that has both, as Falco tells them apart.
fn two_paths(ty: &TypeDesc) -> Option<(usize, usize)> {
    if !ty.is_syscall {
        return None;
    }
    if ty.name == "mount" {
        return Some((ty.arg_index("source")?, ty.arg_index("target")?));
    }
    let mut places = path_places(ty);
    let (first, second) = (places.next()?, places.next()?);
    // A link is the new name of what it points at: the new name is the source.
    let is_link = matches!(
        ty.name.as_str(),
        "link" | "linkat" | "symlink" | "symlinkat"
    );
    Some(if is_link {
        (second, first)
    } else {
        (first, second)
    })
}

/// The place of the path of a call that has one.
fn one_path(ty: &TypeDesc) -> Option<usize> {
    if two_paths(ty).is_some() {
        None
    } else {
        path_places(ty).next()
    }
}

/// The path the caller passed.
pub fn raw_path<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    bytes_at(c, one_path(c.ty()?)?).map(FieldValue::str)
}

/// The address the caller passed, where it is not the one that was reached.
pub fn claimed_address<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let mut args = c.ty()?.args.iter();
    let at = args.position(|arg| arg.kind() == Some(ArgKind::SockAddrIn))?;
    let claimed = bytes_at(c, at).filter(|_| c.event.flags.has(EventFlags::CLAIM_DIFFERS))?;
    Some(FieldValue::owned(render::sockaddr_text(claimed)))
}

/// The path a call that did not fail acted on, as the caller passed it.
pub fn acted_raw_path<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    if c.event.errno().is_some() {
        None
    } else {
        raw_path(c)
    }
}

/// The path a call that did not fail acted on: the kernel's own where it is known, else the caller's made absolute.
pub fn acted_path<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let ty = c.ty()?;
    let at = one_path(ty)?;
    if c.event.errno().is_some() {
        return None;
    }
    // Where a descriptor was given beside the path, the event's file is what that descriptor is.
    if scap(c).is_some() {
        return absolute(c, at).map(FieldValue::owned);
    }
    let given_fd = ty.args.iter().any(|arg| arg.kind() == Some(ArgKind::Fd));
    match c.file() {
        Some(file)
            if (!given_fd || render::new_fd(ty, c.event))
                && file.flow.is_none()
                && file.path.starts_with(b"/") =>
        {
            Some(FieldValue::str(&file.path))
        }
        _ => absolute(c, at).map(FieldValue::owned),
    }
}

/// One side of a call with two paths that did not fail, as passed.
pub fn acted_raw_side<'a>(c: &Ctx<'a>, source: bool) -> Option<FieldValue<'a>> {
    bytes_at(c, acted_side_place(c, source)?).map(FieldValue::str)
}

/// One side of a call with two paths that did not fail, made absolute.
pub fn acted_side<'a>(c: &Ctx<'a>, source: bool) -> Option<FieldValue<'a>> {
    absolute(c, acted_side_place(c, source)?).map(FieldValue::owned)
}

fn acted_side_place(c: &Ctx<'_>, source: bool) -> Option<usize> {
    let (from, to) = two_paths(c.ty()?)?;
    match c.event.errno() {
        Some(_) => None,
        None => Some(if source { from } else { to }),
    }
}

/// What an absolute path looks at of events of a type.
pub fn path_looks(field: &str, ty: &TypeDesc) -> Looks {
    if ty.is(TypeDesc::SCAP) {
        return Looks::Beyond;
    }
    let at = match field {
        "fs.path.source" => two_paths(ty).map(|(source, _)| source),
        "fs.path.target" => two_paths(ty).map(|(_, target)| target),
        "fs.path.name" => one_path(ty),
        _ => path_places(ty).next(),
    };
    // A path that starts at a descriptor and is no argument of its own kind is only made absolute by the whole event.
    let starting = || ty.args.iter().any(|arg| !arg.by.is_empty());
    match at {
        Some(at) => Looks::Path(at),
        None if field == "evt.abspath" && starting() => Looks::Beyond,
        None => Looks::Nowhere,
    }
}

/// `evt.abspath`: the first path made absolute, or with `src` or `dst` the first or second of two.
pub fn abspath<'a>(c: &Ctx<'a>, which: Option<&str>) -> Option<FieldValue<'a>> {
    let ty = c.ty()?;
    // For sysdig, only a path that starts at a descriptor is made absolute, when the call returns or where the entry alone has it.
    if scap(c).is_some() {
        let starts = |ty: &TypeDesc| ty.args.iter().any(|arg| !arg.by.is_empty());
        let returns = || c.schema.ty(TypeId(c.event.ty.0.checked_add(1)?));
        if !starts(ty) || (ty.is(TypeDesc::ENTRY) && returns().is_none_or(starts)) {
            return None;
        }
    }
    // Old entries have paths that start at a descriptor and are texts for the peers.
    let starting = ty.args.iter().enumerate();
    let starting = starting.filter(|(_, arg)| !arg.by.is_empty());
    let mut places = path_places(ty).chain(
        starting
            .map(|(at, _)| at)
            .filter(|_| path_places(ty).next().is_none()),
    );
    let at = match which {
        None | Some("src") => places.next(),
        // For sysdig the only path is both.
        Some("dst") if scap(c).is_some() => {
            let first = places.next();
            places.next().or(first)
        }
        Some("dst") => places.nth(1),
        Some(_) => None,
    }?;
    absolute(c, at).map(FieldValue::owned)
}

/// An argument's path made absolute and normal, without regard to symbolic links. `None` when it is relative to a
/// directory that is not known.
fn absolute(c: &Ctx<'_>, at: usize) -> Option<Vec<u8>> {
    if scap(c).is_some() {
        return render::scap::absolute(c, at);
    }
    let path = bytes_at(c, at)?;
    if path.starts_with(b"/") {
        return Some(normal(path));
    }
    // The directory descriptor of a path, where it has one, is the argument before it.
    let before = at
        .checked_sub(1)
        .and_then(|at| Some((c.ty()?.args.get(at)?.kind()?, c.event.args.get(at)?)));
    match before {
        Some((ArgKind::DirFd, Value::Num(fd)))
            if render::number(Some(ArgKind::DirFd), *fd) != AT_FDCWD =>
        {
            return None;
        }
        _ => {}
    }
    let cwd = c
        .proc()
        .map(|proc| proc.cwd.as_slice())
        .filter(|cwd| cwd.starts_with(b"/"))?;
    Some(normal(&[cwd, b"/", path].concat()))
}

const AT_FDCWD: i64 = -100;

/// An absolute path without empty parts, `.` and `..`.
fn normal(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let mut normal = Vec::with_capacity(path.len());
    for part in &parts {
        normal.push(b'/');
        normal.extend_from_slice(part);
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_made_normal_without_leaving_the_root() {
        let say = |path: &str| String::from_utf8(normal(path.as_bytes())).unwrap();
        assert_eq!(say("/etc//./ssh/../passwd"), "/etc/passwd");
        assert_eq!(say("/../../x"), "/x");
        assert_eq!(say("/.."), "/");
    }

    proptest! {
        #[test]
        fn a_normal_path_is_absolute_and_stays_as_it_is(path in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..40)) {
            let once = normal(&path);
            prop_assert!(once.starts_with(b"/"));
            prop_assert_eq!(normal(&once), once);
        }
    }
}
