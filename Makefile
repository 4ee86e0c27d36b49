# Avtempo: raw videos -> shards -> pretraining -> embeddings -> results and a page.
# Every target sets up what it needs; a second call does only what is stale. `make help` lists the targets.

PYTHON ?= python3
comma := ,
space := $(subst ,, )
one_word = $(subst $(space),_,$(1))
# eval-hmdb is eval-ucf with defaults of its own.
ifneq ($(filter eval-hmdb,$(MAKECMDGOALS)),)
RUN ?= runs/hmdb51
DATASET ?= hmdb51
endif
# RUN is named after DATA, or DATA after RUN; no other data get the sample's name, and with it its shards and settings.
IS_SAMPLE = $(filter data/sample data/sample/,$(call one_word,$(DATA)))
ifdef DATA
RUN ?= runs/$(if $(IS_SAMPLE),sample,$(patsubst sample,other-sample,$(lastword $(subst /, ,$(abspath $(call one_word,$(DATA)))))))
endif
RUN ?= runs/sample
NAME := $(notdir $(patsubst %/,%,$(RUN)))
DATA ?= data/$(NAME)
DATASET ?= ucf101
SHARDS ?= shards/$(NAME)
DATA_FOUND = $(wildcard $(subst $(space),\ ,$(DATA)))
PRESET ?= $(if $(and $(filter sample,$(NAME)),$(IS_SAMPLE)),sample,ucf-small)
SHARD_PRESET ?= $(if $(filter sample ucf-small,$(PRESET)),$(PRESET),default)
SPLITS ?=
# They are targets, which make separates by spaces.
$(foreach name,RUN SHARDS,$(if $(findstring $(space),$($(name))),$(error $(name)="$($(name))": choose a path without spaces)))
CLASSES ?=
# Where shards are made: make shards EXECUTOR="--executor ray --address auto" (docs/explanation/scale.md)
EXECUTOR ?=
# More settings for a stage: make pretrain SET="--set steps=100 --set optim.lr=1e-3"
SET ?=

# Files keep the settings that SHARDS and RUN were made with. A stage runs again where a given setting differs from them: it
# resumes, or says what differs. What make did not make has no such file and is taken as it is; so are shards without DATA.
SHARDS_WITH := $(patsubst %/,%,$(SHARDS)).settings
RUN_WITH := $(RUN)/.settings
shards_by := DATA DATASET SPLITS CLASSES SHARD_PRESET
run_by := PRESET SET
setting = [$(1)=$(if $(filter DATA SPLITS,$(1)),$(abspath $($(1))),$(strip $($(1))))]
given = $(filter-out file,$(origin $(1)) $(if $(filter SHARD_PRESET,$(1)),$(origin PRESET)))
differs = $(and $(call given,$(1)),$(if $(findstring $(call setting,$(1)),$(file <$(2))),,$(1)))
changed = $(if $(wildcard $(2)),$(if $(strip $(foreach name,$(1),$(call differs,$(name),$(2)))),_changed))

# ESC-50: make eval-esc DATA=/sounds/ESC-50; the strict and scratch rows are tested on this fold; they read the others.
ESC_RUN ?= runs/esc50
ESC_FOLD ?= 1
ESC_CLIPS ?= 4
SCRATCH_STEPS ?= 1500

# Settings of fine-tuning: make finetune RUN=runs/ucf FINETUNE_SET="--split 1 --set steps=300"
FINETUNE_SET ?=

# The page: make report COMPARE="runs/avid runs/video-only" MORE_SHARDS=shards/esc50 (further sets that RUN was evaluated on)
COMPARE ?=
MORE_SHARDS ?=
REPORT = $(BIN)/python -m evaluate report --run $(RUN) --shards $(SHARDS) $(MORE_SHARDS) \
    $(if $(DATA_FOUND),--data "$(DATA)") $(if $(COMPARE),--compare $(COMPARE))

# The ablation: make ablate ABLATE_JOBS=2 ABLATE_SEEDS=0 ABLATE_STEPS=100; on other shards (those of RUN):
# make ablate RUN=runs/ucf-six ABLATE_RUN=runs/ablation-ucf ABLATE_OBJECTIVES=whole,avid
ABLATE_RUN ?= runs/ablation
ABLATE_SEEDS ?= 0,1,2
ABLATE_OBJECTIVES ?=
ABLATE_STEPS ?=
ABLATE_JOBS ?= 1

