"""TFTP: all loads by name, as `python -m bench --only tftp/NAME` takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from bench.result import Result
from bench.tftp_ceiling import ceiling
from bench.tftp_crowd import fairness, memory, slow, thousand
from bench.tftp_rates import Work, rates
from bench.tftp_trouble import changes, delay, loss

QUICK = (
    "TFTP: one round with smaller files; rates and a thousand clients beside dnsmasq alone, loss beside atftpd alone"
)
LOADS: Mapping[str, Callable[[bool], list[Result]]] = {
    "ceiling": ceiling,
    "49-w1": partial(rates, Work(49, 1, 12, 1.05, 1.0, rounds=15), Work(49, 1, 3, 1.05, 1.0, seconds=2.0)),
    "200-w1": partial(rates, Work(200, 1, 3, 1.05, rounds=15), None),
    "49-w4": partial(rates, Work(49, 4, 24, 1.8, 0.6), Work(49, 4, 6, 1.8, 0.6, seconds=2.0)),
    "49-w16": partial(rates, Work(49, 16, 48, 2.0, 0.4), Work(49, 16, 8, 2.0, 0.4, seconds=2.0)),
    "49-w4-card": partial(rates, Work(49, 4, 24, 1.8, 0.6, cut_by_card=True), None),
    "49-w16-card": partial(rates, Work(49, 16, 48, 2.0, 0.4, cut_by_card=True), None),
    "49-w4-singly": partial(rates, Work(49, 4, 24, None, taken_singly=True), None),
    "49-w16-singly": partial(rates, Work(49, 16, 24, None, taken_singly=True), None),
    "1-w1": partial(rates, Work(1, 1, 16, 1.0), Work(1, 1, 8, 1.0)),
    "1-w4": partial(rates, Work(1, 4, 32, 1.0), None),
    "1-w16": partial(rates, Work(1, 16, 64, 1.0), None),
    "1-w64": partial(rates, Work(1, 64, 64, 1.0), None),
    "loss-w1": partial(loss, 1),
    "loss-w4": partial(loss, 4),
    "loss-w16": partial(loss, 16),
    "1000": thousand,
    "memory": memory,
    "fairness": fairness,
    "slow": slow,
    "delay-10": partial(delay, 10),
    "delay-40": partial(delay, 40),
    "changes": changes,
}
"""from a load's name to what measures it; nothing comes of those that a quick run leaves out"""
