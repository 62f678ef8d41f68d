# Two commands do everything on a machine with Python 3.11+ and make: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DOCS_INSTALLED := .venv/.docs_installed

.PHONY: demo test check format docs install clean

install: $(INSTALLED)

# The marker holds what was installed, so that a changed pyproject.toml or C source installs again.
$(INSTALLED): pyproject.toml constraints.txt $(wildcard alf/*/*.c)
	$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('alf needs Python 3.11 or newer: make PYTHON=python3.11')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(INSTALLED)
	rm -rf demo
	$(BIN)/alf train --root_dir demo/job --conf alf/examples/tutorial/ac_render_conf.py
	$(BIN)/alf play --root_dir demo/job --use_alf_snapshot --alg_render --num_episodes 3 --record_file demo/play.mp4 --record_file demo/play.html
	@echo "Watch demo/play.mp4, and look into it in a browser: demo/play.html"

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What builds the site is needed by nothing else, so it is installed here alone.
$(DOCS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

docs: $(DOCS_INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "The site is built; open site/index.html"

clean:
	rm -rf .venv demo site build *.egg-info
