"""What is measured: each module is a bench, run by `scripts/bench NAME`."""
