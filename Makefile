# What a person types. Needs a Rust toolchain; everything else that is missing is installed (Debian, root or sudo).

CARGO ?= cargo
SUDO  := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)
BIN   := target/debug/afterimage

.PHONY: help setup build demo test kernel-matrix samples bless fmt clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/	/' | expand -t 16

setup:  ## install what the tests need and is missing
	.ci/setup test

build:  ## build the command: target/debug/afterimage
	$(CARGO) build -p afterimage

demo:  ## break into a throw-away container, record it, remove it, and look at what is left
	.ci/setup demo
	$(CARGO) build -p afterimage
	$(SUDO) $(BIN) demo

test: setup  ## everything: format, lints, dependencies, tests, documents, end to end
	.ci/test

# KERNELS="5.10 6.12" for some; the others are 6.1 and newest.
kernel-matrix:  ## boot old and new kernels in qemu, and record the provoke suite in each
	tests/kernel/matrix.sh $(KERNELS)

samples: build  ## record the samples anew, with their twins
	mkdir -p samples/v1
	$(SUDO) samples/record.sh $(BIN) samples/v1

bless: build  ## accept what golden tests print now, and print the generated documents anew
	BLESS=1 $(CARGO) nextest run --workspace

fmt:  ## format the source
	$(CARGO) fmt --all

clean:  ## remove what was built
	$(CARGO) clean
