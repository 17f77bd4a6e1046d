# pxed: a PXE service point for Linux
#
#   make demo     shows the main job on real firmware, about five minutes
#   make test     passes every test, firmware tests included
#   make check    formatting, lint, types, import floors
#   make venv     only sets up .venv
#
# Debian packages that are missing are installed with apt-get as root; without root the one line that would is printed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What running pxed's lab and its tests needs; the service itself needs Python alone (and `ipxe` for boot loaders).
PACKAGES := python3-venv iproute2 nftables dnsmasq-base kmod busybox-static ipxe ipxe-qemu ovmf qemu-system-x86 \
	curl atftp tftp-hpa mtools systemd ca-certificates

.PHONY: demo test check venv packages format clean

demo: venv
	$(BIN)/pxed lab demo

test: check
	$(BIN)/pytest

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_floors.py

format: venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

venv: packages $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

packages:
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query --show --showformat='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || echo $$package; \
	done | tr '\n' ' '); \
	test -z "$$missing" || if [ "$$(id -u)" = 0 ]; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $$missing; \
	else \
		echo "missing packages, install them with: sudo apt-get install $$missing" >&2; exit 1; \
	fi

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
