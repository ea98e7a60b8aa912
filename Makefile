# `make` alone prints the targets. Everything runs in .venv, which each target brings up to date first.
#
#   make test PYTHON=python3.13    the interpreter to build .venv from (default: the one .venv has, else the
#                                  newest of 3.13, 3.12, 3.11); another minor version rebuilds .venv
#   make test TESTS=rollback       only the tests whose names contain the word, stopping at the first failure
#
# A target that is a command of `retraining` is one line: `name: setup ## What it does` and `@$(RETRAINING) name`. In a
# script call `retraining` itself (.venv/bin/retraining, or installed with pipx): make has exit statuses of its own.

override VENV        := .venv
override PYTHON_VENV := $(VENV)/bin/python

ifndef PYTHON
PYTHON := $(shell for python in $(PYTHON_VENV) python3.13 python3.12 python3.11 python3; do \
	"$$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; \
	done)
endif

# `aws`, `cfn-lint` and the rest are the ones beside the interpreter, also for the programs these targets start.
export PATH := $(CURDIR)/$(VENV)/bin:$(value PATH)

# Bytecode is kept beside the interpreter, whatever the environment says, and in no folder of sources: each test worker,
# each call of the AWS CLI and each function of the embedded AWS would else compile the same libraries again.
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/bytecode
unexport PYTHONDONTWRITEBYTECODE

# Handed on in the environment, so that no shell reads what people write into them; and as they were written, since make
# would else expand a $ in a reason or a comment, and run what stands in $(shell ...). `retraining` reads each as
# RETRAINING_<NAME>, as it does without make. No recipe has $(NAME) of one: a shell would read it. ARGS is words, parted by blanks.
override OPTIONS := ACCOUNT ANCHOR BUCKET CHECK COMMENT COMPARE DEAD_LETTERS EVENT FILE FORCE HISTORY ID JSON KEEP LIMIT MODEL ONLY OUT PARAMS \
	PARAMS_FILE POLICY PRICES PROFILE REASON REGION RESOURCES RUN SCOPE SIGNAL SIGNALS SINCE STACK SUBJECT TABLE TO WATCH WITHOUT YES
override DEVELOPED_WITH := ALL ARGS CASE CHECK COUNT DEMO FILES JOBS LIBRARY PORT PYTHON SECONDS SEED STREAMS TAG TESTS UPGRADE
$(foreach name,$(OPTIONS) $(DEVELOPED_WITH),$(if $(filter-out undefined,$(origin $(name))),$(eval override $(name) := $$(value $(name)))))
$(foreach name,$(OPTIONS),$(if $(filter-out undefined,$(origin $(name))),$(eval export RETRAINING_$(name) := $$(value $(name)))))
export $(DEVELOPED_WITH)

override IN_VENV = PYTHONPATH=src $(PYTHON_VENV)
override OPS = $(IN_VENV) -m ops.
override LAMBDA = python="$$($(OPS)bytecode)" && "$$python" requirements/install.py lambda
override RETRAINING = RETRAINING_BY_MAKE=1 $(IN_VENV) -m ops

override TEMPLATES   = $(wildcard automation-orchestration-pipeline.yaml examples/*/*.yaml examples/*/*/*.yaml)
override DEFINITIONS = $(wildcard statemachine.asl.json examples/*/*.asl.json examples/*/*/*.asl.json)

.DEFAULT_GOAL := help
override TARGETS := $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))
.PHONY: $(TARGETS)
# Before anything is done: `make demo yes` would else play the demo, and then fail.
$(if $(filter $(TARGETS),$(MAKECMDGOALS)),$(foreach goal,$(filter-out $(TARGETS),$(MAKECMDGOALS)),$(error \
	There is no target $(goal). `make` prints the targets; a value is NAME=value, such as YES=1)))

##@ Start here

