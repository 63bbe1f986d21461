# Everything installs into .venv; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 8080

.PHONY: help demo serve test crash-matrix mutants deploy-test lint bench audit lock clean

help:
	@echo "make demo          install, run sync twice on simulated systems, show that the second run changes nothing"
	@echo "make serve         run both functions on ports $(PORT) and the next one; on the real systems when .env has a token"
	@echo "make lint          check style and types"
	@echo "make test          check style and types, then run every test"
	@echo "make crash-matrix  kill a run at every remote call and every write, and check that the next run completes it"
	@echo "make mutants       try wrong versions of the program, and check that the tests notice each of them"
	@echo "make deploy-test   install on an empty Debian with systemd; needs root, debootstrap and systemd-container"
	@echo "make bench         measure speed, memory and cost"
	@echo "make audit         look for known vulnerabilities and check the Terraform; needs the internet"
	@echo "make lock          pin the newest versions of what pyproject.toml names"
	@echo "make clean         remove .venv, data and caches"

.venv/runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/test: tests/requirements.txt .venv/runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@touch $@

demo: .venv/runtime
	@PYTHONPATH=function $(BIN)/python -m tests.demo

serve: .venv/runtime
	@PYTHONPATH=function $(BIN)/python -m tests.serve --host $(HOST) --port $(PORT)

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy function tests deploy

test: lint
	$(BIN)/pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

crash-matrix: .venv/test
	PYTHONPATH=function $(BIN)/python -m tests.crash.matrix

mutants: .venv/test
	$(BIN)/python -m tests.mutants $(MUTANTS)

deploy-test: .venv/test
	PYTHONPATH=function $(BIN)/python -m tests.deploy.install_on_debian $(DEPLOY_TEST)

bench: .venv/test
	PYTHONPATH=function $(BIN)/python -m tests.benchmarks

audit: .venv/audit
	$(BIN)/pip-audit --requirement requirements.txt --no-deps --disable-pip
	PATH="$$PATH:$(CURDIR)/.venv/checkov/bin" $(BIN)/pytest tests/terraform -k checkov

.venv/audit: .venv/test
	$(BIN)/pip install --quiet --disable-pip-version-check pip-audit
	$(PYTHON) -m venv .venv/checkov
	.venv/checkov/bin/pip install --quiet --disable-pip-version-check 'checkov>=3.3,<4'
	@touch $@

lock: .venv/test
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile $(PIP_COMPILE) --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile $(PIP_COMPILE) --extra test --constraint requirements.txt --output-file tests/requirements.txt pyproject.toml
	cd tests/foreign_clients && ../../$(BIN)/pip-compile $(PIP_COMPILE) --output-file requirements.txt requirements.in

PIP_COMPILE := --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean:
	rm -rf .venv data .mypy_cache .pytest_cache .ruff_cache .hypothesis