# Fingerprints, by the shipped encoder or ENCODER=runs/archive: make index VIDEOS=/archive INDEX=index/archive; then
# make match QUERY=clip.mp4 INDEX=index/archive OUT=matches.json; make duplicates INDEX=index/archive
# BACKGROUND: a folder of videos that are not in the archive; they show what foreign material looks like.
VIDEOS ?=
INDEX ?=
ENCODER ?=
ENCODER_OUT ?= runs/fingerprint/export
BACKGROUND ?=
QUERY ?=
# More options of the server: make serve INDEX=index/archive SERVE="--port 9000"
SERVE ?=
OUT ?= $(if $(filter duplicates,$(MAKECMDGOALS)),duplicates,matches).json

# The fingerprint benchmark: make eval-fingerprint DATA=/videos RUN=runs/archive FINGERPRINT="--queries 50"
FINGERPRINT ?= $(if $(IS_SAMPLE),\
    --queries 3 --unmatched 2 --background 2 --distractors 30 --length 3 \
    --only crop/medium$(comma)flip/light$(comma)text/medium$(comma)speed/medium$(comma)sound-noise/medium)

# How often unrelated files are falsely matched: make false-matches VIDEOS=/videos RUN=runs/rates FALSE_MATCHES="--queries 50"
FALSE_MATCHES ?= --streams both$(comma)video

# The docs' generated tables from one commit, over a night: make results UCF=/videos/UCF-101 ESC=/sounds/ESC-50 CLIPS=/videos
# A part alone: make results ONLY="demo ucf-six". What is measured is kept in AT, so the same command continues.
# The last four fetch packages of Debian 12 (apt-get, dpkg).
ONLY ?= demo ucf-six esc50 fingerprint fingerprint-seed7 fingerprint-video fingerprint-edits fingerprint-audio false-matches false-matches-background false-matches-fades false-matches-fades-again false-matches-esc50 false-matches-simulated augly ablation ablation-rate ablation-ucf ablation-long ablation-audio-light ablation-clip-time ablation-terms ablation-more bench fingerprint-elsewhere fingerprint-elsewhere-video fingerprint-elsewhere-audio false-matches-elsewhere
AT = runs/at-$(if $(shell git status --porcelain -uno :!docs :!*.md),$(error commit the code first),$(shell git describe --always))
UCF ?=
ESC ?=
CLIPS ?=
name = $(@:_result-%=%)
publish = $(BIN)/python -m evaluate publish --run $(1) --name $(name) --made-by '$(strip $(2))'
# Settings of `make results`, by the name of the table
plan = --queries 60 --unmatched 12 --background 10
set-fingerprint = $(plan) --only medium --methods avtempo,chromaprint,vpdq,mpeg-7,raw-pixels,log-mel
set-fingerprint-seed7 = --seed 7 $(plan) --methods avtempo \
    --only crop/medium,blend/medium,cut/medium,music/medium,speed/medium,picture-in-picture/medium
set-fingerprint-audio = --seed 7 $(plan) --streams audio --only medium --methods avtempo,chromaprint,log-mel
set-fingerprint-video = $(plan) --streams video --only medium --methods avtempo
set-fingerprint-edits = --seed 7 $(plan) --streams video --methods avtempo,avtempo-compressed \
    --only grid/medium,upright/medium,blend/medium,picture-in-picture/strong,pace/strong,flip/light,rotate/strong
set-fingerprint-elsewhere = --queries 20 --unmatched 4 --background 2 --streams both --only medium --methods avtempo,mpeg-7
set-fingerprint-elsewhere-video = --queries 20 --unmatched 4 --background 2 --streams video --only medium --methods avtempo,mpeg-7
set-fingerprint-elsewhere-audio = --queries 20 --unmatched 4 --background 2 --streams audio --only medium \
    --methods avtempo,chromaprint,log-mel
