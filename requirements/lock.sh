#!/bin/sh
# Makes the lock files anew from pyproject.toml: pinned versions with hashes, no addresses. Needs uv.
set -eu
cd "$(dirname "$0")/.."
lock() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header "$@"
}
lock pyproject.toml --extra otel -o requirements/run.lock
lock pyproject.toml --extra otel --group dev -o requirements/dev.lock
