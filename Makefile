# What a person types. Needs a Rust toolchain; everything else that is missing is installed (Debian, root or sudo).

CARGO ?= cargo
SUDO  := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)
BIN   := target/debug/afterimage

.PHONY: help setup build demo test soak soak-day kernel-matrix power-cuts fuzz flips samples bless fmt clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/	/' | expand -t 16

setup:  ## install what the tests need and is missing
	.ci/setup test

build:  ## build the command: target/debug/afterimage
	$(CARGO) build --workspace --bin afterimage

demo:  ## break into a throw-away container, record it, remove it, and look at what is left
	.ci/setup demo
	@[ -e $(BIN) ] || echo "building the command: some ten minutes on two processors, the first time only"
	$(CARGO) build --workspace --bin afterimage
	$(SUDO) $(BIN) demo

test: setup  ## everything: format, lints, dependencies, tests, documents, end to end
	.ci/test

soak:  ## what recorder, index and filters are held to, in the long forms: some hours
	AFTERIMAGE_LONG=1 $(CARGO) nextest run --workspace -E 'package(afterimage-indexer) & test(/^index::tests::random/) | package(afterimage) & test(killed) | package(afterimage-query) & test(/^laws::/) | binary(ahead) | binary(filters) | binary(instants) | binary(unknown)'
	AFTERIMAGE_FORGED=10000 $(CARGO) nextest run -p afterimage -E 'test(webhook)'
	$(SUDO) AFTERIMAGE_LONG=1 $(CARGO) nextest run -p afterimage-tests -E 'binary(no_memory)'
	$(SUDO) AFTERIMAGE_SOAK=1 $(CARGO) nextest run --release -p afterimage-tests --test truth -E 'test(/^(soak|doors|endings|late|lasting|strain)::/)' --no-capture

soak-day:  ## a watch at fifty thousand events a second for 24 hours: what it takes must not grow
	$(SUDO) AFTERIMAGE_SECONDS=86400 $(CARGO) nextest run --release -p afterimage-tests --test truth -E 'test(/^lasting::/)' --no-capture

# KERNELS="5.10 6.12" for some; the others are 6.1 and newest.
kernel-matrix:  ## boot old and new kernels in qemu, and record the provoke suite in each
	tests/kernel/matrix.sh $(KERNELS)

CUTS ?= 200
power-cuts:  ## kill guests that record, and look at what their disks may have at CUTS moments each: some ten minutes
	$(SUDO) tests/kernel/power-cut.sh $(CUTS) ext4 xfs btrfs drop_writes error_writes

# Needs cargo-fuzz and a nightly compiler. FUZZ_SECONDS=60 for a short look.
FUZZ_SECONDS ?= 600
FUZZ ?= filter rules scap capture header schema state chunk gap artifact note checkpoint index footer key
fuzz:  ## hand parsers and readers what nobody would write, ten minutes each; FUZZ="state chunk" for some
	for target in $(FUZZ); do \
		mkdir -p tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target; \
		$(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz $$target tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target \
			-- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 || exit 1; \
	done

flips:  ## flip every bit of a capture of a mebibyte: 8,388,608 times, each found, the other chunks read
	AFTERIMAGE_FLIPS=all $(CARGO) test --release -p afterimage-format --test suite -- --nocapture flips::

samples: build  ## record the samples anew, with their twins
	mkdir -p samples/v1
	$(SUDO) samples/record.sh $(BIN) samples/v1

bless: build  ## accept what golden tests print now, and print the generated documents anew
	BLESS=1 $(CARGO) nextest run --workspace

fmt:  ## format the source
	$(CARGO) fmt --all

clean:  ## remove what was built
	$(CARGO) clean
