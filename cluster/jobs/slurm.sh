#!/bin/bash
# A grid as a Slurm array: eight jobs, each with an eighth of the cells, into folders of their own.
#
#   sbatch slurm.sh region
#   credence eval merge region-*-of-8 --out region        # when all are done
#
# A job that was cut short goes on where it was when it is submitted again.
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --time=04:00:00
set -euo pipefail
experiment=${1:?the experiment: a file, or the name of a built-in one}
name=$(basename "$experiment" .toml)
exec credence eval run "$experiment" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --out "$name-$SLURM_ARRAY_TASK_ID-of-$SLURM_ARRAY_TASK_COUNT"
