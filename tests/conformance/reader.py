#!/usr/bin/env python3
"""Reads a capture as docs/format.md describes it and prints its twin: one JSON object a line. `--verify` checks it instead,
and prints a verdict and who signed it. An encrypted capture is read with `--identity FILE` and verified without.

Written from the document alone, so that the document can be tested against the program. Needs the `zstandard` package, and
`cryptography` to check signatures and to open what is sealed; the `blake3` package makes the hash chain fast, without it it is computed here. Reads
sealed and unsealed files by walking the blocks; for damaged files the program's own reader is the one to use.
"""

import base64
import ipaddress
import json
import struct
import sys

import zstandard

try:
    import blake3
except ImportError:
    blake3 = None

try:
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives import hashes, hmac, serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError:
    Ed25519PublicKey = None

MAGIC = bytes.fromhex("894146540d0a1a0a")
SYNC = bytes.fromhex("a6f7424b")
HEADER, SCHEMA, STATE, CHUNK, GAP, NOTE, CHECKPOINT, INDEX, FOOTER, KEY = 1, 2, 3, 4, 5, 7, 8, 9, 10, 11
SIGNATURE = 63
ZSTD, SEALED = 1, 2
SEGMENT, TAG, BRIEF = 1 << 16, 16, 36
MASK64 = (1 << 64) - 1


class Malformed(Exception):
    """The file is not what the document says."""


def make_crc_table():
    table = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
MASK32 = (1 << 32) - 1
MIXES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def blake3_compress(chaining, words, counter, length, flags):
    state = list(chaining) + [*IV[:4], counter & MASK32, counter >> 32, length, flags]
    for _ in range(7):
        for at, (a, b, c, d) in enumerate(MIXES):
            va, vb, vc, vd = state[a], state[b], state[c], state[d]
            va = (va + vb + words[2 * at]) & MASK32
            vd ^= va
            vd = (vd >> 16 | vd << 16) & MASK32
            vc = (vc + vd) & MASK32
            vb ^= vc
            vb = (vb >> 12 | vb << 20) & MASK32
            va = (va + vb + words[2 * at + 1]) & MASK32
            vd ^= va
            vd = (vd >> 8 | vd << 24) & MASK32
            vc = (vc + vd) & MASK32
            vb ^= vc
            vb = (vb >> 7 | vb << 25) & MASK32
            state[a], state[b], state[c], state[d] = va, vb, vc, vd
        words = [words[at] for at in PERMUTATION]
    return [state[at] ^ state[at + 8] for at in range(8)]


