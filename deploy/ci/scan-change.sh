#!/usr/bin/env bash
# Scans what a pull request, merge request or push introduces; the body of the GitHub Action, and usable in
# any other CI.
#
#   KEYSTILE_BASE     commit that the change goes onto
#   KEYSTILE_BEFORE   for a push, instead of KEYSTILE_BASE: where the branch was before it; all zeros for a
#                     new branch, which is then compared with the default branch
#   KEYSTILE_BRANCH, KEYSTILE_DEFAULT_BRANCH   for a push: names of the branch and of the default branch
#   KEYSTILE_HEAD     commit that holds the change (default: HEAD)
#   KEYSTILE_EVENT, KEYSTILE_PULL_REQUEST   on GitHub: the event's name, and the head of the pull request
#   KEYSTILE_PATH     the repository (default: the current folder)
#   KEYSTILE_INLINE_ALLOW   "false": comments (keystile:allow) excuse nothing
#   KEYSTILE_SARIF    also write SARIF 2.1.0 there
#   KEYSTILE_GITLAB   also write GitLab's secret-detection report there
#   KEYSTILE_OUTPUT   append `sarif=FILE` there once that is written (GitHub's step outputs)
#   KEYSTILE_SUMMARY  also append a Markdown summary there
#   KEYSTILE_ARGS     further flags for keystile scan, separated by spaces
#
# Configuration, ignored findings and the baseline are taken from the base, so that a change can't excuse
# itself; files of the work tree that a flag or variable names too. Exit status: that of keystile scan
# (0 clean, 1 findings, 2 usage, 3 incomplete).
set -euo pipefail

stop() {
    echo "keystile: error: $1" >&2
    exit 2
}
command -v keystile >/dev/null 2>&1 \
    || stop "keystile is not on the PATH: install it first (cargo install --locked --path . in its repository)"

path=${KEYSTILE_PATH:-.}
head=${KEYSTILE_HEAD:-}
# actions/checkout checks out the base for this event: HEAD adds nothing to it, and nothing would be found.
if [ -z "$head" ] && [ "${KEYSTILE_EVENT:-}" = pull_request_target ]; then
    head=${KEYSTILE_PULL_REQUEST:?is not set, and HEAD is not the change in this event}
fi
head=${head:-HEAD}
base=${KEYSTILE_BASE:-}

# The first push of the default branch: there is nothing to compare with, so all of it is new.
everything=
is_default() { [ -n "${KEYSTILE_DEFAULT_BRANCH:-}" ] && [ "${KEYSTILE_BRANCH:-}" = "$KEYSTILE_DEFAULT_BRANCH" ]; }
# A forced push leaves a commit behind that a checkout does not have. Where the checkout is shallow the commit
# may just not have been fetched: then keystile says so, instead of scanning something else. In a container the
# checkout often belongs to another user, which git alone minds; these commands run nothing of it.
is_gone() {
    ! git -c safe.directory="*" -C "$path" cat-file -e "$1^{commit}" 2>/dev/null \
        && [ "$(git -c safe.directory="*" -C "$path" rev-parse --is-shallow-repository 2>/dev/null)" != true ]
}
if [ -z "$base" ] && [ -n "${KEYSTILE_BEFORE:-}" ]; then
    if [[ $KEYSTILE_BEFORE =~ ^0+$ ]] || is_gone "$KEYSTILE_BEFORE"; then
        if is_default; then
            everything=yes
        elif [ -n "${KEYSTILE_DEFAULT_BRANCH:-}" ]; then
            base=refs/remotes/origin/$KEYSTILE_DEFAULT_BRANCH
        else
            stop "there is nothing to compare with: KEYSTILE_BEFORE, $KEYSTILE_BEFORE, is no commit here, and KEYSTILE_DEFAULT_BRANCH is not set"
        fi
    else
        base=$KEYSTILE_BEFORE
    fi
fi

arguments=(scan --no-progress)
if [ -n "$everything" ]; then
    arguments+=(--history-only)
elif [ -n "$base" ]; then
    arguments+=(--range "$base..$head" --config-from "$base")
else
    stop "KEYSTILE_BASE is not set: the commit that the change goes onto"
fi
[ "${KEYSTILE_INLINE_ALLOW:-true}" = true ] || arguments+=(--no-inline-allow)
[ -z "${KEYSTILE_SARIF:-}" ] || arguments+=(--report "sarif=$KEYSTILE_SARIF")
[ -z "${KEYSTILE_GITLAB:-}" ] || arguments+=(--report "gitlab=$KEYSTILE_GITLAB")
# The change may hold files, or links to anywhere, with the names of the reports.
for report in "${KEYSTILE_SARIF:-}" "${KEYSTILE_GITLAB:-}"; do
    [ -z "$report" ] || rm -f -- "$report"
done
summary=
if [ -n "${KEYSTILE_SUMMARY:-}" ]; then
    summary=$(mktemp)
    trap 'rm -f "$summary"' EXIT
    arguments+=(--report "markdown=$summary")
fi
read -r -a further <<<"${KEYSTILE_ARGS:-}"
arguments+=(${further[@]+"${further[@]}"})
[ "$path" = . ] || arguments+=("$path")

status=0
if [ -n "${GITHUB_ACTIONS:-}" ]; then
    # Paths and messages of the change come into the log, where GitHub takes a line like `::error::…` for a command, on
    # either stream: https://docs.github.com/actions/reference/workflow-commands-for-github-actions#stopping-and-starting-workflow-commands
    # One stream, so that nothing overtakes the guard, which ends on a line of its own.
    token=keystile-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    [ "${#token}" -eq 41 ] || stop "there is no randomness in /dev/urandom"
    echo "::stop-commands::$token"
    keystile "${arguments[@]}" 2>&1 || status=$?
    printf '\n::%s::\n' "$token"
else
    keystile "${arguments[@]}" || status=$?
fi
[ -z "$summary" ] || cat "$summary" >>"$KEYSTILE_SUMMARY"
if [ -n "${KEYSTILE_OUTPUT:-}" ] && [ -n "${KEYSTILE_SARIF:-}" ] && [ -f "$KEYSTILE_SARIF" ]; then
    echo "sarif=$KEYSTILE_SARIF" >>"$KEYSTILE_OUTPUT"
fi
exit "$status"
