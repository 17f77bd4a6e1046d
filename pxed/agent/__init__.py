"""The program inside the boot image: fetches the task sequence, carries it out, reports.

A house of its own: standard library and `pxed.sequence` only. `/init` starts it as `python3 -m pxed.agent` and
restarts the machine when it ends, however it ends.
"""
