# SPDX-License-Identifier: Apache-2.0
"""A server without HTTP, for tests that kill it: opens a store and runs its jobs.

``python jobs_server.py`` takes its settings from the environment, as ``gpuopt serve`` does, and
prints a line when it takes jobs.
"""

from __future__ import annotations

import signal
import sys
import threading

from api.jobs import Jobs
from api.settings import ServiceSettings
from api.store import Store


def main() -> None:
    settings = ServiceSettings()
    store = Store(settings.url, settings.data_dir)
    store.migrate()
    jobs = Jobs(store, settings)
    jobs.recover()
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    end.wait()
    jobs.close()
    store.close()


if __name__ == "__main__":
    main()