# The awk below prints each `##@ section` and each `target: ## sentence` of this file, in colour on a terminal only.
help: ## Show this help
	@colour=; if [ -t 1 ] && [ -z "$${NO_COLOR:-}" ]; then colour=1; fi; \
	awk -v colour="$$colour" ' \
		BEGIN { FS = ":.*## "; bold = colour ? "\033[1m" : ""; cyan = colour ? "\033[36m" : ""; off = colour ? "\033[0m" : ""; \
			print "Usage: make <target> [NAME=value ...]" } \
		/^##@ / { printf "\n%s%s%s\n", bold, substr($$0, 5), off } \
		/^[a-z][a-z-]*:.*## / { printf "  %s%-15s%s %s\n", cyan, $$1, off, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Make .venv from the lock file, or leave it if up to date
	@test -n "$$PYTHON" || { echo "No Python 3.11 or newer found. Install one, or name it: make setup PYTHON=/path/to/python3"; exit 1; }
	@"$$PYTHON" requirements/install.py dev
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "$(VENV) is ready: $$($(PYTHON_VENV) --version)",:)

demo: setup ## Show the loop here (YES=1 asks nobody, KEEP=1 stays up)
	@$(OPS)demo $$ARGS

streams: setup ## Have a model live on a real stream (ARGS="--chunks 10")
	@$(IN_VENV) -m examples.streams $$ARGS

local: setup ## Run the embedded AWS and say what to export (PORT=4566)
	@PYTHONPATH=src exec $(PYTHON_VENV) -m local

##@ Develop

test: setup ## Run the tests (TESTS=word narrows, JOBS=3)
	@$(LAMBDA)
	@$(PYTHON_VENV) -m pytest $(if $(TESTS),-n 0 -x -k "$$TESTS",-n "$${JOBS:-3}" --dist loadfile --no-loadscope-reorder) $$ARGS

mutants: setup ## Break the code in small ways; a test notices? (FILES=word)
	@$(IN_VENV) -m tests.mutants $(if $(FILES),--files $$FILES) $$ARGS

lint: setup ## Check code, types, templates, permissions, state machines
	@"$$PYTHON" requirements/install.py node scanners
	$(PYTHON_VENV) -m ruff check
	$(PYTHON_VENV) -m ruff format --check
	$(PYTHON_VENV) -m mypy
	$(if $(TEMPLATES),$(VENV)/bin/cfn-lint -c I -i I4010 W3002 -x I3042:partition=true -x I3042:region=true -x I3042:accountId=true -- $(TEMPLATES))
	$(if $(TEMPLATES),$(OPS)security_lint $(TEMPLATES))
	$(if $(DEFINITIONS),$(OPS)asl_lint $(DEFINITIONS))
	$(VENV)-scanners/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)-scanners/bin/zizmor --offline --strict-collection --no-progress --quiet .github
	$(OPS)docs --check

faults: setup ## Play the fault matrix, write its table (CASE=one, ARGS=)
	@$(IN_VENV) -m tests.faults $$ARGS

fuzz: setup ## Feed every reader hostile inputs (SECONDS=60, SEED=, CASE=)
	@$(IN_VENV) -m tests.fuzz $$ARGS

dialects: setup ## Keep what others' libraries report (LIBRARY=one)
	@$(OPS)dialects

tamper: setup ## Tamper with a history, see it found (COUNT=1000, CASE=417)
	@$(PYTHON_VENV) -m pytest -n 0 --timeout 3600 tests/unit/test_tampering.py $$ARGS

bench: setup ## Measure what the loop costs in time, write bench/
	@$(LAMBDA)
	@$(IN_VENV) -m bench $$ARGS

policy-bench: setup ## Compare policies of retraining, write docs/ (ARGS=)
	@$(IN_VENV) -m bench.policies $$ARGS

docs: setup ## Rewrite what is generated in README.md and docs/
	@$(if $(CHECK),:,$(OPS)policy_check)
	@$(OPS)docs $$ARGS

sbom: setup ## Write what is deployed and developed with, as CycloneDX
	@$(OPS)sbom

release: setup ## Build dist/: wheel, zip, template, SBOMs, sums (TAG=v<x>)
	@$(OPS)release $$ARGS

