# Everything sets itself up: each target installs what it needs into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
INPUTS := pyproject.toml constraints.txt

.PHONY: help install serve test lint types notebook retrain report benchmark clean

help:            ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/\1\t\2/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "issue-router needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(INPUTS) | $(BIN)/python
	$(PIP) --editable '.[postgres,cluster]'
	@touch $@

$(VENV)/.notebook: $(INPUTS) | $(VENV)/.installed
	$(PIP) --editable '.[postgres,cluster,notebook]'
	@touch $@

$(VENV)/.dev: $(INPUTS) | $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed  ## Set up .venv

serve: install   ## Serve the page and the API on http://127.0.0.1:8000; train first if there is no model
	$(BIN)/issue-router serve

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest

lint: $(VENV)/.dev  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types
	$(BIN)/mypy

# Variables of `make retrain`: EXAMPLES, CORRECTIONS_URL, STATE_DIR, PROMOTE=yes, FORCE=yes.
REPORTS = $(or $(STATE_DIR),$(ISSUE_ROUTER_STATE_DIR),var)/reports
REPORT := retrain-$(shell date -u +%Y%m%dT%H%M%S)

notebook: $(VENV)/.notebook  ## Open the retraining notebook in JupyterLab
	$(BIN)/jupyter lab notebooks/retrain.ipynb

# The URL goes by the environment, since parameters stay in the notebook and a URL may hold a password.
# The page is made also when a cell fails: it shows which, and why.
retrain: $(VENV)/.notebook  ## Retrain without a screen; the page goes to var/reports (PROMOTE=yes, EXAMPLES=..., CORRECTIONS_URL=...)
	@mkdir -p "$(REPORTS)"
	@ISSUE_ROUTER_CORRECTIONS_URL="$${CORRECTIONS_URL:-$$ISSUE_ROUTER_CORRECTIONS_URL}" \
	$(BIN)/papermill --kernel python3 --no-progress-bar notebooks/retrain.ipynb "$(REPORTS)/$(REPORT).ipynb" \
		--parameters_raw examples "$(abspath $(EXAMPLES))" --parameters_raw state_dir "$(abspath $(STATE_DIR))" \
		--parameters promote $(if $(filter yes,$(PROMOTE)),True,False) --parameters force $(if $(filter yes,$(FORCE)),True,False); \
	status=$$?; $(BIN)/jupyter nbconvert --to html --no-input --log-level ERROR "$(REPORTS)/$(REPORT).ipynb" \
		&& echo "$(REPORTS)/$(REPORT).html" && exit $$status

report: $(VENV)/.notebook  ## Write the model card of the version that serves, with its images, to var/report
	$(BIN)/python -m service.report
