# make lab     bring your copy of the pages up to date, and open it in JupyterLab
# make progress  show which exercises of your copy are right, wrong, or waiting  [PAGES=... EXECUTE=--execute]
# make find    name the sections that answer an error message that you paste
# make copy    bring your copy up to date, and no more: for another editor
# make author  open the course's own pages in JupyterLab
# make test    execute every page again, compare, and run the tests
# make render  bring pages, notebooks and figures into agreement  [PAGES="01_sequential ..."]
# make full    execute pages on the real data and print their results  [PAGES=...]
# make sensitivity  change the pages in more ways than make test does; each must be noticed
# make claims  the controls of what the pages say about causes, over all their seeds, and all answers to trainings
# make stability  make test's comparison under other processors, threads and orders
# make versions  the comparison with the newest and the oldest versions of the packages  [ONLY=newest PAGES=...]
# make index   write the index of Keras and TensorFlow names and the list of messages, notebooks/{index,messages}.md
# make lock    write requirements.lock after requirements.txt has changed  [UPGRADE=--upgrade]
# make setup   set everything up, as each of the others does first if need be  [PYTHON=python3.12]
# make clean   remove what the commands above have set up

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: lab progress find copy author test render full sensitivity claims stability versions index lock setup clean

lab: setup
	$(BIN)/python -m workbook lab

progress: setup
	$(BIN)/python -m workbook progress $(EXECUTE) $(PAGES)

find: setup
	@$(BIN)/python -m workbook find

copy: setup
	$(BIN)/python -m workbook copy

author: setup
	$(BIN)/python -m workbook author

test: setup
	$(BIN)/python -m workbook test

render: setup
	$(BIN)/python -m workbook render $(PAGES)

full: setup
	$(BIN)/python -m workbook full $(PAGES)

stability: setup
	$(BIN)/python -m workbook stability $(PAGES)

sensitivity: setup
	$(BIN)/python -m workbook sensitivity

claims: setup
	$(BIN)/python -m workbook claims

versions: setup
	$(BIN)/python -m workbook versions $(if $(ONLY),--only $(ONLY)) $(PAGES)

index: setup
	$(BIN)/python -m workbook index

# for every Python and system that the README names; the versions that the lock has are kept where they still fit
lock: setup
	$(BIN)/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --quiet \
		$(UPGRADE) --output-file requirements.lock requirements.txt

setup:
	@$(PYTHON) -m workbook.setup

clean:
	rm -rf $(VENV) .versions .nbval .pytest_cache
