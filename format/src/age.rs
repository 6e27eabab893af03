//! age files (age-encryption.org/v1) with small contents: how the key of a capture is handed to those who may read it.
//! Any tool that knows age opens what is made here; the primitives are RustCrypto's, only their composition is here.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::keys::{random, wipe};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bech32::{Bech32, Hrp};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use x25519_dalek::{PublicKey as Share, StaticSecret};

const VERSION: &str = "age-encryption.org/v1";
const INFO: &[u8] = b"age-encryption.org/v1/X25519";
const RECIPIENT: Hrp = Hrp::parse_unchecked("age");
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");
/// Bytes of the key inside an age file, which is not the key of the capture.
const INNER: usize = 16;
/// Characters of a line of a stanza's body.
const COLUMNS: usize = 64;
/// Bytes of a file of identities at most.
pub const MAX_IDENTITIES: usize = 1 << 16;

/// Whoever may read a capture: an X25519 key, written `age1…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient([u8; 32]);

/// A text that is no recipient, or no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not a recipient.
    #[error("not an age recipient: one begins with age1 and is printed by age-keygen")]
    Recipient,
    /// Not a file of identities.
    #[error(
        "not an age identity: a line that begins with AGE-SECRET-KEY-1, as age-keygen makes it"
    )]
    Identity,
    /// An identity that is itself encrypted.
    #[error("the identity is itself encrypted; decrypt it first, with age -d")]
    Encrypted,
}

impl FromStr for Recipient {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Recipient, BadKey> {
        let (hrp, bytes) = bech32::decode(text).map_err(|_| BadKey::Recipient)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| BadKey::Recipient)?;
        // What is not lower case is no recipient to age either.
        if hrp != RECIPIENT || text.chars().any(char::is_uppercase) {
            return Err(BadKey::Recipient);
        }
        Ok(Recipient(bytes))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32, _>(f, RECIPIENT, &self.0).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Secret keys that may open captures. They are wiped from memory when they are dropped, and never shown.
#[derive(Clone, Default)]
pub struct Identities(Arc<Vec<StaticSecret>>);

impl Identities {
    /// The identities of a file as `age-keygen` writes it: one a line, with remarks behind `#`.
    ///
    /// # Errors
    /// When a line is something else, and when there is none.
    pub fn parse(text: &str) -> Result<Identities, BadKey> {
        if text.starts_with(VERSION) || text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") {
            return Err(BadKey::Encrypted);
        }
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let found = lines.map(secret).collect::<Result<Vec<_>, _>>()?;
        match found.is_empty() {
            true => Err(BadKey::Identity),
            false => Ok(Identities(Arc::new(found))),
        }
    }

    /// All of these and all of those.
    pub fn and(&self, others: &Identities) -> Identities {
        let all = self.0.iter().chain(others.0.iter());
        Identities(Arc::new(all.cloned().collect()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who they are to those who encrypt.
    pub fn recipients(&self) -> Vec<Recipient> {
        let recipient = |secret: &StaticSecret| Recipient(Share::from(secret).to_bytes());
        self.0.iter().map(recipient).collect()
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities of {:?}", self.recipients())
    }
}

fn secret(line: &str) -> Result<StaticSecret, BadKey> {
    let (hrp, mut bytes) = bech32::decode(line).map_err(|_| BadKey::Identity)?;
    let seed = <[u8; 32]>::try_from(bytes.as_slice());
    wipe(&mut bytes);
    let mut seed = seed.map_err(|_| BadKey::Identity)?;
    let secret = StaticSecret::from(seed);
    wipe(&mut seed);
    (hrp == IDENTITY).then_some(secret).ok_or(BadKey::Identity)
}

/// Why an age file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is for nobody who is here.
    Stranger,
    /// It is none, or was changed.
    Damaged,
}

/// HKDF with SHA-256, 32 bytes of it.
fn derive(ikm: &[u8], salt: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    // 32 bytes are never too many.
    let _ = Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, &mut key);
    key
}

/// A key that seals once, so that its nonce may be any.
fn cipher(mut key: [u8; 32]) -> ChaCha20Poly1305 {
    let cipher = ChaCha20Poly1305::new(&Key::from(key));
    wipe(&mut key);
    cipher
}

/// The nonce of the only piece of small contents.
const LAST: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn wrapping(
    secret: &StaticSecret,
    other: &Share,
    ephemeral: &Share,
    recipient: &Share,
) -> Option<ChaCha20Poly1305> {
    let shared = secret.diffie_hellman(other);
    let salt = [ephemeral.to_bytes(), recipient.to_bytes()].concat();
    shared
        .was_contributory()
        .then(|| cipher(derive(shared.as_bytes(), &salt, INFO)))
}

fn mac(inner: &[u8], head: &[u8]) -> Hmac<Sha256> {
    // As HMAC itself does with a key shorter than its block.
    let mut key = [0; 64];
    let (front, _) = key.split_at_mut(32);
    front.copy_from_slice(&derive(inner, b"", b"header"));
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(head);
    mac
}

/// An age file with these contents, at most a piece of it, for these recipients.
///
/// # Errors
/// When the kernel gives no random numbers, or a recipient is a point that hides nothing.
pub(crate) fn wrap(contents: &[u8], recipients: &[Recipient]) -> io::Result<Vec<u8>> {
    let weak = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "a recipient that hides nothing",
        )
    };
    let mut inner = [0; INNER];
    random(&mut inner)?;
    let mut text = format!("{VERSION}\n");
    for recipient in recipients {
        let mut seed = [0; 32];
        random(&mut seed)?;
        let secret = StaticSecret::from(seed);
        wipe(&mut seed);
        let (ephemeral, theirs) = (Share::from(&secret), Share::from(recipient.0));
        let wrapping = wrapping(&secret, &theirs, &ephemeral, &theirs).ok_or_else(weak)?;
        let body = wrapping.encrypt(&Nonce::default(), inner.as_slice());
        let body = body.map_err(io::Error::other)?;
        text += &format!(
            "-> X25519 {}\n{}\n",
            BASE64_STANDARD_NO_PAD.encode(ephemeral.as_bytes()),
            BASE64_STANDARD_NO_PAD.encode(&body)
        );
    }
    text += "---";
    let tag = mac(&inner, text.as_bytes()).finalize().into_bytes();
    text += &format!(" {}\n", BASE64_STANDARD_NO_PAD.encode(tag));
    let mut file = text.into_bytes();
    let mut nonce = [0; 16];
    random(&mut nonce)?;
    let payload = cipher(derive(&inner, &nonce, b"payload"));
    wipe(&mut inner);
    let sealed = payload.encrypt(&Nonce::from(LAST), contents);
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&sealed.map_err(io::Error::other)?);
    Ok(file)
}

