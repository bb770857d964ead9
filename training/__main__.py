"""Entry point of job processes: `python -m training job ...`, started by a worker."""

from __future__ import annotations

import sys

from training.jobs.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
