"""Jobs benchmark: time to claim a job, delay of its events, and predictions beside a training."""
