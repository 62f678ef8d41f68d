# Two commands do everything on a machine with Python 3.11+ and make: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test check format install clean

install: $(INSTALLED)

# The marker holds what was installed, so that a changed pyproject.toml installs again.
$(INSTALLED): pyproject.toml constraints.txt
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

clean:
	rm -rf .venv demo build *.egg-info
