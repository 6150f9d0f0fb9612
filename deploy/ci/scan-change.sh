#!/usr/bin/env bash
# Scans what a pull request, merge request or push introduces; the body of the GitHub Action and of the
# GitLab template, and usable in any other CI.
#
#   KEYSTILE_BASE     commit that the change goes onto (required)
#   KEYSTILE_HEAD     commit that holds the change (default: HEAD)
#   KEYSTILE_SARIF    also write SARIF 2.1.0 there
#   KEYSTILE_GITLAB   also write GitLab's secret-detection report there
#   KEYSTILE_SUMMARY  also append a Markdown summary there
#   KEYSTILE_ARGS     further flags for keystile scan, separated by spaces
#
# Configuration, ignored findings and the baseline are taken from the base, so that a change can't excuse
# itself. Exit status: that of keystile scan (0 clean, 1 findings, 2 usage, 3 incomplete).
set -euo pipefail

if ! command -v keystile >/dev/null 2>&1; then
    echo "keystile is not on the PATH: install it first (cargo install --locked --path . in its repository)" >&2
    exit 2
fi
if [ -z "${KEYSTILE_BASE:-}" ]; then
    echo "KEYSTILE_BASE is not set: the commit that the change goes onto" >&2
    exit 2
fi

head=${KEYSTILE_HEAD:-HEAD}
arguments=(scan --no-progress --range "$KEYSTILE_BASE..$head" --config-from "$KEYSTILE_BASE")
[ -z "${KEYSTILE_SARIF:-}" ] || arguments+=(--report "sarif=$KEYSTILE_SARIF")
[ -z "${KEYSTILE_GITLAB:-}" ] || arguments+=(--report "gitlab=$KEYSTILE_GITLAB")
summary=
if [ -n "${KEYSTILE_SUMMARY:-}" ]; then
    summary=$(mktemp)
    trap 'rm -f "$summary"' EXIT
    arguments+=(--report "markdown=$summary")
fi
read -r -a further <<<"${KEYSTILE_ARGS:-}"

status=0
keystile "${arguments[@]}" ${further[@]+"${further[@]}"} || status=$?
[ -z "$summary" ] || cat "$summary" >>"$KEYSTILE_SUMMARY"
exit "$status"