rates = --queries 100 --sizes 1,2,5,10,100
set-false-matches = $(rates) --streams both,video,audio
set-false-matches-background = --queries 40 --sizes 1,10,100 --streams video,audio --background 10
set-false-matches-fades = $(rates) --streams video --fade 3
set-false-matches-fades-again = $(rates) --streams video --fade 1.5 --seed 5
set-false-matches-elsewhere = --queries 100 --sizes 1,2,5,10,30 --streams both,video,audio
set-false-matches-esc50 = --queries 400 --streams audio
set-ablation = ABLATE_JOBS=2
set-ablation-rate = ABLATE_OBJECTIVES=whole,avid,avid-cma ABLATE_JOBS=2 SET="--set optim.lr=1e-3"
set-ablation-long = ABLATE_OBJECTIVES=whole,avid ABLATE_STEPS=4800
set-ablation-more = ABLATE_OBJECTIVES=whole,avid
set-ablation-ucf = ABLATE_OBJECTIVES=whole,avid,without-temporal,avid-cma,video-only,temporal,without-temporal-audio ABLATE_JOBS=2
set-ablation-audio-light = ABLATE_OBJECTIVES=whole ABLATE_JOBS=2 \
    SET="$(patsubst %,--set loss.%=0.25,speed_audio direction_audio order_audio order_video_audio)"
set-ablation-clip-time = ABLATE_OBJECTIVES=whole,temporal ABLATE_JOBS=2 \
    SET="--set clip.base_stride=2 --set data.window_frames=128"
set-ablation-terms = ABLATE_SEEDS=0 ABLATE_JOBS=2 \
    ABLATE_OBJECTIVES=whole,without-speed,without-direction,without-order,without-positives,without-negatives,without-video-video,without-video-audio
six := "Archery BasketballDunk Surfing HorseRace PlayingPiano PlayingViolin"

# Questions of `make bench`; empty for all: make bench BENCH="loading ingest"
BENCH ?=

# The check on a GPU, with the Python at hand where .venv cannot be made (docs/explanation/gpu.md); without a GPU:
# make gpu-check GPU_SET="--device cpu --preset sample --batches 4 --steps 2 --seconds 120"
GPU_OUT ?= runs/gpu-check
GPU_SET ?=

# What lasts: make soak SOURCES=300 KILLS=4 STEPS=200; make fuzz CASES=5000 SEED=7
SOURCES ?= 3000
KILLS ?= 10
STEPS ?= 2000
CASES ?= 1000
SEED ?= 0

# Tests at a time; each may take 3 GB of memory and a core. Every process takes its share of the files in one piece, so
# that a fixture is made in one of them, and who is through early takes from the end of another's.
TEST_JOBS ?= 2
# A test may be skipped for the reasons in tests/conftest.py alone.
PYTEST = $(BIN)/python -m pytest -n $(TEST_JOBS) --dist worksteal --no-skips
# More threads than cores wait for each other by spinning: small tensors take several times the CPU.
test test-slow: export OMP_NUM_THREADS := 1

# Where it is set, as in many container images, every process compiles torch and all else anew: 13 s of CPU instead of 5.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
READY := .venv/.ready
SAMPLE := data/sample/world.json

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo sample docs pictures notebooks results collage fingerprint-encoder shards pretrain eval-ucf eval-hmdb eval-esc esc50 eval-fingerprint demo-archive false-matches finetune ablate index match duplicates serve report verify doctor test test-slow lint format lock bench bench-peers gpu-check soak fuzz clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  variables: RUN=$(RUN) DATA=$(DATA) DATASET=$(DATASET) SHARDS=$(SHARDS) PRESET=$(PRESET)"
	@echo "  on your own UCF101: make eval-ucf DATA=/videos/UCF-101 RUN=runs/ucf PRESET=ucf101"

setup: $(READY) ## Make .venv and install the locked packages

demo: ## The main job on the embedded sample, down to a page to look at
	$(MAKE) eval-ucf RUN=runs/sample
	@echo "open runs/sample/report/index.html"

sample: $(SAMPLE) ## Render the sample videos to data/sample

collage: data/collage/collage.json ## Render generated videos to data/collage, to train fingerprint encoders on; resumes

fingerprint-encoder: data/collage/collage.json ## Train the encoder of make index anew, on the collage, to ENCODER_OUT
	$(MAKE) pretrain RUN=runs/fingerprint DATA=data/collage DATASET=folder PRESET=fingerprint \
	    SHARDS=shards/fingerprint SHARD_PRESET=fingerprint
	$(BIN)/python -m evaluate export runs/fingerprint "$(ENCODER_OUT)" --no-onnx --force

