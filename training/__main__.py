"""`python -m training job ...`: what a worker starts for each job."""

from __future__ import annotations

import sys

from training.jobs.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
