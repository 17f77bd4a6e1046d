# pxed: a PXE service point for Linux
#
#   make demo     shows the main job on real firmware, about five minutes
#   make test     passes every test, firmware tests included
#   make test-postgresql  those tests alone that need a PostgreSQL server
#   make proof    installs at length: two service points and a thousand boots, hundreds of kills; about ten minutes
#   make test-systemd  installs and runs the service on a host with systemd, in a container; about three minutes
#   make check    formatting, lint, types, import floors
#   make bench    measures pxed beside its peers and writes docs/benchmarks.md; RESUME=1 to take a broken-off run up
#                 again; QUICK=1 for two minutes of it, which write build/benchmarks.md
#   make venv     only sets up .venv
#   make install  for a real network: /opt/pxed, systemd unit, user, /etc/pxed/pxed.toml; again for a newer version;
#                 COMPILED=1 brings a compiler for the parts that are C
#   make uninstall  takes that away again, and leaves the configuration and what is kept
#
# Debian packages that are missing are installed with apt-get as root; without root the one line that would is printed.
# Services that come with them are not started.

# The distribution's Python, with which the service runs: it answers a fifth more than one that was built otherwise.
PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHARE := /usr/local/share
# What the compiled parts need: 240 MB on a machine that has none of it. A Python that is not the distribution's has
# headers of its own.
COMPILER := gcc libc6-dev python3-dev
COMPILED_PARTS := pxed/responder/_flows pxed/tftp/_acks
COMPILED_SOURCES := $(wildcard $(COMPILED_PARTS:=*.[ch]))
IMPORT_COMPILED := import pxed.responder._flows, pxed.tftp._acks

# What running pxed's lab and its tests needs; the service itself needs Python alone (and `ipxe` for boot loaders).
PACKAGES := python3-venv tzdata iproute2 nftables dnsmasq-base kmod busybox-static ipxe ipxe-qemu ovmf qemu-system-x86 \
	curl atftp tftp-hpa mtools cpio systemd ca-certificates $(COMPILER)

.PHONY: demo test test-postgresql proof test-systemd check bench venv packages install uninstall format clean

demo: venv
	$(BIN)/pxed lab demo

# The tests start a server of their own, and need its programs only.
test test-postgresql: PACKAGES += postgresql

# Two processes: a machine that boots waits for its firmware half of the time.
test: check
	$(BIN)/pytest --numprocesses 2 --dist loadgroup

test-postgresql: venv
	$(BIN)/pytest -m postgresql

proof: venv
	PXED_PROOF=1 $(BIN)/pytest tests/records tests/service/test_installed_once.py

bench: PACKAGES += ethtool
bench: venv
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(RESUME),--resume)

test-systemd: PACKAGES += systemd-container
test-systemd: venv
	$(BIN)/pytest tests/systemd

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_floors.py

format: venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# pip takes it for done where nothing could be compiled, and says nothing; who works on pxed wants to know. Bytecode is
# written beforehand for where Python is told to write none (PYTHONDONTWRITEBYTECODE), as in many containers: there each
# process that a test starts would compile pxed anew, which is a fifth of what a start costs.
venv: packages $(STAMP)
	@why=$$($(BIN)/python -I -c '$(IMPORT_COMPILED)' 2>&1) || { rm $(STAMP); \
		echo "no compiled parts ($$(echo "$$why" | tail -n 1)):" \
		"$(BIN)/pip install -v --no-deps -e . shows what the compiler said" >&2; exit 1; }
	@$(BIN)/python -m compileall -q pxed

$(STAMP): pyproject.toml $(COMPILED_SOURCES)
	$(PYTHON) -m venv $(VENV)
	rm -f $(COMPILED_PARTS:=.*.so)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

packages:
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query --show --showformat='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || echo $$package; \
	done | tr '\n' ' '); \
	test -z "$$missing" || if [ "$$(id -u)" = 0 ]; then \
		policy=/usr/sbin/policy-rc.d; \
		test -e $$policy || { trap "rm $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; }; \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $$missing; \
	else \
		echo "missing packages, install them with: sudo apt-get install $$missing" >&2; exit 1; \
	fi

# The service alone: no lab, no tests. A configuration that is there already is kept. The unit hides home directories,
# and a Python that lives in one. A service that runs is started anew: the old one would go on with modules of both
# versions. POSTGRESQL=1: with the driver of PostgreSQL. The parts that are C are compiled where a compiler is. One is
# not brought unasked: it is twice as large as pxed with all its libraries, many want none on such a machine, and few need
# so much speed. What setuptools keeps of an older build goes first: modules that a newer version lacks would be installed again.
install: PACKAGES := python3-venv tzdata ipxe $(if $(COMPILED),$(COMPILER))
install: PYTHON := /usr/bin/python3
install: packages
	$(PYTHON) -m venv /opt/pxed
	rm -rf build/lib.* build/bdist.* build/temp.*
	/opt/pxed/bin/python -m pip install --quiet --upgrade '.$(if $(POSTGRESQL),[postgresql])'
	ln -sf /opt/pxed/bin/pxed /usr/local/bin/pxed
	/opt/pxed/bin/pxed manual | install -D -m 644 /dev/stdin $(SHARE)/man/man1/pxed.1
	/opt/pxed/bin/pxed completion bash | install -D -m 644 /dev/stdin $(SHARE)/bash-completion/completions/pxed
	install -D -m 644 systemd/pxed.service /etc/systemd/system/pxed.service
	install -D -m 644 systemd/pxed.sysusers.conf /etc/sysusers.d/pxed.conf
	install -D -m 644 systemd/pxed.tmpfiles.conf /etc/tmpfiles.d/pxed.conf
	systemd-sysusers pxed.conf
	systemd-tmpfiles --create pxed.conf
	test -e /etc/pxed/pxed.toml || install -D -m 644 config/pxed.toml /etc/pxed/pxed.toml
	test ! -d /run/systemd/system || { systemctl daemon-reload && systemctl try-restart pxed; }
	@/opt/pxed/bin/python -I -c '$(IMPORT_COMPILED)' 2>/dev/null || { echo "installed without the compiled parts:" \
		"pxed works as it should, but is slower in floods of DHCP packets and with hundreds of TFTP clients at once;" \
		"make install COMPILED=1 brings $(COMPILER) and compiles them" >&2; test -z "$(COMPILED)"; }

uninstall:
	test ! -d /run/systemd/system || ! systemctl --quiet is-enabled pxed || systemctl disable pxed
	test ! -d /run/systemd/system || ! systemctl --quiet is-active pxed || systemctl stop pxed
	rm -rf /opt/pxed
	rm -f /usr/local/bin/pxed $(SHARE)/man/man1/pxed.1 $(SHARE)/bash-completion/completions/pxed
	rm -f /etc/systemd/system/pxed.service /etc/sysusers.d/pxed.conf /etc/tmpfiles.d/pxed.conf
	test ! -d /run/systemd/system || systemctl daemon-reload
	@echo "left: /etc/pxed, /var/lib/pxed and the user pxed; userdel pxed && rm -r /etc/pxed /var/lib/pxed takes them away"

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis pxed.egg-info build/lib.* build/bdist.* build/temp.*
	rm -f $(COMPILED_PARTS:=.*.so)