shards: $(SHARDS)/dataset.json ## Videos in DATA to shards in SHARDS

pretrain: $(RUN)/training.json ## Train PRESET on SHARDS in RUN; resumes

eval-ucf: $(RUN)/report/index.html ## Embed, retrieve, probe; results.json and a page in RUN

eval-hmdb: $(RUN)/report/index.html ## The same on HMDB51: make eval-hmdb DATA=/videos/hmdb51

eval-esc: ## ESC-50 from DATA: pretraining, strict and transductive, baselines, training from scratch; resumes
	$(MAKE) esc50 RUN="$(ESC_RUN)" DATASET=esc50 PRESET=esc50 SHARD_PRESET=esc50

esc50: $(RUN)/training.json ## The same as eval-esc, with RUN, SHARDS and PRESET as given
	$(BIN)/python -m train pretrain --preset $(PRESET) --run $(RUN)/strict-$(ESC_FOLD) --shards $(SHARDS) $(SET) \
	    --set data.split=fold:$(subst $(space),$(comma),$(filter-out $(ESC_FOLD),1 2 3 4 5))
	$(BIN)/python -m evaluate esc50 --run $(RUN) --strict $(RUN)/strict-$(ESC_FOLD) --shards $(SHARDS) --clips $(ESC_CLIPS)
	$(BIN)/python -m evaluate esc50-scratch --run $(RUN) --shards $(SHARDS) --folds $(ESC_FOLD) --steps $(SCRATCH_STEPS) --clips $(ESC_CLIPS)
	$(REPORT)

finetune: $(RUN)/training.json ## Train RUN's video encoder with labels on each split, beside training from scratch; resumes
	$(BIN)/python -m evaluate finetune --run $(RUN) --shards $(SHARDS) $(FINETUNE_SET)

ablate: $(SHARDS)/dataset.json ## Train every objective over seeds in ABLATE_RUN, compare them; resumes
	$(BIN)/python -m evaluate ablate --shards $(SHARDS) --preset $(PRESET) --runs $(ABLATE_RUN) --seeds $(ABLATE_SEEDS) \
	    --jobs $(ABLATE_JOBS) $(if $(ABLATE_OBJECTIVES),--objectives $(ABLATE_OBJECTIVES)) \
	    $(if $(ABLATE_STEPS),--set steps=$(ABLATE_STEPS)) $(SET)

eval-fingerprint: $(if $(IS_SAMPLE),$(SAMPLE)) | $(READY) ## Find distorted clips of DATA among distractors, beside known fingerprints
	$(BIN)/python -m evaluate fingerprint --videos "$(DATA)" --run $(RUN) $(FINGERPRINT)

demo-archive: $(READY) ## An archive of generated videos and edited copies, its duplicates, and the pages to look at them
	$(BIN)/python -m preprocess collage --out data/demo-archive --videos 24 --seconds 12
	$(BIN)/python -m evaluate edited-copies --videos data/demo-archive --out data/demo-archive/copies
	$(BIN)/python -m evaluate index data/demo-archive --index index/demo-archive
	$(BIN)/python -m evaluate duplicates --index index/demo-archive
	$(MAKE) serve INDEX=index/demo-archive

false-matches: $(READY) ## How often unrelated files of VIDEOS are falsely matched, in RUN
	$(if $(VIDEOS),,$(error give VIDEOS=folder))
	$(BIN)/python -m evaluate false-matches --videos "$(VIDEOS)" --run $(RUN) $(FALSE_MATCHES)

index: $(READY) ## Index the videos in VIDEOS for matching, in INDEX; again: what is new or changed
	$(if $(VIDEOS),,$(error give VIDEOS=folder))$(if $(INDEX),,$(error give INDEX=folder))
	$(BIN)/python -m evaluate index "$(VIDEOS)" --index "$(INDEX)" $(if $(ENCODER),--encoder "$(ENCODER)") \
	    $(if $(BACKGROUND),--background "$(BACKGROUND)")

