#!/usr/bin/env bash
# Train the canonical model (or the preset named as the first argument) and write it in nanoGPT's format:
#   bash scripts/train_for_interpretability.sh [shakespeare | shakespeare-cpu | quick] [options of `nanoscope train`]
# It first prints how long the training will take here. If interrupted, run the same command again to resume.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-shakespeare}
[ $# -gt 0 ] && shift
make --no-print-directory env
.venv/bin/nanoscope train "$preset" --estimate "$@"
.venv/bin/nanoscope train "$preset" --out "runs/train-$preset" "$@"
case $preset in
    shakespeare*) model=trained_models/shakespeare_char_model.pt ;;
    *) model=trained_models/${preset}_model.pt ;;
esac
.venv/bin/nanoscope export "runs/train-$preset/final" "$model"
echo "in nanoGPT's format: $model"
echo "to publish it: .venv/bin/nanoscope release runs/train-$preset/final trained_models/$preset   (add --data as in training)"
