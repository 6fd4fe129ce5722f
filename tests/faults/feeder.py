"""A process that feeds sinks until somebody ends it. Usage: feeder.py URL [LEASE], seconds of a lease (0.1)."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta

import whodid
from whodid.sinks import SinkWorker, delivery


def main(url: str, lease: str = "0.1") -> None:
    """Feed for ever; the lease of a process that was killed is over soon, so that tests do not wait for it."""
    delivery._LEASE = timedelta(seconds=float(lease))
    delivery._RENEW = delivery._LEASE / 5
    with whodid.open(url) as log, SinkWorker(log, interval=0.02):
        os.write(1, b"ready\n")
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