lock: setup ## Resolve requirements/*.in again (UPGRADE=1 takes newer)
	@for name in uv dev lambda scanners streams taskcat; do \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean: ## Remove what was built and cached (ALL=1: environments too)
	@rm -rf build dist $(VENV)/bytecode .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@find src local ops examples tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@$(if $(ALL),rm -rf $(VENV) $(VENV)-scanners $(VENV)-lambda $(VENV)-streams $(VENV)-taskcat requirements/node/node_modules,:)

##@ Deploy (STACK=retraining, REGION=, ACCOUNT= refuses any other account)

package: setup ## Build, upload, print the console's link (WITHOUT=)
	@$(RETRAINING) package

deploy: setup ## Show the change set, ask, deploy, follow (PARAMS=, YES=1)
	@$(RETRAINING) deploy

smoke: setup ## Send a signal that cannot train, report each hop
	@$(RETRAINING) smoke

import: setup ## Bring resources under the stack (RESOURCES=, YES=1)
	@$(RETRAINING) import

destroy: setup ## Say what goes and stays, ask, delete (FORCE=1, YES=1)
	@$(RETRAINING) destroy

verify-aws: setup ## Ask AWS what no document says (ONLY=, KEEP=1, YES=1)
	@$(RETRAINING) verify-aws

taskcat: setup ## Lint with taskcat, deploy in 3 Regions (ARGS=--lint-only)
	@"$$PYTHON" requirements/install.py taskcat
	@$(OPS)taskcat_tests $$ARGS

validate: setup ## Say all that is wrong with a file (FILE=, POLICY=, STACK=)
	@$(RETRAINING) validate

try: setup ## Say what the loop makes of a file (FILE=, POLICY=, STACK=)
	@$(RETRAINING) try

simulate: setup ## What a policy makes of past signals (POLICY=, SIGNALS=)
	@$(RETRAINING) simulate

##@ Operate (STACK=retraining, REGION=)

status: setup ## Mode, switches, models, runs, what is missing (CHECK=1)
	@$(RETRAINING) status

waits: setup ## What is parked, for whom, until when (WATCH=1)
	@$(RETRAINING) waits

history: setup ## Runs of a model, or a run's life (MODEL= or RUN=, LIMIT=20)
	@$(RETRAINING) history

signals: setup ## What came in and came of it (MODEL=, SINCE=24h, ID=)
	@$(RETRAINING) signals

report: setup ## A page: all models, a model, a run (MODEL= or RUN=, PRICES=)
	@$(RETRAINING) report

prices: setup ## AWS's list prices of a Region for reports (REGION=, OUT=)
	@$(RETRAINING) prices

explain: setup ## What was made of an event, guard by guard (ID=)
	@$(RETRAINING) explain

review: setup ## A page on this machine to look and decide (RUN=)
	@$(RETRAINING) review

approve: setup ## Approve what a run waits for (RUN=, COMMENT=)
	@$(RETRAINING) approve

reject: setup ## Reject what a run waits for, ending it (RUN=, COMMENT=)
	@$(RETRAINING) reject

retrain: setup ## Ask for a retraining (MODEL=, REASON=, FORCE=1)
	@$(RETRAINING) retrain

pause: setup ## Throw a kill switch (SCOPE=model:<model>, REASON=)
	@$(RETRAINING) pause

resume: setup ## Lift a kill switch (SCOPE=model:<model>)
	@$(RETRAINING) resume

unfreeze: setup ## Close the breaker of a model (MODEL=, REASON=)
	@$(RETRAINING) unfreeze

rollback: setup ## Have the champion before serve (MODEL=, REASON=, TO=<run>)
	@$(RETRAINING) rollback

sweep: setup ## Have what is due within the hour done now
	@$(RETRAINING) sweep

replay: setup ## Raise an event again (EVENT=rejected/KEY, DEAD_LETTERS=1)
	@$(RETRAINING) replay

verify-audit: setup ## Check every record (MODEL= narrows, ANCHOR=root)
	@$(RETRAINING) verify-audit

restore-history: setup ## Rebuild a lost HistoryTable (TABLE=, YES=1)
	@$(RETRAINING) restore-history
