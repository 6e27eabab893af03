//! Ed25519 keys (RFC 8032): the text forms they are kept in, and signatures over bytes with the purpose they are made for.
//! Where keys lie on disk is the command's affair.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{ErrorKind, malformed};
use afterimage_model::Safe;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::fmt;
use std::io;

/// What a signature is made for: its first bytes, so that one for one purpose is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A checkpoint.
    Checkpoint,
    /// The footer.
    Seal,
    /// An entry of the custody log.
    Custody,
    /// A key vouches for the one it took the place of.
    Before,
}

impl Purpose {
    /// Every purpose with its bytes.
    pub(crate) const ALL: [(Purpose, &'static str); 4] = [
        (Purpose::Checkpoint, "afterimage checkpoint\0"),
        (Purpose::Seal, "afterimage seal\0"),
        (Purpose::Custody, "afterimage custody\0"),
        (Purpose::Before, "afterimage before\0"),
    ];

    fn message(self, body: &[u8]) -> Vec<u8> {
        let text = Purpose::ALL.iter().find(|row| row.0 == self);
        let mut message = text.map_or("", |row| row.1).as_bytes().to_vec();
        message.extend_from_slice(body);
        message
    }
}

/// The half of a key that signs. It is wiped from memory when it is dropped, and never shown. It lies in one place, so that
/// moving it leaves nothing behind.
pub struct SecretKey(Box<SigningKey>);

impl SecretKey {
    /// A new key from the kernel's random numbers.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub fn generate() -> io::Result<SecretKey> {
        let mut seed = [0_u8; 32];
        random(&mut seed)?;
        let key = SecretKey::from_seed(&seed);
        wipe(&mut seed);
        Ok(key)
    }

    /// The key of this seed (RFC 8032, section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(Box::new(SigningKey::from_bytes(seed)))
    }

    /// The half that may be shown.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, purpose: Purpose, body: &[u8]) -> Vec<u8> {
        self.0.sign(&purpose.message(body)).to_bytes().to_vec()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public())
    }
}

/// Fills a buffer with the kernel's random numbers.
pub(crate) fn random(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let got = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty())?;
        filled = filled.saturating_add(got);
    }
    Ok(())
}

/// Overwrites bytes in a way that the compiler cannot leave out.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

/// The half of a key that checks, shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    pub(crate) fn from_slice(bytes: &[u8]) -> Result<PublicKey, ErrorKind> {
        let key = PublicKey(bytes.try_into().map_err(|_| malformed("public key"))?);
        key.point().map(|_| key)
    }

    /// A key from 64 hex digits; one of the few keys for which anybody can sign is refused.
    ///
    /// # Errors
    /// When it is no such text or no such key.
    pub fn from_hex(text: &str) -> Result<PublicKey, ErrorKind> {
        PublicKey::from_slice(&unhex(text).ok_or(malformed("public key"))?)
    }

    fn point(&self) -> Result<VerifyingKey, ErrorKind> {
        VerifyingKey::from_bytes(&self.0)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(malformed("public key"))
    }

    /// Whether the signature is this key's, by the strict rules: no second form of a signature, no weak keys.
    pub(crate) fn check(
        &self,
        purpose: Purpose,
        body: &[u8],
        signature: &[u8],
    ) -> Result<(), ErrorKind> {
        let signature = Signature::from_slice(signature).map_err(|_| malformed("signature"))?;
        self.point()?
            .verify_strict(&purpose.message(body), &signature)
            .map_err(|_| ErrorKind::Signature { key: *self })
    }

    /// Its first eight digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Bytes from hex digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| {
            text.get(at..at.saturating_add(2))
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect()
}

/// A public key as a file: its name, when it was made, and the keys it took the place of, for which it vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What the owner calls it.
    pub name: String,
    /// When it was made, as text.
    pub made: String,
    /// The key.
    pub key: PublicKey,
    /// Earlier keys of the same owner. A capture signed by one of them is as good as one signed by this key.
    pub before: Vec<PublicKey>,
    vouchers: Vec<Vec<u8>>,
}

const SECRET: &str = "afterimage secret key 1";
const PUBLIC: &str = "afterimage public key 1";
/// Bytes of a key file at most.
pub const MAX_KEY_FILE: u64 = 64 << 10;

/// The words of each line; what a line is comes first.
fn lines<'a>(text: &'a str, first: &str) -> Option<impl Iterator<Item = (&'a str, &'a str)>> {
    let mut lines = text.lines().map(str::trim_end);
    (lines.next() == Some(first)).then(|| lines.filter_map(|line| line.split_once(' ')))
}

impl Card {
    /// The card of a new key, which follows an earlier one or none.
    pub fn new(name: &str, made: &str, secret: &SecretKey, earlier: Option<&Card>) -> Card {
        let before: Vec<PublicKey> = earlier
            .into_iter()
            .flat_map(|card| std::iter::once(card.key).chain(card.before.iter().copied()))
            .collect();
        Card {
            name: name.to_owned(),
            made: made.to_owned(),
            key: secret.public(),
            vouchers: before
                .iter()
                .map(|key| secret.sign(Purpose::Before, &key.0))
                .collect(),
            before,
        }
    }

