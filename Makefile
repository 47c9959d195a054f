# make lab     open the workbook in JupyterLab
# make test    execute every page again, compare, and run the tests
# make render  bring pages, notebooks and figures into agreement  [PAGES="01_sequential ..."]
# make full    execute pages on the real data and print their results  [PAGES=...]
# make sensitivity  change the pages in more ways than make test does; each must be noticed
# make stability  make test's comparison under other processors, threads and orders
# make versions  the comparison with the newest and the oldest versions of the packages  [ONLY=newest PAGES=...]
# make index   write the index of Keras and TensorFlow names, notebooks/index.md
# make clean   remove what the commands above have set up

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/requirements.installed

.PHONY: lab test render full sensitivity stability versions index clean
.DELETE_ON_ERROR:

lab: $(READY)
	$(BIN)/python -m workbook lab

test: $(READY)
	$(BIN)/python -m workbook test

render: $(READY)
	$(BIN)/python -m workbook render $(PAGES)

full: $(READY)
	$(BIN)/python -m workbook full $(PAGES)

stability: $(READY)
	$(BIN)/python -m workbook stability $(PAGES)

sensitivity: $(READY)
	$(BIN)/python -m workbook sensitivity

versions: $(READY)
	$(BIN)/python -m workbook versions $(if $(ONLY),--only $(ONLY)) $(PAGES)

index: $(READY)
	$(BIN)/python -m workbook index

clean:
	rm -rf $(VENV) .versions .nbval .pytest_cache

# A copy of what was installed: the set-up runs again only if the requirements change.
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
	sys.exit(None if ok else "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" % sys.version_info[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	cp requirements.txt $@
