"""The benchmark: pxed and its peers on the same work, on the same machine, in turn; results in docs/benchmarks.md.

`python -m bench` runs it whole; `--quick` takes two minutes, leaves docs/ alone and writes build/benchmarks.md. It
needs root, and makes and removes network namespaces of its own. It measures and never fails on a slow machine.
"""