    /// The text of a public key file, whose vouchers must hold.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Card, ErrorKind> {
        let what = malformed("public key file");
        let lines = lines(text, PUBLIC).ok_or(what)?;
        let (mut name, mut made, mut key) = (String::new(), String::new(), None);
        let mut earlier = Vec::new();
        for (word, rest) in lines {
            match word {
                "name" => name = Safe::new(rest).to_string(),
                "made" => made = Safe::new(rest).to_string(),
                "key" => key = Some(PublicKey::from_hex(rest)?),
                "before" => earlier.push(rest),
                _ => {}
            }
        }
        let mut card = Card {
            name,
            made,
            key: key.ok_or(malformed("public key file"))?,
            before: Vec::new(),
            vouchers: Vec::new(),
        };
        for line in earlier {
            let (key, voucher) = line.split_once(' ').ok_or(malformed("earlier key"))?;
            let key = PublicKey::from_hex(key)?;
            let voucher = unhex(voucher).ok_or(malformed("signature"))?;
            card.key.check(Purpose::Before, &key.0, &voucher)?;
            card.before.push(key);
            card.vouchers.push(voucher);
        }
        Ok(card)
    }

    /// Whether a capture signed by this key is one of the card's owner.
    pub fn covers(&self, key: &PublicKey) -> bool {
        self.key == *key || self.before.contains(key)
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PUBLIC}")?;
        writeln!(
            f,
            "name {}\nmade {}\nkey {}",
            self.name, self.made, self.key
        )?;
        for (key, voucher) in self.before.iter().zip(&self.vouchers) {
            write!(f, "before {key} ")?;
            voucher
                .iter()
                .try_for_each(|byte| write!(f, "{byte:02x}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The text of a secret key file.
pub fn secret_text(secret: &SecretKey) -> String {
    let mut text = format!("{SECRET}\nsecret ");
    for byte in secret.0.as_bytes() {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    text
}

/// A secret key from the text of its file.
///
/// # Errors
/// When it is none.
pub fn parse_secret(text: &str) -> Result<SecretKey, ErrorKind> {
    let what = || malformed("secret key file");
    let (_, hex) = lines(text, SECRET)
        .and_then(|mut lines| lines.find(|(word, _)| *word == "secret"))
        .ok_or_else(what)?;
    let mut seed = unhex(hex).ok_or_else(what)?;
    let key = <&[u8; 32]>::try_from(seed.as_slice())
        .map(SecretKey::from_seed)
        .map_err(|_| what());
    wipe(&mut seed);
    key
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    #[test]
    fn a_signature_holds_for_its_bytes_its_purpose_and_its_key_alone() {
        let signature = key(1).sign(Purpose::Seal, b"body");
        let check = |n: u8, purpose, body: &[u8], signature: &[u8]| {
            key(n).public().check(purpose, body, signature).is_ok()
        };
        assert!(check(1, Purpose::Seal, b"body", &signature));
        assert!(!check(2, Purpose::Seal, b"body", &signature));
        assert!(!check(1, Purpose::Checkpoint, b"body", &signature));
        assert!(!check(1, Purpose::Seal, b"bodY", &signature));
        assert!(!check(1, Purpose::Seal, b"body", &[]));
        for at in 0..signature.len() {
            let mut other = signature.clone();
            other[at] ^= 1;
            assert!(!check(1, Purpose::Seal, b"body", &other), "byte {at}");
        }
    }

    #[test]
    fn a_signature_has_one_form_only() {
        // The order of the group, little endian (RFC 8032, section 5.1): s + L passes where s is not compared with it.
        let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
            .expect("hex digits");
        let mut signature = key(1).sign(Purpose::Seal, b"body");
        let mut carry = 0_u16;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        let checked = key(1).public().check(Purpose::Seal, b"body", &signature);
        assert!(checked.is_err());
    }

    #[test]
    fn keys_for_which_anybody_can_sign_are_refused() {
        for weak in [
            // The neutral element, and a point of order two.
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(PublicKey::from_hex(weak).is_err(), "{weak}");
        }
        for bad in ["", "zz", "00", &"0".repeat(63), &"é".repeat(32)] {
            assert!(PublicKey::from_hex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_new_keys_differ_and_a_secret_is_not_shown() {
        let (one, two) = (
            SecretKey::generate().expect("random numbers"),
            SecretKey::generate().expect("random numbers"),
        );
        assert_ne!(one.public(), two.public());
        let text = secret_text(&one);
        assert!(!format!("{one:?}").contains(&text[text.len() - 65..text.len() - 1]));
        assert_eq!(
            parse_secret(&text).expect("its own text").public(),
            one.public()
        );
    }

    #[test]
    fn a_card_vouches_for_the_keys_before_it_and_for_no_other() {
        let first = Card::new("lab", "2026-11-26", &key(1), None);
        let second = Card::new("lab", "2026-11-27", &key(2), Some(&first));
        let third = Card::new("lab", "2026-11-28", &key(3), Some(&second));
        let read = Card::parse(&third.to_string()).expect("its own text");
        assert_eq!(read, third);
        assert!([1, 2, 3].iter().all(|n| read.covers(&key(*n).public())));
        assert!(!read.covers(&key(4).public()));
        assert!(!first.covers(&key(2).public()));
        // A line for a stranger's key cannot be added, nor one be moved to another card.
        let stolen = third.to_string().lines().last().map(str::to_owned);
        let forged = format!("{first}{}\n", stolen.expect("a line"));
        assert!(Card::parse(&forged).is_err());
        let other = third
            .to_string()
            .replace(&key(1).public().to_string(), &key(4).public().to_string());
        assert!(Card::parse(&other).is_err());
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        for text in ["", "afterimage public key 1\n", "ssh-ed25519 AAAA"] {
            assert!(Card::parse(text).is_err(), "{text}");
            assert!(parse_secret(text).is_err(), "{text}");
        }
        let card = Card::new("lab", "", &key(1), None).to_string();
        assert!(parse_secret(&card).is_err());
        assert!(Card::parse(&secret_text(&key(1))).is_err());
    }
}