match: $(READY) ## Find which indexed video QUERY (a file or folder) came from: OUT and a page beside it
	$(if $(QUERY),,$(error give QUERY=file-or-folder))$(if $(INDEX),,$(error give INDEX=folder))
	$(BIN)/python -m evaluate match "$(QUERY)" --index "$(INDEX)" --out "$(OUT)" --page "$(basename $(OUT)).html"

duplicates: $(READY) ## Find copies and partial copies inside the archive of INDEX: OUT and a page beside it
	$(if $(INDEX),,$(error give INDEX=folder))
	$(BIN)/python -m evaluate duplicates --index "$(INDEX)" --out "$(OUT)" --page "$(basename $(OUT)).html"

serve: $(READY) ## The archive of INDEX in a browser, and an API for programs; VIDEOS for an index that is not made yet
	$(if $(INDEX),,$(error give INDEX=folder))
	$(BIN)/python -m evaluate serve --index "$(INDEX)" $(if $(VIDEOS),--archive "$(VIDEOS)") $(SERVE)

results: $(READY) $(addprefix _result-,$(ONLY)) ## Measure the docs' generated tables and write them; resumes

_result-demo: | $(READY)
	$(MAKE) eval-ucf RUN=$(AT)/sample SHARDS=$(AT)/shards/sample
	$(call publish,$(AT)/sample,make demo)

_result-ucf-six: | $(READY)
	$(if $(UCF),,$(error give UCF=folder of UCF101))
	$(MAKE) eval-ucf finetune RUN=$(AT)/ucf-six SHARDS=$(AT)/shards/ucf-six DATA="$(UCF)" CLASSES=$(six) SET="--threads 1"
	$(call publish,$(AT)/ucf-six,make eval-ucf finetune DATA=UCF-101 RUN=runs/ucf-six CLASSES=$(six) SET="--threads 1")

_result-esc50: | $(READY)
	$(if $(ESC),,$(error give ESC=folder of ESC-50))
	$(MAKE) eval-esc SPLITS= ESC_RUN=$(AT)/esc50 SHARDS=$(AT)/shards/esc50 DATA="$(ESC)" ESC_CLIPS=2 SCRATCH_STEPS=400 SET="--threads 1"
	$(call publish,$(AT)/esc50,make eval-esc DATA=ESC-50 ESC_CLIPS=2 SCRATCH_STEPS=400 SET="--threads 1")

_result-fingerprint _result-fingerprint-seed7 _result-fingerprint-video _result-fingerprint-edits _result-fingerprint-audio: | $(READY)
	$(if $(CLIPS),,$(error give CLIPS=folder of videos))
	$(MAKE) eval-fingerprint RUN=$(AT)/$(name) DATA="$(CLIPS)" FINGERPRINT='$(set-$(name))'
	$(call publish,$(AT)/$(name)/fingerprint,make eval-fingerprint DATA=VIDEOS FINGERPRINT="$(set-$(name))")

_result-false-matches _result-false-matches-background _result-false-matches-fades _result-false-matches-fades-again: | $(READY)
	$(if $(CLIPS),,$(error give CLIPS=folder of videos))
	$(MAKE) false-matches RUN=$(AT)/$(name) VIDEOS="$(CLIPS)" FALSE_MATCHES='$(set-$(name))'
	$(call publish,$(AT)/$(name)/false-matches,make false-matches VIDEOS=VIDEOS FALSE_MATCHES="$(set-$(name))")

_result-false-matches-esc50: | $(READY)
	$(if $(ESC),,$(error give ESC=folder of ESC-50))
	$(MAKE) false-matches RUN=$(AT)/$(name) VIDEOS="$(ESC)/audio" FALSE_MATCHES='$(set-$(name))'
	$(call publish,$(AT)/$(name)/false-matches,make false-matches VIDEOS=ESC-50/audio FALSE_MATCHES="$(set-$(name))")

_result-false-matches-simulated: | $(READY)
	$(if $(CLIPS),,$(error give CLIPS=folder of videos))
	$(BIN)/python -m benchmarks.large_archive --videos "$(CLIPS)" --out $(AT)/$(name)
	$(call publish,$(AT)/$(name),python -m benchmarks.large_archive --videos VIDEOS --out runs/simulated)

