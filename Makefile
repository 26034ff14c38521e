# Everything sets itself up: an environment in $(VENV), torch only where it is missing.
#   make demo   train, fine-tune, evaluate and draw on the embedded data, a few minutes on two cores
#   make demo-classification   the same for images, on scikit-learn's digits, a minute
#   make test   the test suite
# STACK=onedl VENV=.venv-onedl uses the other OpenMMLab distribution.
STACK  ?= openmmlab
VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.10 || command -v python3)
TORCH  ?= torch==2.13.0
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready-$(STACK)
# Two processes; the tests of a file share what they build.
PYTEST := $(RUN) -m pytest -n 2 --dist loadfile

DEMO   := work_dirs/demo
DATA   := data/mini_street
BEFORE := configs/mini_street/fast_scnn.py
AFTER  := configs/mini_street/fast_scnn_balanced_energy.py
TEST_SET := mini-street=$(DATA)/test
# Iterations of the two trainings; fewer are enough to see that everything runs.
BEFORE_ITERS ?= 220
AFTER_ITERS  ?= 240
DIGITS := work_dirs/demo_classification
DIGITS_CONFIG := configs/classification/resnet20_digits_lt

.PHONY: setup demo demo-classification test test-browser test-plug-ins lint clean
setup: $(READY)

$(READY): setup.py
	@$(PYTHON) -c "import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 12), sys.version" || \
		{ echo "Python 3.10 to 3.12 is needed, found $(PYTHON); name another with PYTHON=..."; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -c "import torch" 2>/dev/null || $(RUN) -m pip install $(TORCH)
	$(RUN) -m pip install -e ".[$(STACK),dev]"
	@# Slim systems lack libGL, which the desktop build of OpenCV loads; the headless build is the same module.
	$(RUN) -c "import cv2" || $(RUN) -m pip install --force-reinstall --no-deps opencv-python-headless
	touch $@

demo: setup
	$(RUN) tools/prepare_mini_street.py $(DATA)
	$(RUN) tools/train.py $(BEFORE) --work-dir $(DEMO)/before --cfg-options train_cfg.max_iters=$(BEFORE_ITERS) train_cfg.val_interval=$(BEFORE_ITERS)
	$(RUN) tools/evaluate.py $(BEFORE) $(DEMO)/before/iter_$(BEFORE_ITERS).pth --benchmark $(TEST_SET) --score energy msp --out $(DEMO)/before --force
	$(RUN) tools/estimate_prior.py $(AFTER) $(DEMO)/before/iter_$(BEFORE_ITERS).pth --num-images 120 --out $(DEMO)/prior.json
	$(RUN) tools/train.py $(AFTER) --work-dir $(DEMO)/after --cfg-options load_from=$(DEMO)/before/iter_$(BEFORE_ITERS).pth train_cfg.max_iters=$(AFTER_ITERS) train_cfg.val_interval=$(AFTER_ITERS)
	$(RUN) tools/evaluate.py $(AFTER) $(DEMO)/after/iter_$(AFTER_ITERS).pth --benchmark $(TEST_SET) --score energy msp --out $(DEMO)/after --force
	$(RUN) tools/visualize.py $(AFTER) $(DEMO)/after/iter_$(AFTER_ITERS).pth $(TEST_SET) --threshold $(DEMO)/after/results.json --out $(DEMO)/maps --force
	$(RUN) tools/compare.py $(DEMO)/before $(DEMO)/after --out $(DEMO)/comparison --force
	@echo "pictures: $(DEMO)/maps"
	@echo "reports: $(DEMO)/before/index.html, $(DEMO)/after/index.html, side by side $(DEMO)/comparison/index.html"

demo-classification: setup
	$(RUN) tools/train.py $(DIGITS_CONFIG)_pretraining.py --work-dir $(DIGITS)/before
	$(RUN) tools/evaluate.py $(DIGITS_CONFIG)_cross_entropy.py $(DIGITS)/before/epoch_40.pth --score energy msp --out $(DIGITS)/before --force
	$(RUN) tools/estimate_prior.py $(DIGITS_CONFIG)_balanced_energy.py $(DIGITS)/before/epoch_40.pth --out $(DIGITS)/prior.json
	$(RUN) tools/train.py $(DIGITS_CONFIG)_balanced_energy.py --work-dir $(DIGITS)/after
	$(RUN) tools/evaluate.py $(DIGITS_CONFIG)_balanced_energy.py $(DIGITS)/after/epoch_20.pth --score energy msp --out $(DIGITS)/after --force
	$(RUN) tools/compare.py $(DIGITS)/before $(DIGITS)/after --out $(DIGITS)/comparison --force
	@echo "reports: $(DIGITS)/before/index.html, $(DIGITS)/after/index.html, side by side $(DIGITS)/comparison/index.html"

test: setup
	$(PYTEST)

# The browser's part of the suite, also on the reports of the demo.
test-browser: setup
	MMSEG_OOD_REPORT=$(DEMO)/after $(RUN) -m pytest tests/browser

# The part of the suite that meets OpenMMLab's packages.
test-plug-ins: setup
	$(PYTEST) tests/test_compat.py tests/segmentation tests/classification tests/apis mmseg_ood/segmentation mmseg_ood/classification

lint: setup
	$(RUN) -m ruff check .

clean:
	rm -rf $(DEMO) $(DIGITS) .pytest_cache .ruff_cache
