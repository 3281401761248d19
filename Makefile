# SPDX-License-Identifier: Apache-2.0
#
#   make run     build in release and serve the sample model with its adapters
#   make test    build and run every test
#   make bench   measure the executor beside this machine's limits
#   make instructions            count the instructions of fixed steps and compare with the baseline
#   make instructions-baseline   write the baseline anew
#   make lint    formatting
#
# Each installs what is missing, asks for nothing, and does nothing the second time.

PACKAGES  := libuv1-dev libyaml-dev libopenblas-dev libpcre2-dev libhttp-parser-dev \
             libcurl4-openssl-dev libssl-dev coinor-libcbc-dev pkg-config curl
# What only the count of instructions needs.
COUNTING  := valgrind binutils
VENV      := .build/clients
# How many tests run at once: each may have a host of its own, and all at once each waits for minutes.
WIDTH     := SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH
MANIFEST  ?= Manifests/quickstart.yaml
BASELINE  := Tests/InstructionCount/baseline.json
SOURCES   := Package.swift Sources Plugins Tests Samples

.PHONY: run build test bench instructions instructions-baseline lint format packages clients clean

run: build
	.build/release/burrow serve $(MANIFEST)

build: packages
	swift build -c release

test: packages clients lint
	swift build --build-tests
	BURROW_CLIENTS=$(abspath $(VENV)) $(WIDTH)=4 swift test --skip-build
	swift test --package-path Samples/CustomPolicy
	$(MAKE) instructions

bench: packages
	swift build -c release --product ExecutorBenchmark
	.build/release/ExecutorBenchmark

instructions instructions-baseline: PACKAGES += $(COUNTING)
instructions: packages
	swift build -c release --product InstructionCount
	.build/release/InstructionCount check $(BASELINE)

instructions-baseline: packages
	swift build -c release --product InstructionCount
	.build/release/InstructionCount update $(BASELINE)

lint:
	swift format lint --strict --parallel --recursive $(SOURCES)

format:
	swift format --in-place --parallel --recursive $(SOURCES)

# dpkg-query, not apt, so that a machine that has everything needs neither network nor root.
packages:
	@command -v swift >/dev/null || { \
	  echo "Burrow needs Swift 6.2 or newer: https://www.swift.org/install/linux" >&2; exit 1; }
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q '^install ok installed' \
	    || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi; \
	  echo "installing$$missing"; \
	  $$sudo apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing; \
	fi

# The OpenAI client that the whole-host tests speak to Burrow with.
clients: $(VENV)/installed

$(VENV)/installed: Tests/Clients/requirements.txt
	python3 -m venv $(VENV) 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi; \
	  $$sudo apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq python3 python3-venv && \
	  python3 -m venv $(VENV); }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r Tests/Clients/requirements.txt
	touch $@

clean:
	swift package clean
