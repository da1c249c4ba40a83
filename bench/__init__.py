"""What is measured, as scripts. `python -m bench` runs them all; `python -m bench learner probes` only these."""
