#!/bin/sh
# Runs every case of tests/cases/ and the faults that were found with them, each as it should be.
set -eu
cd "$(dirname "$0")/.."
tests="--test cases_model --test arguments"
if [ -e tests/cases.rs ]; then
    tests="--test cases $tests"
fi
# shellcheck disable=SC2086
exec cargo test --release --locked --workspace $tests "$@"
