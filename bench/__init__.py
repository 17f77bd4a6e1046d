"""The benchmark: pxed and its peers on the same work, on the same machine, in turn; results in docs/benchmarks.md.

`python -m bench` runs it whole, `--quick` in two minutes. It needs root, and makes and removes network namespaces of
its own. It measures and never fails on a slow machine.
"""
