# `make` alone prints the targets. Everything runs in .venv, which each target brings up to date first.
#
#   make test PYTHON=python3.13    the interpreter to build .venv from (default: the one .venv has, else the
#                                  newest of 3.13, 3.12, 3.11); another minor version rebuilds .venv
#   make test TESTS=rollback       only the tests whose names contain the word, stopping at the first failure
#
# An operator target is one line: `name: setup ## What it does` and `@$(OPS)name`.

VENV        := .venv
PYTHON_VENV := $(VENV)/bin/python
PORT        ?= 4566
JOBS        ?= 3
TESTS       ?=
FILES       ?=

ifndef PYTHON
PYTHON := $(shell for python in $(PYTHON_VENV) python3.13 python3.12 python3.11 python3; do \
	"$$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; \
	done)
endif

# `aws`, `cfn-lint` and the rest are the ones beside the interpreter, also for the programs these targets start.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Bytecode is kept beside the interpreter, whatever the environment says, and in no folder of sources: each test worker,
# each call of the AWS CLI and each function of the embedded AWS would else compile the same libraries again.
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/bytecode
unexport PYTHONDONTWRITEBYTECODE

# Handed on in the environment, so that no shell reads what people write into them; and as they were written, since make
# would else expand a $ in a reason or a comment, and run what stands in $(shell ...).
HANDED_ON := ACCOUNT ANCHOR CASE CHECK COUNT DEMO ID JSON KEEP LIBRARY LIMIT ONLY STACK REGION MODEL REASON SCOPE SIGNAL RUN EVENT DEAD_LETTERS FORCE COMMENT BUCKET PARAMS PARAMS_FILE RESOURCES SECONDS SEED SINCE SUBJECT TABLE TO WATCH WITHOUT YES
export $(HANDED_ON)
$(foreach name,$(HANDED_ON),$(if $(filter-out undefined,$(origin $(name))),$(eval override $(name) := $$(value $(name)))))
# `retraining` reads NAME as RETRAINING_NAME.
$(foreach name,$(HANDED_ON),$(if $(value $(name)),$(eval export RETRAINING_$(name) := $$(value $(name)))))

IN_VENV = PYTHONPATH=src $(PYTHON_VENV)
OPS = $(IN_VENV) -m ops.
RETRAINING = RETRAINING_BY_MAKE=1 $(IN_VENV) -m ops.cli

TEMPLATES   = $(wildcard automation-orchestration-pipeline.yaml examples/*/*.yaml examples/*/*/*.yaml)
DEFINITIONS = $(wildcard statemachine.asl.json examples/*/*.asl.json examples/*/*/*.asl.json)

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

##@ Start here

# The awk below prints each `##@ section` and each `target: ## sentence` of this file, in colour on a terminal only.
help: ## Show this help
	@colour=; if [ -t 1 ] && [ -z "$${NO_COLOR:-}" ]; then colour=1; fi; \
	awk -v colour="$$colour" ' \
		BEGIN { FS = ":.*## "; bold = colour ? "\033[1m" : ""; cyan = colour ? "\033[36m" : ""; off = colour ? "\033[0m" : ""; \
			print "Usage: make <target> [NAME=value ...]" } \
		/^##@ / { printf "\n%s%s%s\n", bold, substr($$0, 5), off } \
		/^[a-z][a-z-]*:.*## / { printf "  %s%-15s%s %s\n", cyan, $$1, off, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Make .venv from the lock file (about 10 s), or leave it alone when it is up to date
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found. Install one, or name it: make setup PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" requirements/install.py dev
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "$(VENV) is ready: $$($(PYTHON_VENV) --version)",:)

demo: setup ## Show the loop on this machine: drift, decision, real training, evaluation, promotion, evidence
	@$(OPS)demo $(ARGS)

local: setup ## Run the embedded AWS in the foreground and say what to export (PORT=4566)
	@PYTHONPATH=src exec $(PYTHON_VENV) -m local --port $(PORT)

##@ Develop

test: setup ## Run the tests: unit, contract, local and stack (TESTS=word narrows, JOBS=3)
	@$(PYTHON_VENV) -m pytest $(if $(TESTS),-n 0 -x -k "$(TESTS)",-n $(JOBS) --dist loadfile --no-loadscope-reorder) $(ARGS)

mutants: setup ## Break the rules and writes of the package in small ways, and see a test notice each (FILES=word narrows)
	@$(IN_VENV) -m tests.mutants $(if $(FILES),--files $(FILES)) $(ARGS)

lint: setup ## Check code, types, templates, their permissions and state machines; change nothing
	@"$(PYTHON)" requirements/install.py node scanners
	$(PYTHON_VENV) -m ruff check
	$(PYTHON_VENV) -m ruff format --check
	$(PYTHON_VENV) -m mypy
	$(if $(TEMPLATES),$(VENV)/bin/cfn-lint -c I -i I4010 W3002 -x I3042:partition=true -x I3042:region=true -x I3042:accountId=true -- $(TEMPLATES))
	$(if $(TEMPLATES),$(OPS)security_lint $(TEMPLATES))
	$(if $(DEFINITIONS),$(OPS)asl_lint $(DEFINITIONS))
	$(OPS)docs --check

faults: setup ## Play every case of the fault matrix that was not played yet, and write its table (CASE=one, ARGS=--help)
	@$(IN_VENV) -m tests.faults $(ARGS)

