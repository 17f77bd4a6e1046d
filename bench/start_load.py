"""A computer that is impatient: one DISCOVER after the other until the first answer, begun before there is a server.

`python -m bench.start_load SECONDS`, which are between two of them, prints `ready` when it sends, and then the clock
(time.monotonic) of the answer's arrival; nothing if there is none within a minute.
"""

from __future__ import annotations

import select
import socket
import sys
import time

from bench.answers_load import Template
from bench.network import INTERFACE

_LONGEST = 60.0
"""seconds after which there is no server"""


def main() -> None:
    """The program."""
    pause, template = float(sys.argv[1]), Template()
    packet = template.filled(template.own(1, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
        endpoint.bind(("0.0.0.0", 68))  # noqa: S104 - in a namespace of the benchmark's own
        print("ready", flush=True)
        end = time.monotonic() + _LONGEST
        while time.monotonic() < end:
            endpoint.sendto(packet, ("255.255.255.255", 67))
            if select.select([endpoint], [], [], pause)[0]:
                print(time.monotonic(), flush=True)
                return


if __name__ == "__main__":
    main()
