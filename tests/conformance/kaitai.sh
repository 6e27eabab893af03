#!/usr/bin/env bash
# Compiles packaging/afterimage.ksy and compares what it makes of captures with the conformance reader, block by block. Needs the npm
# packages kaitai-struct-compiler and js-yaml (found by NODE_PATH) and the Python package kaitaistruct; skips where they are missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

if ! node -e 'require("kaitai-struct-compiler"), require("js-yaml")' 2> /dev/null || ! python3 -c 'import kaitaistruct, zstandard' 2> /dev/null; then
    echo "skipped: the Kaitai Struct compiler or its runtime is not installed"
    exit 0
fi
node - "$root/packaging/afterimage.ksy" "$made" << 'JS'
const [source, folder] = process.argv.slice(2), fs = require("fs");
const spec = require("js-yaml").load(fs.readFileSync(source, "utf8"));
const compiler = require("kaitai-struct-compiler");
(typeof compiler === "function" ? new compiler() : compiler).compile("python", spec, null, false).then(
    (files) => Object.entries(files).forEach(([name, text]) => fs.writeFileSync(`${folder}/${name}`, text)),
    (error) => { console.error(String(error)); process.exit(1); });
JS
PYTHONPATH=$made:$here python3 - "${@:-$root/samples/v1/break-in.aft}" << 'PYTHON'
import sys
import reader
from afterimage import Afterimage

for path in sys.argv[1:]:
    seen = Afterimage.from_file(path).blocks
    with open(path, "rb") as file:
        known = list(reader.blocks(file.read(), False))
    assert len(seen) == len(known), path
    for ours, theirs in zip(seen, known):
        assert getattr(ours.type, "value", ours.type) == theirs.ty, path
        if theirs.ty == reader.CHUNK and not theirs.flags & reader.SEALED:
            zone = theirs.body[12 : 12 + ours.body.len_zone]
            assert [field.tag.value for field in ours.body.zone.fields] == [tag for tag, _ in reader.fields(zone)], path
            assert len(ours.body.columns) == ours.body.num_columns, path
    print(f"{path}: {len(seen)} blocks")
PYTHON