_result-fingerprint-elsewhere _result-fingerprint-elsewhere-video _result-fingerprint-elsewhere-audio: | $(READY)
	$(BIN)/python -m benchmarks.elsewhere --out $(AT)/elsewhere
	$(MAKE) eval-fingerprint RUN=$(AT)/$(name) DATA=$(AT)/elsewhere/videos FINGERPRINT='$(set-$(name))'
	$(call publish,$(AT)/$(name)/fingerprint,make eval-fingerprint DATA=ELSEWHERE/videos FINGERPRINT="$(set-$(name))")

_result-false-matches-elsewhere: | $(READY)
	$(BIN)/python -m benchmarks.elsewhere --out $(AT)/elsewhere
	$(MAKE) false-matches RUN=$(AT)/$(name) VIDEOS=$(AT)/elsewhere/videos FALSE_MATCHES='$(set-$(name))'
	$(call publish,$(AT)/$(name)/false-matches,make false-matches VIDEOS=ELSEWHERE/videos FALSE_MATCHES="$(set-$(name))")

_result-augly: | bench-peers
	$(if $(CLIPS),,$(error give CLIPS=folder of videos))
	$(BIN)/python -m benchmarks.augly --videos "$(CLIPS)" --out $(AT)/augly
	$(BIN)/python -m evaluate found-copies --videos "$(CLIPS)" --copies $(AT)/augly/copies --run $(AT)/augly
	$(call publish,$(AT)/augly/found-copies,python -m benchmarks.augly --videos VIDEOS --out runs/augly; python -m evaluate found-copies --videos VIDEOS --copies runs/augly/copies --run runs/augly)

_result-ablation _result-ablation-rate: | $(READY)
	$(MAKE) ablate RUN=$(AT)/sample SHARDS=$(AT)/shards/sample ABLATE_RUN=$(AT)/$(name) $(set-$(name))
	$(call publish,$(AT)/$(name),make ablate $(set-$(name)))

_result-ablation-ucf _result-ablation-long _result-ablation-audio-light _result-ablation-clip-time _result-ablation-terms: | $(READY)
	$(if $(UCF),,$(error give UCF=folder of UCF101))
	$(MAKE) shards RUN=runs/ucf-six SHARDS=$(AT)/shards/ucf-six DATA="$(UCF)" CLASSES=$(six)
	$(MAKE) ablate RUN=runs/ucf-six SHARDS=$(AT)/shards/ucf-six ABLATE_RUN=$(AT)/$(name) $(set-$(name))
	$(call publish,$(AT)/$(name),make ablate RUN=runs/ucf-six $(set-$(name)))

