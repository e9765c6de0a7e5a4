"""How well drift is detected: false alarms, power, effects and delays, beside simple peers.

`python -m bench.detection` measures on synthetic data, `--data DIRECTORY` on real vectors.
"""