fuzz: setup ## Feed every reader of what others write broken and hostile inputs (SECONDS=60, SEED=, CASE=one)
	@$(IN_VENV) -m tests.fuzz $(ARGS)

dialects: setup ## Run the libraries whose reports and metrics are read, each in an environment of its own, and keep what they say (LIBRARY=one)
	@$(OPS)dialects

tamper: setup ## Tamper with a history in so many ways, one and two at a time, and see each found (COUNT=1000, CASE=one)
	@$(PYTHON_VENV) -m pytest -n 0 --timeout 3600 tests/unit/test_tampering.py $(ARGS)

bench: setup ## Measure what the loop costs in time and write the table of bench/
	@$(IN_VENV) -m bench $(ARGS)

docs: setup ## Rewrite the parts of README.md and docs/ that come from the template, the state machine and the demo
	@$(OPS)docs $(ARGS)

sbom: setup ## Write what is deployed, and what it is developed with, as CycloneDX files under build/
	@$(OPS)sbom

lock: setup ## Resolve requirements/*.in again and write the locks (UPGRADE=1 takes newer releases)
	@for name in uv dev scanners taskcat; do \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean: ## Remove what was built and cached (ALL=1: the environments too)
	@rm -rf build $(VENV)/bytecode .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@find src local ops examples tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@$(if $(ALL),rm -rf $(VENV) $(VENV)-scanners $(VENV)-taskcat requirements/node/node_modules,:)

##@ Deploy (STACK=retraining, REGION=, BUCKET=, ACCOUNT= refuses any other account)

package: setup ## Build and upload zip, state machine and template; print the console's quick-create link (WITHOUT=)
	@$(OPS)package

deploy: setup ## Show the change set, ask, deploy, follow (PARAMS="Name=Value ...", PARAMS_FILE=, WITHOUT=, YES=1)
	@$(OPS)deploy

smoke: setup ## Send a signal that cannot train through the deployed stack and report each hop
	@$(OPS)smoke

import: setup ## Bring existing resources under the stack (RESOURCES="AutomationBucket=name ...", PARAMS=, YES=1)
	@$(OPS)import_resources

destroy: setup ## Say what is deleted and what is kept, ask, delete (FORCE=1 stops runs in progress, YES=1)
	@$(OPS)destroy

verify-aws: setup ## Ask AWS what no document says; says the cost first, deletes what it makes (REGION=, ONLY=, KEEP=1, YES=1, JSON=1)
	@$(OPS)verify_aws

taskcat: setup ## Lint with taskcat, and deploy in three regions where credentials are (ARGS=--lint-only)
	@"$(PYTHON)" requirements/install.py taskcat
	@$(OPS)taskcat_tests $(ARGS)

validate: setup ## Say all that is wrong with a policy, report, request, training output or evaluation (FILE=, POLICY=, STACK= looks live, JSON=1)
	@$(OPS)validate $(FILE) $(if $(POLICY),--policy $(POLICY))

try: setup ## Say what the loop would make of a file, without effect (FILE=, POLICY= or STACK= and its state now, MODEL=, JSON=1)
	@$(OPS)try_out

##@ Operate (STACK=retraining, REGION=)

status: setup ## Mode, switches, models and what serves, what is missing, runs, slots (CHECK=1, JSON=1, WATCH=1)
	@$(RETRAINING) status

waits: setup ## What is parked, for whom, since when, until when (JSON=1, WATCH=1)
	@$(RETRAINING) waits

history: setup ## Latest runs of a model, or the life of a run (MODEL= or RUN=, LIMIT=20, JSON=1, WATCH=1)
	@$(RETRAINING) history

signals: setup ## What came in and what was made of it, ignored events too (MODEL=, SINCE=24h, ID=, LIMIT=100, JSON=1, WATCH=1)
	@$(RETRAINING) signals

explain: setup ## What was made of one event, every guard with its reason (ID= of a signal, execution, run or event)
	@$(RETRAINING) explain

approve: setup ## Approve what a run waits for (RUN= COMMENT=)
	@$(RETRAINING) approve

reject: setup ## Reject what a run waits for, which ends the run (RUN= COMMENT=)
	@$(RETRAINING) reject

retrain: setup ## Ask for a retraining by hand (MODEL= REASON=, FORCE=1 passes the cooldown)
	@$(RETRAINING) retrain

pause: setup ## Throw a kill switch (SCOPE=global, model:<model> or source:<source>, REASON=; both needed)
	@$(RETRAINING) pause

resume: setup ## Lift a kill switch (SCOPE=global, model:<model> or source:<source>; needed)
	@$(RETRAINING) resume

unfreeze: setup ## Close the breaker of a model (MODEL= REASON=)
	@$(RETRAINING) unfreeze

rollback: setup ## Have the champion before serve again (MODEL= REASON=, TO=<run> for an older one)
	@$(RETRAINING) rollback

sweep: setup ## Have what is due, or will be within ten minutes, done now
	@$(RETRAINING) sweep

replay: setup ## Have an event raised again that came to nothing (EVENT=rejected/<name>.json, DEAD_LETTERS=1)
	@$(RETRAINING) replay

verify-audit: setup ## Check every record against bucket, table and executions (MODEL= narrows, ANCHOR=root, JSON=1)
	@$(OPS)verify_audit

restore-history: setup ## Rebuild a lost HistoryTable from the records, for administrators (TABLE=, YES=1, JSON=1)
	@$(OPS)restore_history