/// The contents of an age file, by one of the identities.
pub(crate) fn unwrap(file: &[u8], identities: &Identities) -> Result<Vec<u8>, Refusal> {
    let head = Head::parse(file).ok_or(Refusal::Damaged)?;
    let mut inner = identities
        .0
        .iter()
        .find_map(|identity| head.stanzas.iter().find_map(|stanza| stanza.open(identity)))
        .ok_or(Refusal::Stranger)?;
    let authentic = mac(&inner, head.signed).verify_slice(&head.mac).is_ok();
    let (nonce, sealed) = head.payload.split_at_checked(16).ok_or(Refusal::Damaged)?;
    let payload = cipher(derive(&inner, nonce, b"payload"));
    wipe(&mut inner);
    if !authentic {
        return Err(Refusal::Damaged);
    }
    payload
        .decrypt(&Nonce::from(LAST), sealed)
        .map_err(|_| Refusal::Damaged)
}

/// A key wrapped to one X25519 recipient.
struct Stanza {
    ephemeral: [u8; 32],
    body: Vec<u8>,
}

impl Stanza {
    fn open(&self, identity: &StaticSecret) -> Option<[u8; INNER]> {
        let (ephemeral, ours) = (Share::from(self.ephemeral), Share::from(identity));
        let wrapping = wrapping(identity, &ephemeral, &ephemeral, &ours)?;
        let mut inner = wrapping
            .decrypt(&Nonce::default(), self.body.as_slice())
            .ok()?;
        let key = inner.as_slice().try_into().ok();
        wipe(&mut inner);
        key
    }
}

/// The head of an age file, taken apart.
struct Head<'a> {
    /// The stanzas of X25519 recipients; those of other kinds are passed over.
    stanzas: Vec<Stanza>,
    signed: &'a [u8],
    mac: [u8; 32],
    payload: &'a [u8],
}

impl<'a> Head<'a> {
    fn parse(file: &'a [u8]) -> Option<Head<'a>> {
        let mut at = 0_usize;
        let mut line = || {
            let rest = file.get(at..)?;
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let start = at;
            at = at.checked_add(end)?.checked_add(1)?;
            Some((start, at, std::str::from_utf8(rest.get(..end)?).ok()?))
        };
        if line()?.2 != VERSION {
            return None;
        }
        let mut stanzas = Vec::new();
        loop {
            let (start, end, text) = line()?;
            if let Some(tag) = text.strip_prefix("--- ") {
                return Some(Head {
                    stanzas,
                    signed: file.get(..start.checked_add(3)?)?,
                    mac: decode(tag)?.try_into().ok()?,
                    payload: file.get(end..)?,
                });
            }
            let arguments: Vec<&str> = text.strip_prefix("-> ")?.split(' ').collect();
            let mut body = String::new();
            // The last line of a body is a short one.
            loop {
                let (_, _, text) = line()?;
                body.push_str(text);
                match text.len() {
                    COLUMNS => {}
                    0..COLUMNS => break,
                    _ => return None,
                }
            }
            let body = decode(&body)?;
            if let [kind, share] = arguments.as_slice()
                && *kind == "X25519"
            {
                let ephemeral = decode(share)?.try_into().ok()?;
                stanzas.push(Stanza { ephemeral, body });
            }
        }
    }
}

/// Base64 without padding, in its one canonical form.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pair that the document's test vectors are made with: a seed of 7s.
    fn identity(n: u8) -> Identities {
        let text = bech32::encode_upper::<Bech32>(IDENTITY, &[n; 32]).expect("short");
        Identities::parse(&format!("# a remark\n\n{text}\n")).expect("an identity")
    }