def blake3_node(data, counter, root):
    """The chaining value of a subtree of the hash tree; `root` is the flag of its last compression."""
    if len(data) <= 1024:
        value, count = IV, max(1, (len(data) + 63) // 64)
        for at in range(count):
            block = data[64 * at : 64 * at + 64]
            words = struct.unpack("<16I", block.ljust(64, b"\0"))
            flags = (CHUNK_START if at == 0 else 0) | ((CHUNK_END | root) if at == count - 1 else 0)
            value = blake3_compress(value, words, counter, len(block), flags)
        return value
    # The left subtree is the largest power of two of whole chunks that leaves something for the right one.
    left = 1024 << (((len(data) - 1) // 1024).bit_length() - 1)
    pair = blake3_node(data[:left], counter, 0) + blake3_node(data[left:], counter + left // 1024, 0)
    return blake3_compress(IV, pair, 0, 64, PARENT | root)


def hash32(data):
    if blake3:
        return blake3.blake3(data).digest()
    return struct.pack("<8I", *blake3_node(bytes(data), 0, ROOT))


def need(condition, what):
    if not condition:
        raise Malformed(what)


def shortest(value):
    """A number as the shortest varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


class Bytes:
    """Bytes being taken apart from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, length):
        need(length <= self.left(), f"{length} bytes wanted, {self.left()} left")
        taken = self.data[self.at : self.at + length]
        self.at += length
        return taken

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                need(value <= MASK64, "varint of more than 64 bits")
                return value
        raise Malformed("varint of more than ten bytes")

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def ints(self, count):
        if count == 0:
            return []
        how = self.byte()
        if how == 1:
            return [self.zigzag()] * count
        need(how in (2, 3), f"list of integers of kind {how}")
        values, before = [], 0
        for _ in range(count):
            value = self.zigzag()
            if how == 3:
                value = signed(before + value)
            values.append(value)
            before = value
        return values

    def steps(self):
        values, before = [], 0
        while self.left():
            before += self.varint()
            values.append(before)
        return values


def signed(value):
    value &= MASK64
    return value - (1 << 64) if value >> 63 else value


def fields(data):
    """The fields of a record: (tag, bytes) one after another."""
    data = Bytes(data)
    while data.left():
        tag = data.varint()
        yield tag, data.take(data.varint())


def record(data):
    """A record as a dictionary of lists."""
    found = {}
    for tag, value in fields(data):
        found.setdefault(tag, []).append(value)
    return found


def uint(rec, tag, default=0):
    return Bytes(rec[tag][-1]).varint() if tag in rec else default


def sint(rec, tag):
    return Bytes(rec[tag][-1]).zigzag() if tag in rec else 0


def raw(rec, tag):
    return rec[tag][-1] if tag in rec else b""


def text(rec, tag):
    return raw(rec, tag).decode("utf-8")


def texts(rec, tag):
    return [item.decode("utf-8") for item in rec.get(tag, [])]


def pairs(rec, tag):
    found = [record(item) for item in rec.get(tag, [])]
    return dict(sorted(((text(pair, 1), text(pair, 2)) for pair in found), key=lambda pair: pair[0].encode()))


def bech32(text):
    """The bytes in an age identity; its checksum is compared."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    prefix, _, rest = text.lower().rpartition("1")
    need(prefix == "age-secret-key-" and all(letter in letters for letter in rest), "an age identity")
    values = [letters.index(letter) for letter in rest]
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for at, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> at & 1 else 0
    need(check == 1, "the checksum of an age identity")
    number = 0
    for value in values[:-6]:
        number = number << 5 | value
    bits = 5 * len(values[:-6])
    return (number >> bits % 8).to_bytes(bits // 8, "big")


def unbase64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def hkdf(key, salt, info):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(key)


def age_open(wrapped, identities):
    """The contents of an age file that is no longer than a piece of one."""
    need(Ed25519PublicKey is not None, "the cryptography package, which opens what is sealed")
    lines, at = [], 0
    while not (lines and lines[-1].startswith("--- ")):
        end = wrapped.index(b"\n", at)
        lines.append(wrapped[at:end].decode("ascii"))
        mac_at, at = at, end + 1
    need(lines[0] == "age-encryption.org/v1", "an age file")
    stanzas = [(line.split(" "), unbase64(lines[n + 1])) for n, line in enumerate(lines) if line.startswith("-> X25519 ")]
    for secret in identities:
        own = X25519PrivateKey.from_private_bytes(secret)
        public = own.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        for arguments, body in stanzas:
            share = unbase64(arguments[2])
            shared = own.exchange(X25519PublicKey.from_public_bytes(share))
            key = hkdf(shared, share + public, b"age-encryption.org/v1/X25519")
            try:
                inner = ChaCha20Poly1305(key).decrypt(bytes(12), body, b"")
            except InvalidTag:
                continue
            mac = hmac.HMAC(hkdf(inner, b"", b"header"), hashes.SHA256())
            mac.update(wrapped[: mac_at + 3])
            need(mac.finalize() == unbase64(lines[-1][4:]), "the head of an age file")
            payload = hkdf(inner, wrapped[at : at + 16], b"payload")
            return ChaCha20Poly1305(payload).decrypt(bytes(11) + b"\1", wrapped[at + 16 :], b"")
    raise Malformed("the capture is encrypted, and no identity opens it")


def is_secret(ty, body):
    """Whether a block of an encrypted capture must be sealed."""
    if ty == NOTE:
        return text(record(body), 5) == ""
    return ty not in (HEADER, SCHEMA, CHECKPOINT, INDEX, FOOTER, KEY)


def unseal(key, head, ty, sequence, stored):
    """The body of a sealed block: each segment has a nonce of its own, and is bound to the head and what is said in the clear."""
    clear = BRIEF if ty == CHUNK else 0
    sealed, body = stored[clear:], b""
    need(len(sealed) >= TAG, "the length of a sealed body")
    for number, at in enumerate(range(0, len(sealed), SEGMENT + TAG)):
        nonce, segment = struct.pack("<QI", sequence, number), sealed[at : at + SEGMENT + TAG]
        try:
            body += ChaCha20Poly1305(key).decrypt(nonce, segment, head + stored[:clear])
        except InvalidTag:
            raise Malformed(f"segment {number} of block {sequence}") from None
    return body


class Block:
    """A whole block, its checksums and its place in the chain compared."""

    def __init__(self, ty, flags, body, stored, chain):
        self.ty, self.flags, self.body, self.stored, self.chain = ty, flags, body, stored, chain


def blocks(data, chained, identities=None):
    """Every whole block. Stops at the first that is not whole. The chain is computed only where it is `chained`. Sealed bodies
    are opened where there are `identities`, and else left as they are."""
    key, encrypted = None, False
    need(data[:8] == MAGIC, "magic")
    major, _minor, tag, crc = struct.unpack_from("<HHQI", data, 8)
    need(major == 1, f"major version {major}")
    need(crc32c(data[:20]) == crc, "checksum of the file head")
    chain = hash32(data[:24]) if chained else b""
    at, number = 24, 0
    while at < len(data):
        if len(data) - at < 72:
            return
        head = data[at : at + 32]
        ty, flags, length, sequence, block_tag, head_crc = struct.unpack_from("<HHIQQI", head, 4)
        need(head[:4] == SYNC and crc32c(head[:28]) == head_crc, f"head of block {number}")
        need(block_tag == tag and sequence == number, f"tag or sequence of block {number}")
        if at + 72 + length > len(data):
            return
        stored = data[at + 32 : at + 32 + length]
        link, crc, again = struct.unpack_from("<32sII", data, at + 32 + length)
        need(crc32c(data[at : at + 64 + length]) == crc, f"checksum of block {number}")
        need(again == length, f"second length of block {number}")
        before = chain
        if chained:
            chain = hash32(chain + head + stored)
            need(chain == link, f"chain of block {number}")
            if number == 0:
                need(struct.pack("<Q", tag) == hash32(stored)[:8], "tag of the file")
        body = stored
        if number == 0 and ty == HEADER:
            rec = record(stored)
            encrypted = 69 in rec
            need(encrypted == (68 in rec), "the key of an encrypted capture")
            if encrypted and identities is not None:
                key = age_open(raw(rec, 69), identities)
        if flags & SEALED:
            need(encrypted and is_secret(ty, b""), "a sealed block that must not be")
            if key is not None:
                body = unseal(key, head, ty, sequence, stored)
        else:
            need(not encrypted or not is_secret(ty, body), "a block of an encrypted capture that is not sealed")
        if flags & ZSTD and (key is not None or not flags & SEALED):
            size = struct.unpack_from("<I", body)[0]
            body = frame(body[4:], size)
        yield Block(ty, flags, body, before, link)
        at += 72 + length
        number += 1


def frame(data, size):
    out = zstandard.ZstdDecompressor().decompress(data, max_output_size=size) if size else b""
    need(len(out) == size, "length of a zstd frame")
    return out


def manifest(body):
    rec = record(body)
    names = {1: "capture_id", 2: "tool", 3: "tool_hash", 4: "host", 5: "kernel", 6: "machine", 7: "boot_id"}
    out = {name: text(rec, tag) for tag, name in names.items()}
    out["cpus"] = uint(rec, 8)
    out["clock.boot_ns"] = uint(rec, 9)
    out["clock.mono_ns"] = uint(rec, 10)
    out["clock.real_ns"] = sint(rec, 11)
    out.update({"time_zone": text(rec, 12), "scope": text(rec, 13), "filter": text(rec, 14)})
    out.update({"coverage": texts(rec, 15), "not_covered": texts(rec, 16), "limits": pairs(rec, 17)})
    out.update({"trigger": text(rec, 18), "reason": text(rec, 19), "operator": text(rec, 20), "case_id": text(rec, 21)})
    out["command"] = texts(rec, 22)
    later = {"machine_id": 23, "clock_sync": 24}
    out.update({name: text(rec, tag) for name, tag in later.items() if text(rec, tag)})
    return out


class Schema:
    """Names of types and arguments, and of the numbers the file uses."""

    def __init__(self, body):
        rec = record(body)
        self.types = []
        for item in rec.get(1, []):
            ty = record(item)
            self.types.append((text(ty, 1), [text(record(arg), 1) for arg in ty.get(4, [])]))
        self.names = {}
        for item in rec.get(3, []):
            name = record(item)
            self.names[(text(name, 1), uint(name, 2))] = text(name, 3)


def latin(data):
    return data.decode("latin-1")


def address(data):
    if len(data) == 6:
        return ipaddress.IPv4Address(data[:4]), struct.unpack_from("<H", data, 4)[0]
    need(len(data) == 26, "socket address")
    return ipaddress.IPv6Address(data[:16]), struct.unpack_from("<H", data, 16)[0]


def show(end):
    ip, port = end
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return f"::ffff:{ip.ipv4_mapped}:{port}"
    return f"{ip}:{port}"


def file_name(rec):
    """A path, or for sockets client->server, or the local end of one that is not connected."""
    if 6 not in rec:
        return latin(raw(rec, 3))
    flow = record(raw(rec, 6))
    local, remote, role = address(raw(flow, 2)), address(raw(flow, 3)), uint(flow, 4)
    if remote[1] == 0:
        return show(local)
    if role == 2:
        return f"{show(remote)}->{show(local)}"
    return f"{show(local)}->{show(remote)}"


class Parts:
    """A column in parts: its head, and the parts one after another."""

    def __init__(self, data):
        data = Bytes(data)
        self.head = Bytes(data.take(data.varint()))
        self.body = data

    def part(self, count):
        how = self.head.varint()
        kind, rest = how & 3, how >> 2
        if kind == 0:
            need(rest == count, "length of a part")
            return self.body.take(count)
        if kind == 1:
            return frame(self.body.take(rest), count)
        need(kind == 2 and rest < 256, f"part of kind {kind}")
        return bytes([rest]) * count

    def planes(self, count, context=lambda number: None):
        """`context` gives the values that a context has in the rows of the list."""
        if count == 0:
            return []
        way, how = self.head.byte(), self.head.byte()
        need(how & 15 <= 8 and how < 32, "width of planes")
        values = [0] * count
        for shift in range(0, 8 * (how & 15), 8):
            values = [value | byte << shift for value, byte in zip(values, self.part(count))]
        if how & 16:
            values = [value >> 1 ^ -(value & 1) for value in values]
        values = [signed(value) for value in values]
        if way == 0:
            return values
        others = [0] * count if way == 1 else context((way - 2) // 2)
        need(others is not None and len(others) == count, f"context of way {way}")
        if way > 1 and way % 2 == 1:
            return [signed(value + other) for value, other in zip(values, others)]
        last = {}
        for at, (value, other) in enumerate(zip(values, others)):
            values[at] = last[other % 4096] = signed(last.get(other % 4096, 0) + value)
        return values

    def end(self):
        need(self.head.left() == 0 and self.body.left() == 0, "end of a column in parts")


class Texts:
    """The filter of texts of a zone map."""

    def __init__(self, zone):
        self.hashes, self.bits = uint(zone, 9), raw(zone, 10)
        need((self.hashes == 0) == (self.bits == b""), "half a filter of texts")
        need(self.hashes <= 16 and len(self.bits) <= 1 << 17, "size of a filter of texts")
        self.any = any(self.bits)

    def holds(self, text):
        """Whether all pieces of a text are in it."""
        classes = [byte % 32 + (32 if byte < 64 else 0) for byte in text]
        pieces = {a << 12 | b << 6 | c for a, b, c in zip(classes, classes[1:], classes[2:])}
        return not self.any or all(self.bits[bit // 8] >> bit % 8 & 1 for piece in pieces for bit in self.places(piece))

    def places(self, piece):
        mixed = (piece + 1) * 0x9E3779B97F4A7C15 & MASK64
        mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & MASK64
        first, step = mixed & MASK32, mixed >> 32 | 1
        return [(first + nth * step & MASK32) * 8 * len(self.bits) >> 32 for nth in range(self.hashes)]


# Fields of processes, containers, files, users and groups whose pieces a filter of texts has; those of the second lists are pairs.
TEXT_FIELDS = (
    ([11, 12, 16, 18, 20, 31, 48, 49, 51, 52], []),
    ([2, 3, 4, 5, 6, 7, *range(9, 11), 12, 16, 17, *range(19, 27), 28, 29, *range(32, 38), 43, 45], [8, 44, 51, 52]),
    ([3], []),
    ([3, 4, 5], []),
    ([3], []),
)


class Chunk:
    """A chunk's columns, zone map and rows."""

    def __init__(self, body):
        zone_length, count, crc = struct.unpack_from("<III", body)
        head = 12 + zone_length + 20 * count
        need(crc32c(body[:8] + body[12:head]) == crc, "checksum of a chunk head")
        zone = record(body[12 : 12 + zone_length])
        self.events, self.first_num = uint(zone, 1), uint(zone, 2)
        self.start = uint(zone, 3)
        self.procs = Bytes(raw(zone, 7)).steps()
        self.types, types, ty = [], Bytes(raw(zone, 6)), 0
        while types.left():
            ty += types.varint()
            self.types.append((ty, types.varint()))
        need(sum(count for _, count in self.types) == self.events, "sum of a zone map")
        self.columns, at = {}, head
        for entry in range(count):
            column, codec, key, size, stored, crc = struct.unpack_from("<HHIIII", body, 12 + zone_length + 20 * entry)
            data = body[at : at + stored]
            need(crc32c(data) == crc, f"checksum of column {column}")
            need(codec in (0, 1, 2) and (column, key) not in self.columns, f"directory entry of column {column}")
            self.columns[(column, key)] = Parts(data) if codec == 2 else frame(data, size) if codec else data
            at += stored
        self.in_lists = (41, 0) in self.columns
        kinds = [self.of_kind(kind) for kind in range(5)]
        self.processes, self.files = ({uint(rec, 1): rec for rec in kinds[kind]} for kind in (0, 2))
        self.texts, self.told = Texts(zone), set()
        for kind, (plain, paired) in enumerate(TEXT_FIELDS):
            for rec in kinds[kind]:
                found = [value for tag in plain for value in rec.get(tag, [])]
                found += [value for tag in paired for pair in rec.get(tag, []) for _, value in fields(pair)]
                need(all(map(self.texts.holds, found)), "a filter of texts that lacks one of a row")

    def of_kind(self, kind):
        """Rows of processes, containers, files, users or groups."""
        if not self.in_lists:
            return self.rows(32 + kind, 2 + kind)
        return self.table(50 + kind, self.dictionary(16, 18, 17) if kind == 2 else self.dictionary(55, 56))

    def column(self, number, key=0):
        return Bytes(self.columns.get((number, key), b""))

    def rows(self, number, tag):
        return [record(value) for row, value in fields(self.column(number).data) if row == tag]

    def table(self, number, strings):
        """Rows that are kept field by field."""
        parts = self.columns.get((number, 0))
        if parts is None:
            return []
        count, tags = parts.head.varint(), parts.head.varint()
        records = [{} for _ in range(count)]
        for _ in range(tags):
            tag, kind = parts.head.varint(), parts.head.byte()
            need(kind < 4, f"field of kind {kind}")
            counts = [1] * count if kind & 2 else parts.planes(count)
            values = iter(parts.planes(sum(counts)))
            for rec, times in zip(records, counts):
                for _ in range(times):
                    value = next(values)
                    value = shortest(value & MASK64) if kind & 1 else strings[value][0]
                    rec.setdefault(tag, []).append(value)
        parts.end()
        return records

    def ints(self, number):
        if (number, 0) not in self.columns:
            return [0] * self.events
        return self.column(number).ints(self.events)

    def planes(self, number):
        parts = self.columns.get((number, 0))
        if parts is None:
            return [0] * self.events
        values = parts.planes(self.events)
        parts.end()
        return values

    def dictionary(self, first, last, cut=None):
        lengths, cuts, data = self.column(first), self.column(cut), self.column(last)
        values = []
        while lengths.left():
            value = data.take(lengths.varint())
            values.append([value, len(value)])
        place = 0
        while cuts.left():
            place += cuts.varint()
            values[place][1] += cuts.varint()
        return values

    def read(self, schema):
        """The events in file order, as dictionaries."""
        self.text_values, self.data_values = self.dictionary(16, 18, 17), self.dictionary(19, 21, 20)
        rows = self.read_lists() if self.in_lists else self.read_rows()
        by_time = sorted(range(len(rows)), key=lambda row: (rows[row]["time_ns"], row))
        order = [rows[by_time[at + jump]] for at, jump in enumerate(self.ints(10))]
        expected = {}
        for number, (row, jump) in enumerate(zip(order, self.ints(11)), self.first_num):
            row["seq"] = (expected.get(row["cpu"], 0) + jump) & MASK64
            expected[row["cpu"]] = (row["seq"] + 1) & MASK64
            yield self.event(number, row, schema)

    def threads(self):
        """For each thread its id and number of rows."""
        found, threads, tid = [], self.column(1), 0
        while threads.left():
            tid += threads.varint()
            found.append((tid, threads.varint()))
        need(sum(count for _, count in found) == self.events, "rows of a chunk")
        return found

    def read_rows(self):
        """The rows of a chunk before version 1.3."""
        rows, times = [], self.column(2)
        for tid, count in self.threads():
            time = self.start
            for _ in range(count):
                time = (time + times.varint()) & MASK64
                rows.append({"time_ns": time, "tid": tid})
        file_list = self.column(13).steps()
        columns = [self.ints(number) for number in (3, 4, 5, 6, 7, 8)]
        for row, cpu, ty, abi, flags, proc, file in zip(rows, *columns):
            row.update(cpu=cpu, type=self.types[ty][0], abi=abi, flags=flags, proc=self.procs[proc])
            row["file"] = file_list[file - 1] if file else None
        results, shared = self.column(9), self.column(12)
        for ty, count in self.types:
            of_type = [row for row in rows if row["type"] == ty]
            need(len(of_type) == count, "rows of a type")
            for row, result in zip(of_type, results.ints(count)):
                row["result"] = result
            self.args(of_type, self.column(12, ty + 1) if (12, ty + 1) in self.columns else shared)
        return rows

    def args(self, of_type, source):
        """Adds the arguments of one type, told as lists, to its rows."""
        most, uniform = source.varint(), source.byte()
        counts = [most] * len(of_type) if uniform else list(source.take(len(of_type)))
        for row in of_type:
            row["args"] = []
        for slot in range(most):
            having = [row for row, args in zip(of_type, counts) if args > slot]
            kind = source.byte()
            kinds = source.take(len(having)) if kind == 255 else bytes([kind]) * len(having)
            lists = [iter(source.ints(kinds.count(which))) for which in (1, 2, 3)]
            for row, which in zip(having, kinds):
                row["args"].append(self.value(which, next(lists[which - 1]) if which else None))

    def value(self, which, value):
        need(which <= 3, f"value of kind {which}")
        if which == 2 and value not in self.told:
            self.told.add(value)
            need(self.texts.holds(self.text_values[value][0]), "a filter of texts that lacks one of an argument")
        return {2: self.text_values, 3: self.data_values}[which][value] if which > 1 else value

    def read_lists(self):
        """The rows of a chunk in lists."""
        threads, types = self.threads(), self.planes(40)
        rows = [{"tid": tid, "first": at == 0} for tid, count in threads for at in range(count)]
        columns = [types, self.planes(42), self.ints(5), self.planes(44)]
        for row, ty, cpu, abi, proc in zip(rows, *columns):
            row.update(place=ty, type=self.types[ty][0], cpu=cpu, abi=abi, proc=self.procs[proc])
        grouped = [[row for row in rows if row["place"] == place] for place in range(len(self.types))]
        need([len(group) for group in grouped] == [count for _, count in self.types], "rows of a type")
        in_type_order = [row for group in grouped for row in group]
        for row, flags in zip(in_type_order, self.planes(43)):
            row["flags"] = flags
        if (47, 0) in self.columns:
            for row, waits in zip(in_type_order, self.columns[(47, 0)].planes(self.events)):
                row["waits"] = waits != 0
        self.times(rows)
        self.ranks(rows, in_type_order)
        rest = self.column(49)
        for (ty, count), group in zip(self.types, grouped):
            files, parts = [row["place_of_file"] for row in group], self.columns.get((48, ty + 1))
            if parts:
                results = self.columns[(46, 0)].planes(count, lambda number: files if number == 0 else None)
            else:
                results = rest.ints(count)
            for row, result in zip(group, results):
                row["result"] = result
            if parts:
                self.values(group, parts, files, results)
                parts.end()
            else:
                self.args(group, rest)
        return rows

    def times(self, rows):
        """Adds the instants."""
        kinds = len(self.types)
        for before, row in zip([None, *rows], rows):
            row["pair"] = (row["place"], row["place"] if row["first"] else before["place"])
        left = [row for row in rows if not row.get("waits")]
        lanes, pairs = [], {}
        if kinds <= 256:
            for row in left:
                pairs.setdefault(row["pair"], []).append(row)
            own = {pair for pair, group in pairs.items() if len(group) >= 1024}
            lanes += [pairs[pair] for pair in sorted(own)]
            left = [row for row in left if row["pair"] not in own]
        of_type = {}
        for row in left:
            of_type.setdefault(row["place"], []).append(row)
        own = {ty for ty, group in of_type.items() if len(group) >= 512}
        lanes += [of_type[ty] for ty in sorted(own)]
        lanes += [[row for row in left if row["place"] not in own], [row for row in rows if row.get("waits")]]
        parts = self.columns[(41, 0)]
        for lane in lanes:
            for row, step in zip(lane, parts.planes(len(lane))):
                row["step"] = step
        parts.end()
        time = 0
        for row in rows:
            time = (self.start if row["first"] else time) + row["step"] & MASK64
            row["time_ns"] = time

    def ranks(self, rows, in_type_order):
        """Adds the files."""
        file_list, recent, misses = self.column(13).steps(), [], iter(())
        if (45, 0) in self.columns:
            parts = self.columns[(45, 0)]
            codes = parts.planes(self.events)
            for row, code in zip(in_type_order, codes):
                row["rank"] = code
            misses = iter(parts.planes(codes.count(65)))
            parts.end()
        for row in rows:
            recent = [] if row["first"] else recent
            code, place = row.get("rank", 0), None
            if code:
                place = next(misses) if code == 65 else recent.pop(code - 1)
                recent = [place, *recent][:64]
            row["file"] = None if place is None else file_list[place]
            row["place_of_file"] = 0 if place is None else place + 1

    def values(self, group, parts, files, results):
        """Adds the arguments of one type, told as planes, to its rows."""
        most, uniform = parts.head.varint(), parts.head.byte()
        counts = [most] * len(group) if uniform else list(parts.part(len(group)))
        whole = {0: files, 1: results}
        for row in group:
            row["args"] = []
        for slot in range(most):
            having = [at for at, args in enumerate(counts) if args > slot]
            kind = parts.head.byte()
            kinds = parts.part(len(having)) if kind == 255 else bytes([kind]) * len(having)
            lists = []
            for which in (1, 2, 3):
                those = [at for at, other in zip(having, kinds) if other == which]
                told = lambda number: [whole[number][at] for at in those] if number in whole else None
                values = parts.planes(len(those), told)
                if which == 1 and len(those) == len(group):
                    whole[2 + slot] = values
                lists.append(iter(values))
            for at, which in zip(having, kinds):
                group[at]["args"].append(self.value(which, next(lists[which - 1]) if which else None))

    def event(self, number, row, schema):
        known = row["type"] < len(schema.types)
        name, arg_names = schema.types[row["type"]] if known else (row["type"], [])
        process = self.processes.get(row["proc"])
        file = row["file"]
        if file in self.files:
            file = file_name(self.files[file])
        args = {}
        for at, value in enumerate(row["args"]):
            if isinstance(value, list):
                data, full = value
                value = latin(data) if full == len(data) else {"hex": data.hex(), "full_len": full}
            args[arg_names[at] if at < len(arg_names) else f"#{at}"] = value
        return {
            "num": number,
            "time_ns": row["time_ns"],
            "cpu": row["cpu"],
            "seq": row["seq"],
            "type": name,
            "abi": schema.names.get(("abi", row["abi"]), "unknown"),
            "flags": row["flags"],
            "tid": row["tid"],
            "proc": row["proc"],
            "pid": uint(process, 2) if process is not None else None,
            "comm": latin(raw(process, 11)) if process is not None else None,
            "file": file,
            "result": row["result"],
            "args": args,
        }


def gap(body, schema):
    rec = record(body)
    return {
        "cause": schema.names.get(("gap-cause", uint(rec, 1)), "other"),
        "start_ns": uint(rec, 2),
        "end_ns": uint(rec, 3),
        "cpu": uint(rec, 4, None),
        "count": uint(rec, 5, None),
        "first_seq": uint(rec, 6, None),
        "detail": text(rec, 7),
    }


def totals(body):
    rec = record(body)
    names = ["offered", "written", "dropped", "filtered", "unsealed", "spared_self", "spared_scope"]
    later = {"told": 8, "sampled": 9}
    total = {name: uint(rec, tag) for tag, name in enumerate(names, 1)}
    total.update({name: uint(rec, tag) for name, tag in later.items() if uint(rec, tag)})
    return total


def is_signed(purpose, block, key):
    """Whether the signature at the end of a block's record is the key's; false where there is no key and no signature."""
    body = Bytes(block.body)
    while body.left():
        start = body.at
        tag, value = body.varint(), body.take(body.varint())
        if tag == SIGNATURE:
            need(body.left() == 0, "fields behind a signature")
            need(key is not None, "a signature, and no signer is named")
            need(block.flags & 1 == 0, "a compressed record that is signed")
            need(Ed25519PublicKey is not None, "the cryptography package, which checks signatures")
            message = b"afterimage " + purpose + b"\0" + block.body[:start]
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(value, message)
            except (InvalidSignature, ValueError):
                raise Malformed(f"the signature of a {purpose.decode()}") from None
            return True
    need(key is None, f"the signature of a {purpose.decode()}")
    return False


def verify(data):
    """The lines of a verdict."""
    signer, turn, sealed, digest = None, None, False, b""
    events, chunks, gaps, checkpoints, signed_blocks, number = 0, 0, 0, 0, 0, -1
    custody, index_at, at = [], None, 24
    for number, block in enumerate(blocks(data, True)):
        closed = block.flags & SEALED
        rec = record(block.body) if block.ty in (HEADER, NOTE, CHECKPOINT, FOOTER) and not closed else {}
        need((number == 0) == (block.ty == HEADER) and (number == 1) == (block.ty == SCHEMA), f"type of block {number}")
        need(number != 2 or signer is None or block.ty == CHECKPOINT, "the first signed checkpoint")
        need(not sealed or (block.ty == NOTE and not block.flags & SEALED), "bytes after the footer")
        if block.ty == HEADER:
            signer = turn = raw(rec, 66) or None
        elif block.ty == CHUNK and closed:
            _first, count, _start, _end, crc = struct.unpack_from("<QQQQI", block.body)
            need(crc == crc32c(block.body[:32]), f"what block {number} says in the clear")
            events, chunks = events + count, chunks + 1
        elif block.ty == CHUNK:
            chunk = Chunk(block.body)
            events, chunks = events + chunk.events, chunks + 1
        elif block.ty == GAP:
            gaps += 1
        elif block.ty == CHECKPOINT:
            need(uint(rec, 2) == number and raw(rec, 4) == block.stored, f"checkpoint in block {number}")
            if is_signed(b"checkpoint", block, turn):
                need(uint(rec, 3) == events and uint(rec, 5) == checkpoints, f"checkpoint in block {number}")
                turn, checkpoints, signed_blocks = raw(rec, 8), checkpoints + 1, number + 1
        elif block.ty == INDEX:
            index_at = (number, at)
        elif block.ty == FOOTER:
            counts = [uint(rec, tag) for tag in (16, 17, 18, 19)]
            need(counts == [number, chunks, events, gaps], "counts of the footer")
            need(index_at == (number - 1, uint(rec, 20)) and raw(rec, 21) == block.stored, "index of the footer")
            sealed = True
            if is_signed(b"seal", block, turn):
                signed_blocks = number + 1
        elif block.ty == NOTE and not closed and (sealed or text(rec, 5)):
            need(text(rec, 5) != "" and raw(rec, 9) == block.stored, f"custody entry in block {number}")
            key = raw(rec, 10) or None
            need(key is not None or not sealed, "the signature of a custody")
            is_signed(b"custody", block, key)
            custody.append((text(rec, 5), text(rec, 3), key))
        if not sealed or block.ty == FOOTER:
            digest = block.chain
        at += 72 + struct.unpack_from("<I", data, at + 8)[0]
    need(number >= 0, "a header")
    need(not sealed or at == len(data), "bytes after the footer")
    yield "sealed and intact" if sealed else "intact, not sealed"
    yield f"digest {digest.hex()}"
    yield f"signer {signer.hex()}" if signer else "not signed"
    if signer:
        yield f"checkpoints {checkpoints}"
        yield f"unsigned blocks {0 if sealed else number + 1 - signed_blocks}"
    for action, author, key in custody:
        yield f"custody {action} {author} {key.hex() if key else 'not signed'}"


def twin(data, identities):
    """The lines of the twin."""
    schema, gaps, last, total = None, [], None, None
    for number, block in enumerate(blocks(data, blake3 is not None, identities)):
        ty, body = block.ty, block.body
        need((number == 0) == (ty == HEADER) and (number == 1) == (ty == SCHEMA), f"type {ty} of block {number}")
        if ty != NOTE or last != FOOTER:
            last = ty
        if ty == HEADER:
            yield {"manifest": manifest(body)}
        elif ty == SCHEMA:
            schema = Schema(body)
        elif ty == CHUNK:
            for event in Chunk(body).read(schema):
                yield {"event": event}
        elif ty == GAP:
            gaps.append(gap(body, schema))
        elif ty == FOOTER:
            total = totals(body)
    for item in gaps:
        yield {"gap": item}
    if last == FOOTER:
        yield {"totals": total}
    else:
        print("not sealed: the tail may be missing", file=sys.stderr)


def main():
    words, identities = sys.argv[1:], []
    checking = words[:1] == ["--verify"]
    named = words[0] if len(words) == 3 and words[0] == "--identity" else None
    if len(words) != 1 + checking + 2 * (named is not None):
        sys.exit("usage: reader.py [--verify | --identity FILE] FILE.aft")
    with open(words[-1], "rb") as file:
        data = file.read()
    try:
        if named:
            with open(words[1], encoding="ascii") as file:
                lines = [line.strip() for line in file]
            identities = [bech32(line) for line in lines if line and not line.startswith("#")]
        for line in verify(data) if checking else twin(data, identities):
            print(line if checking else json.dumps(line, separators=(",", ":")))
    except (Malformed, struct.error, zstandard.ZstdError, ValueError, IndexError) as error:
        if checking:
            print("broken")
        sys.exit(f"{words[-1]}: {error}")


if __name__ == "__main__":
    main()
