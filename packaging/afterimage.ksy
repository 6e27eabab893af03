# The outer layout of a capture for Kaitai Struct: file head, blocks, records and the parts of a chunk. docs/format.md is the
# normative description; what is compressed or sealed is left as bytes here, and checksums are not compared.
meta:
  id: afterimage
  title: Afterimage capture
  file-extension: aft
  license: Apache-2.0
  endian: le
  ks-version: '0.10'
seq:
  - id: head
    type: file_head
  - id: blocks
    type: block
    repeat: eos
types:
  file_head:
    seq:
      - id: magic
        contents: [0x89, AFT, 0x0d, 0x0a, 0x1a, 0x0a]
      - id: major
        type: u2
        valid: 1
      - id: minor
        type: u2
      - id: tag
        type: u8
      - id: crc
        type: u4
  block:
    seq:
      - id: sync
        contents: [0xa6, 0xf7, BK]
      - id: type
        type: u2
        enum: block_type
      - id: is_reserved
        type: b5
      - id: is_keyframe
        type: b1
      - id: is_sealed
        type: b1
      - id: is_compressed
        type: b1
      - id: flags_high
        type: u1
      - id: len_body
        type: u4
      - id: sequence
        type: u8
      - id: tag
        type: u8
      - id: head_crc
        type: u4
      - id: body
        size: len_body
        type:
          switch-on: 'is_sealed ? (type == block_type::chunk ? 2 : 3) : is_compressed ? 1 : type == block_type::chunk ? 0 : type == block_type::index ? 4 : type == block_type::key ? 3 : 5'
          cases:
            0: chunk
            1: compressed
            2: sealed_chunk
            4: index
            5: record
      - id: chain
        size: 32
      - id: crc
        type: u4
      - id: len_body_again
        type: u4
        valid: len_body
  compressed:
    seq:
      - id: len_record
        type: u4
      - id: frame
        size-eos: true
  sealed_chunk:
    seq:
      - id: first_num
        type: u8
      - id: num_events
        type: u8
      - id: start
        type: u8
      - id: end
        type: u8
      - id: crc
        type: u4
      - id: segments
        size-eos: true
  record:
    seq:
      - id: fields
        type: field
        repeat: eos
  field:
    seq:
      - id: tag
        type: varint
      - id: len_value
        type: varint
      - id: value
        size: len_value.value
  chunk:
    seq:
      - id: len_zone
        type: u4
      - id: num_columns
        type: u4
      - id: crc
        type: u4
      - id: zone
        size: len_zone
        type: record
      - id: directory
        type: entry
        repeat: expr
        repeat-expr: num_columns
      - id: columns
        size: directory[_index].len_stored
        repeat: expr
        repeat-expr: num_columns
  entry:
    seq:
      - id: column
        type: u2
      - id: codec
        type: u2
        enum: codec
      - id: key
        type: u4
      - id: len_raw
        type: u4
      - id: len_stored
        type: u4
      - id: crc
        type: u4
  index:
    seq:
      - id: num_blocks
        type: varint
      - id: lines
        type: line
        repeat: expr
        repeat-expr: num_blocks.value
  line:
    seq:
      - id: type
        type: varint
      - id: len_block
        type: varint
      - id: num_step
        type: varint
        if: type.value == 4
      - id: num_events
        type: varint
        if: type.value == 4
      - id: start_step
        type: varint
        if: type.value == 4
      - id: span
        type: varint
        if: type.value == 4
  varint:
    seq:
      - id: groups
        type: group
        repeat: until
        repeat-until: not _.has_next
    instances:
      len:
        value: groups.size
      # Sums up to the five lowest groups; lengths, tags and counts have no more.
      value:
        value: >-
          groups[0].value
          + (len >= 2 ? groups[1].value << 7 : 0)
          + (len >= 3 ? groups[2].value << 14 : 0)
          + (len >= 4 ? groups[3].value << 21 : 0)
          + (len >= 5 ? groups[4].value << 28 : 0)
  group:
    seq:
      - id: has_next
        type: b1
      - id: value
        type: b7
enums:
  block_type:
    1: header
    2: schema
    3: state
    4: chunk
    5: gap
    6: artifact
    7: note
    8: checkpoint
    9: index
    10: footer
    11: key
  codec:
    0: stored
    1: zstd
    2: parts