    fn recipient(n: u8) -> Recipient {
        *identity(n).recipients().first().expect("one")
    }

    #[test]
    fn what_is_wrapped_opens_to_each_recipient_and_to_no_other() {
        let file = wrap(b"contents", &[recipient(1), recipient(2)]).expect("wrapped");
        for n in [1, 2] {
            assert_eq!(unwrap(&file, &identity(n)).as_deref(), Ok(&b"contents"[..]));
        }
        assert_eq!(unwrap(&file, &identity(3)), Err(Refusal::Stranger));
        assert_eq!(
            unwrap(&file, &Identities::default()),
            Err(Refusal::Stranger)
        );
        let both = identity(3).and(&identity(2));
        assert_eq!(unwrap(&file, &both).as_deref(), Ok(&b"contents"[..]));
        // Another wrapping of the same has nothing in common with it.
        let other = wrap(b"contents", &[recipient(1)]).expect("wrapped");
        assert!(!other.windows(24).any(|bytes| file.ends_with(bytes)));
    }

    #[test]
    fn a_file_that_was_changed_or_cut_anywhere_does_not_open() {
        let file = wrap(b"contents", &[recipient(1)]).expect("wrapped");
        for at in 0..file.len() {
            assert!(
                unwrap(file.get(..at).expect("inside"), &identity(1)).is_err(),
                "{at}"
            );
            for bit in 0..8 {
                let mut changed = file.clone();
                *changed.get_mut(at).expect("inside") ^= 1 << bit;
                assert!(unwrap(&changed, &identity(1)).is_err(), "{at} {bit}");
            }
        }
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
    fn what_the_age_tool_wraps_opens_here_whatever_its_other_recipients() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut command = Command::new("age");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        for n in [2, 1] {
            command.args(["-r", &recipient(n).to_string()]);
        }
        let ssh =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
        let Ok(mut age) = command.args(["-r", ssh]).spawn() else {
            eprintln!("skipped: the age tool is not installed");
            return;
        };
        let mut input = age.stdin.take().expect("a pipe");
        input.write_all(b"contents").expect("written");
        drop(input);
        let output = age.wait_with_output().expect("it ends");
        assert!(output.status.success());
        assert_eq!(
            unwrap(&output.stdout, &identity(1)).as_deref(),
            Ok(&b"contents"[..])
        );
        assert_eq!(unwrap(&output.stdout, &identity(3)), Err(Refusal::Stranger));
    }

    #[test]
    fn recipients_and_identities_are_those_of_age_keygen() {
        // Made by age-keygen 1.1.1.
        let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let public = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        let identities = Identities::parse(secret).expect("an identity");
        assert_eq!(
            identities.recipients(),
            [public.parse().expect("a recipient")]
        );
        assert_eq!(
            identities
                .recipients()
                .first()
                .map(ToString::to_string)
                .as_deref(),
            Some(public)
        );
        assert!(!format!("{identities:?}").contains("SECRET"));
    }

    #[test]
    fn what_is_no_recipient_and_no_identity_is_refused() {
        let good = recipient(1).to_string();
        let flipped = good.replacen('q', "p", 1).replacen('z', "q", 1);
        for bad in [
            "",
            "age1",
            "age1xyz",
            "ssh-ed25519 AAAA",
            &good.to_uppercase(),
            &flipped,
            &good[..good.len() - 1],
        ] {
            assert_eq!(bad.parse::<Recipient>(), Err(BadKey::Recipient), "{bad}");
        }
        for bad in ["", "# nothing", &good, "AGE-SECRET-KEY-1"] {
            assert_eq!(
                Identities::parse(bad).err(),
                Some(BadKey::Identity),
                "{bad}"
            );
        }
        assert_eq!(
            Identities::parse("age-encryption.org/v1\n-> scrypt").err(),
            Some(BadKey::Encrypted)
        );
        // A point of small order: whatever it is multiplied with, everybody knows the product.
        assert!(wrap(b"contents", &[Recipient([0; 32])]).is_err());
    }

    #[test]
    fn base64_has_one_form() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
        ] {
            assert_eq!(BASE64_STANDARD_NO_PAD.encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        for bad in ["Z", "Zh", "Zm9", "Zg==", "Zm 9", "Zm9vY"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