_result-ablation-more: | $(READY)
	$(if $(CLIPS),,$(error give CLIPS=folder of UCF101 and other videos))
	$(BIN)/python -m benchmarks.more_videos --videos "$(CLIPS)" $(if $(SPLITS),--splits "$(SPLITS)") --classes $(subst ",,$(six)) \
	    --out $(AT)/more.csv
	$(BIN)/python -m preprocess shards --dataset folder --data "$(CLIPS)" --csv $(AT)/more.csv --out $(AT)/shards/more \
	    --preset ucf-small
	$(MAKE) ablate RUN=runs/ucf-six SHARDS=$(AT)/shards/more ABLATE_RUN=$(AT)/$(name) $(set-$(name))
	$(call publish,$(AT)/$(name),make ablate RUN=runs/ucf-six SHARDS=shards/more $(set-$(name)))

_result-bench: | $(READY)
	$(MAKE) bench

docs: $(READY) ## Build the documentation in docs/_build; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build

pictures: $(RUN)/report/index.html ## The pictures of README, in headless Chromium
	$(BIN)/python docs/pictures.py --run $(RUN) --data "$(DATA)"

notebooks: $(RUN)/report/index.html ## Run the notebooks in examples/ in place
	$(BIN)/jupyter execute --inplace examples/*.ipynb

report: $(READY) ## Write the page of RUN anew, all its tests on it; beside other runs: COMPARE="runs/a runs/b"
	$(REPORT)

verify: $(READY) ## Check every byte of the shards in SHARDS
	$(BIN)/python -m preprocess verify $(SHARDS)

doctor: $(READY) ## Is everything installed, and does it belong together?
	$(BIN)/python -m preprocess doctor

test: $(READY) ## The fast tests
	$(PYTEST) --durations 10

test-slow: $(READY) ## The long tests: kill and resume, whole runs, the page in a browser
	$(PYTEST) -m slow --durations 20

lint: $(READY) ## Style, types, which folder imports which, and the docs' tables
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m evaluate publish --check

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(SHARDS)/dataset.json ## Speed beside other tools and beside the bare libraries, on this machine: make bench BENCH="loading ingest"
	$(BIN)/python -m benchmarks --shards $(SHARDS) --preset $(PRESET) $(if $(BENCH),--only $(BENCH))

bench-peers: .venv-peers/.ready ## Install the tools that `make bench` compares with, in an environment of their own

gpu-check: ## On a GPU, in 8 minutes: tests, speed by part, a short training and its store: make gpu-check SHARDS=shards/ucf-six
	$(or $(wildcard $(BIN)/python),$(PYTHON)) -m benchmarks.gpu.check --shards $(SHARDS) --out $(GPU_OUT) $(GPU_SET); status=$$?; \
	    find $(GPU_OUT) -type f -size +16M -execdir split -b 16M -d {} {}. \; -delete; exit $$status

soak: $(READY) ## Everything killed at random, and checked: hours; make soak SOURCES=300 KILLS=4 STEPS=200
	SOAK_SOURCES=$(SOURCES) SOAK_KILLS=$(KILLS) SOAK_STEPS=$(STEPS) SOAK_SEED=$(SEED) \
	    $(BIN)/python -m pytest -m slow --log-cli-level INFO tests/soak

fuzz: $(READY) ## Mutated and hostile files for every reader: make fuzz CASES=5000 SEED=7
	FUZZ_CASES=$(CASES) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -n $(TEST_JOBS) -m "slow or not slow" tests/fuzz

lock: $(READY) ## Resolve pyproject.toml anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-annotate --no-header --upgrade -o requirements.lock

clean: ## Remove what tools cache; data, shards and runs stay
	rm -rf docs/_build .import_linter_cache .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(READY): requirements.lock bootstrap.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit('Python 3.11 to 3.13 is needed, this is ' + sys.version.split()[0] + ': make PYTHON=python3.12') if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r bootstrap.lock
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

.venv-peers/.ready: benchmarks/peers/requirements.txt | $(READY)
	$(PYTHON) -m venv --without-pip .venv-peers
	$(BIN)/uv pip install --quiet --system-certs --python .venv-peers/bin/python --no-deps --require-hashes -r benchmarks/peers/requirements.txt
	$(BIN)/python -m benchmarks.peer .venv-peers
	touch $@

$(SAMPLE): | $(READY)
	$(BIN)/python -m preprocess sample --out $(@D)

data/collage/collage.json: | $(READY)
	$(BIN)/python -m preprocess collage --out $(@D)

_changed: # is no file: what needs it is made
$(SHARDS)/dataset.json: export MADE_WITH = $(foreach name,$(shards_by),$(call setting,$(name)))
$(SHARDS)/dataset.json: $(if $(IS_SAMPLE),$(SAMPLE)) $(if $(or $(call given,DATA),$(DATA_FOUND)),$(call changed,$(shards_by),$(SHARDS_WITH))) | $(READY)
	$(BIN)/python -m preprocess shards --dataset $(DATASET) --data "$(DATA)" --out $(SHARDS) --preset $(SHARD_PRESET) \
	    $(if $(SPLITS),--splits "$(SPLITS)") $(if $(CLASSES),--classes $(CLASSES)) $(EXECUTOR)
	@echo "$$MADE_WITH" > $(SHARDS_WITH)

$(RUN)/training.json: export MADE_WITH = $(foreach name,$(run_by),$(call setting,$(name)))
$(RUN)/training.json: $(SHARDS)/dataset.json $(call changed,$(run_by),$(RUN_WITH))
	$(BIN)/python -m train pretrain --preset $(PRESET) --run $(RUN) --shards $(SHARDS) $(SET)
	@echo "$$MADE_WITH" > $(RUN_WITH)

$(RUN)/results.json: $(RUN)/training.json
	$(BIN)/python -m evaluate $(DATASET) --run $(RUN) --shards $(SHARDS)

$(RUN)/report/index.html: $(RUN)/results.json
	$(REPORT)
