# The two commands: `make html` builds the book, `make test` runs every test. Each makes the
# environment it needs in .venv, once, from the pinned versions in requirements.txt.

PYTHON ?= python3
BIN    := .venv/bin
# In any other language Python 3.11 cannot read where the package lies, if the folder's name has an é.
export LC_ALL := C.UTF-8
BUILD  := docs/_build

$(foreach sign,% ? :,$(if $(findstring $(sign),$(CURDIR)),$(error \
  A folder's name has a "$(sign)", which in addresses means something else. Please rename: $(CURDIR))))

# The same book on every machine: of what is set around it, a build sees these names alone.
SEEN  := PATH TMPDIR TERM NO_COLOR LD_LIBRARY_PATH DYLD_LIBRARY_PATH READTHEDOCS_CANONICAL_URL
# One commit gives the same bytes at any time: what asks for a date gets the last commit's.
DATE  := $(or $(shell printf %s "$$SOURCE_DATE_EPOCH" | grep -x '[0-9][0-9]*'),\
           $(shell git log -1 --format=%ct 2>/dev/null),1767225600)
# Newer instructions than AVX2 add up in another order, which rounds differently: networks then learn differently.
ROUND := $(if $(shell grep -m1 avx2 /proc/cpuinfo 2>/dev/null),OPENBLAS_CORETYPE=Haswell NPY_ENABLE_CPU_FEATURES=X86_V3)
ALIKE  = env -i $(foreach name,$(SEEN),$${$(name)+"$(name)=$$$(name)"}) LC_ALL=$(LC_ALL) PYTHONUTF8=1 \
           PYTHONHASHSEED=0 OMP_NUM_THREADS=1 TZ=UTC SOURCE_DATE_EPOCH=$(DATE) $(ROUND)
READ   = $(BUILD)/doctrees/$(if $(filter html offline epub pdf,$@),book,$@)
SPHINX = $(ALIKE) "$(BIN)/python" -m sphinx -n -W --keep-going -j auto -d $(READ)

.PHONY: help html offline epub pdf test quick bench lint links serve live lock clean

help:
	@echo "make html   build the book"
	@echo "make offline   the same with Python for browsers beside it, for where there is no network"
	@echo "make epub   the same for electronic readers; make pdf for paper"
	@echo "make test   build the book, and run all tests; make quick: those of the package, in seconds"
	@echo "make bench  measure speed, beside PyTorch, SciPy and ONNX Runtime where installed"
	@echo "make lint   check style, spelling and types; make links: the links to other sites"
	@echo "make serve  build, and serve the book on this machine"
	@echo "make live   serve, rebuild on save, reload in the browser"
	@echo "make clean  remove what was built (the environment too: rm -r .venv)"
	@echo "make lock   pin the newest versions that pyproject.toml allows"

html: .venv/ready
	@$(SPHINX) -q docs $(BUILD)/$@

# The first line asks the network, once; whoever opens the pages needs none.
offline: .venv/ready
	@PYTHONPATH=docs "$(BIN)/python" -m _ext.offline
	@$(SPHINX) -q -D live_offline=1 docs $(BUILD)/$@

# From the results that the web pages have, and from what was read for them: no cell runs twice.
epub pdf: .venv/ready
	@$(SPHINX) -q -b $@ docs $(BUILD)/$@

# What Python compiled is kept, whatever is set: each worker and each process would do it again.
unexport PYTHONDONTWRITEBYTECODE

# For each worker one thread of BLAS: more would contend.
PYTEST := OMP_NUM_THREADS=1 "$(BIN)/pytest"

# A worker more than there are cores, since browsers and builds often wait.
test: html
	@BOOK_IS_BUILT=1 $(PYTEST) -n $$((1 + $$(getconf _NPROCESSORS_ONLN))) --dist loadgroup

quick: .venv/ready
	@$(PYTEST) -n logical -q --dist loadfile -m "not slow" --hypothesis-profile=quick convdocs tests/package

bench: .venv/ready
	@"$(BIN)/python" benchmarks/speed.py

lint: .venv/ready
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/mypy"
	@"$(BIN)/sphinx-lint" -i docs/_build -i docs/web/node_modules -i .venv --enable all .
	@"$(BIN)/codespell"
	@cd docs && PATH="$(CURDIR)/$(BIN):$$PATH" web/node_modules/.bin/biome ci --error-on-warnings \
	    biome.jsonc web _static print

# Asks other sites, so only the scheduled workflow runs it.
links: ALIKE :=
links: .venv/ready
	@$(SPHINX) -q -b linkcheck -D nb_execution_mode=off docs $(BUILD)/links

serve: html
	@"$(BIN)/python" -m http.server --directory $(BUILD)/html --bind 127.0.0.1 8000

live: SEEN += HOME BROWSER DISPLAY WAYLAND_DISPLAY XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS
live: .venv/ready
	@$(ALIKE) "$(BIN)/python" -m sphinx_autobuild -j auto -d $(BUILD)/doctrees/$@ --watch convdocs \
	    --ignore '*/_build/*' --open-browser docs $(BUILD)/$@

lock: .venv/ready
	@"$(BIN)/uv" pip compile -q --upgrade --universal --python-version 3.11 --fork-strategy fewest \
	    --generate-hashes --no-header --no-annotate --group dev -o requirements.txt pyproject.toml

clean:
	rm -rf $(BUILD) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find convdocs docs/_ext docs/scripts tests benchmarks -name __pycache__ -exec rm -r {} +

# pip brings uv, and uv the rest; every file's hash is pinned. Where a person's own settings send
# packages elsewhere, these go here all the same, and pip's index is uv's, too.
UV := env -u PYTHONWARNINGS -u UV_CONSTRAINT -u UV_EXCLUDE_NEWER -u UV_NO_DEPS -u UV_OVERRIDE .venv/uv/bin/uv

# It knows its folder: in one that was copied or moved, it is made anew.
MADE := $(shell [ -L .venv ] || cat .venv/ready 2>/dev/null)
ifneq ($(MADE),)
ifneq ($(MADE),$(CURDIR))
.PHONY: .venv/ready
endif
endif

.venv/ready: requirements.txt docs/web/package-lock.json
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and "This needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v)'
	@[ ! -L docs/web/node_modules ] || { echo "docs/web/node_modules is a link, and where it leads all would be removed; first: rm docs/web/node_modules" >&2; exit 1; }
	@[ ! -L .venv ] || { echo ".venv is a link, and where it leads all would be removed; first: rm .venv" >&2; exit 1; }
	@echo "Making the environment in .venv (once; less than a minute where packages are near)"
	@$(PYTHON) -I -m venv --clear .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
	@env -u PIP_USER -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT -u PIP_DRY_RUN -u PIP_NO_BINARY \
	    $(BIN)/python -I -m pip install -qq --no-deps --require-hashes --no-user --prefix= \
	    --target .venv/uv -r .venv/uv.txt
	@index=$$($(BIN)/python -I -m pip config get global.index-url 2>/dev/null); \
	    index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$index}}; \
	    [ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	    $(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.txt && \
	    $(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@cd docs/web && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund --no-global --include=dev
	@pwd -P > $@
