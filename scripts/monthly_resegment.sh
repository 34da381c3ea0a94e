#!/bin/bash
# Segment the customers of $CSV_PATH once, for cron. Usage: monthly_resegment.sh [ENV_FILE]
#
# Settings come from ENV_FILE, else $SEGPIPE_ENV, else cron/segpipe.env of this checkout; see
# cron/segpipe.env.example. Relative paths in it are relative to the checkout.
# The last line of the log, also printed so that cron mails it, is the result:
#   segpipe: OK at TIME: WHAT WAS PUBLISHED; log: FILE
#   segpipe: FAILED at TIME with status N: WHAT FAILED; log: FILE
# Exit status: 0 published; 2 the input, a setting or the database cannot be used; 3 refused by a
# gate, such as for a stale export; 75 another run is in progress; 128 + N ended by signal N; 66 to
# 74 and 127 a problem outside the run, which the line names; 1 anything else.
# The run reports to $HEALTHCHECK_URL; this script reports failures that the run could not report.

set -Eeuo pipefail
own_umask=$(umask) # for the run, whose embedded server may work as another user
umask 077          # for the logs
# cron gives a short PATH, or none
PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin"
export PATH

log=""
raw=""
child=""
MORE_OPTIONS=()
is_finished=""

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# Print and log the last line, once, and exit with `status`.
finish() { # status, text, text for the healthcheck if it is another
    local status=$1 text=$2 line
    is_finished=yes
    trap '' HUP INT TERM
    if [ "$status" -eq 0 ]; then
        line="segpipe: OK at $(now): $text; log: $log"
        if printf '%s\n' "$line" >>"$log"; then
            printf '%s\n' "$line"
            exit 0
        fi
        status=74 text="published ($text), but the log cannot be written"
    fi
    notify_healthcheck "exit status $status: ${3:-$text}" || true
    line="segpipe: FAILED at $(now) with status $status: $text; log: ${log:-none}"
    if [ -n "$log" ]; then printf '%s\n' "$line" >>"$log" || true; fi
    printf '%s\n' "$line" >&2
    exit "$status"
}

# Report a failure to the healthcheck, unless the run has. The URL is a secret and arguments are
# public, so curl reads it from a configuration file.
notify_healthcheck() { # text
    local url=${HEALTHCHECK_URL:-} path
    if [ -z "$url" ]; then return; fi
    if [ -n "$raw" ] && grep -q '^segpipe: reported the failure to the healthcheck' "$raw"; then return; fi
    path=${url%%\?*} # the event goes before a query
    printf '%s' "$1" | curl -q --config <(printf 'url = "%s/fail%s"\n' "${path%/}" "${url#"$path"}") \
        --proto '=http,https' --location --proto-redir '=https' --max-redirs 5 --max-time 5 --retry 2 \
        --silent --fail --output /dev/null --header 'Content-Type: text/plain; charset=utf-8' \
        --data-binary @- || warn "the failure was not reported to the healthcheck (curl: status $?)"
}

warn() { # text
    printf 'segpipe: warning: %s\n' "$1" >&2
    if [ -n "$log" ]; then printf 'segpipe: warning: %s\n' "$1" >>"$log" || true; fi
}

# If the script ends without a last line, something unforeseen has failed.
# shellcheck disable=SC2329 # called by a trap
on_exit() {
    local status=$?
    trap - EXIT ERR
    if [ -n "$raw" ]; then rm -f -- "$raw"; fi
    raw=""
    if [ -z "$is_finished" ]; then
        if [ "$status" -eq 0 ]; then status=70; fi
        finish "$status" "the script stopped at line ${failed_line:-unknown}"
    fi
    exit "$status"
}

# shellcheck disable=SC2329 # called by traps
on_signal() { # name, number
    trap '' HUP INT TERM
    if [ -n "$child" ]; then
        kill -s TERM "$child" 2>/dev/null || true
        wait "$child" || true
        mask >>"$log"
    fi
    finish "$((128 + $2))" "ended by signal $1; unless this run had already published, the last results stay live"
}

# The output of the run, without passwords.
mask() {
    sed -E -e 's#(://[^:/@[:space:]]+):[^[:space:]]*@#\1:***@#g' \
        -e 's#([Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd]=)[^[:space:]&]+#\1***#g' "$raw"
}

absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$2/$1" ;; esac }

read_settings() { # env file
    local file=$1 mode secret=""
    if [ ! -f "$file" ] || [ ! -r "$file" ]; then
        finish 2 "no settings file $file; copy cron/segpipe.env.example there and fill it in"
    fi
    set -a # what it sets is for the run too
    # shellcheck source=/dev/null
    . "$file" || finish 2 "the settings file $file could not be read as shell settings"
    set +a
    mode=$(ls -lnd -- "$file")
    if [ "${mode:7:1}" = r ]; then
        if [ -n "${HEALTHCHECK_URL:-}" ]; then secret="the URL of the healthcheck"; fi
        case ${DATABASE_URL:-} in *://*:*@*) secret="a password" ;; *) ;; esac
        if [ -n "$secret" ]; then
            warning="$file holds $secret and everybody can read it; run: chmod 600 $file"
        fi
    fi
    if [ -z "${CSV_PATH:-}" ]; then
        finish 2 "$file does not set CSV_PATH, the file of order lines"
    fi
}

# The options of the run, from the settings. Secrets go through the environment, because everybody
# on the machine can see arguments.
set_options() {
    if [ -n "${HEALTHCHECK_URL:-}" ]; then export SEGPIPE_HEALTHCHECK_URL=$HEALTHCHECK_URL; fi
    if [ -n "${METRICS_FILE:-}" ]; then export SEGPIPE_METRICS_FILE=$METRICS_FILE; fi
    # --no-wait: exit with 75 if another run of the store is in progress, as for the lock file.
    options=(--csv-path "$CSV_PATH" --no-wait)
    if [ -n "${CONFIG_PATH:-}" ]; then options+=(--config "$CONFIG_PATH"); fi
    if [ -n "${STORE_ID:-}" ]; then options+=(--store-id "$STORE_ID"); fi
    if [ -n "${SOURCE:-}" ]; then options+=(--source "$SOURCE"); fi
    if [ -n "${TICKETS_PATH:-}" ]; then options+=(--tickets "$TICKETS_PATH"); fi
    if [ -n "${SAMPLE_SIZE:-}" ]; then options+=(--sample-size "$SAMPLE_SIZE"); fi
    if [ -n "${BATCH_SIZE:-}" ]; then options+=(--batch-size "$BATCH_SIZE"); fi
    options+=(${MORE_OPTIONS[@]+"${MORE_OPTIONS[@]}"})
}

failed_line=""
warning=""
trap 'failed_line=$LINENO' ERR
trap on_exit EXIT
trap 'on_signal HUP 1' HUP
trap 'on_signal INT 2' INT
trap 'on_signal TERM 15' TERM

here=$PWD
checkout=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
settings=$(absolute "${1:-${SEGPIPE_ENV:-$checkout/cron/segpipe.env}}" "$here")
cd -- "$checkout"
read_settings "$settings"

LOG_DIR=$(absolute "${LOG_DIR:-logs}" "$checkout")
mkdir -p -- "$LOG_DIR" || finish 73 "the folder of the logs, $LOG_DIR, cannot be made"
log="$LOG_DIR/segpipe-$(date -u +%Y%m%dT%H%M%SZ)-$$.log"
if ! (: >>"$log") 2>/dev/null; then
    log=""
    finish 73 "no log can be written in $LOG_DIR"
fi
if [ -n "$warning" ]; then warn "$warning"; fi

# One run at a time; the lock ends with this script, however it ends.
LOCK_FILE=$(absolute "${LOCK_FILE:-$LOG_DIR/monthly_resegment.lock}" "$checkout")
command -v flock >/dev/null || finish 69 "flock was not found; install util-linux"
mkdir -p -- "$(dirname -- "$LOCK_FILE")" || finish 73 "the lock file $LOCK_FILE cannot be made"
exec 9>>"$LOCK_FILE" || finish 73 "the lock file $LOCK_FILE cannot be opened"
flock -n 9 || finish 75 "another run holds $LOCK_FILE; it continues, this one did nothing"

python=${SEGPIPE_PYTHON:-.venv/bin/python}
case $python in
    */*) python=$(absolute "$python" "$checkout") ;;
    *) python=$(command -v "$python") || python=$SEGPIPE_PYTHON ;;
esac
if [ ! -x "$python" ]; then
    finish 127 "no Python at $python; run make test in $checkout, or set SEGPIPE_PYTHON"
fi

set_options
raw=$(mktemp "$LOG_DIR/.segpipe-output.XXXXXX")
# Into a file, not a pipe: the embedded server outlives the run and would hold a pipe open.
# 9>&-: it would hold the lock, too.
(
    umask "$own_umask"
    exec env PYTHONUNBUFFERED=1 "$python" scripts/load_efficient_segments_to_db.py "${options[@]}"
) >"$raw" 2>&1 </dev/null 9>&- &
child=$!
status=0
wait "$child" || status=$?
child=""
mask >>"$log" || finish 74 "the output of the run cannot be written to the log"

if [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then
    finish "$status" "the run was ended by signal $((status - 128)); unless it had already published, the last results stay live"
elif [ "$status" -ne 0 ]; then
    # The whole error, because a gate prints a line for each reason; else the last line.
    reason=$(mask | awk '
        /^segpipe: error: / { error = substr($0, 17); next }
        NF { sub(/^ +/, ""); last = $0; if (error != "") error = error " " $0 }
        END { print error != "" ? error : last }')
    # The reason may quote data, which does not belong in a healthcheck.
    finish "$status" "${reason:-the run printed nothing}" "the run failed; the reason is in its log"
fi
# An exit status of 0 is not enough: the output must name what was published.
published=$(sed -n 's/^Published  *\(run [0-9][0-9]* of store .*\)$/\1/p' "$raw" | tail -n 1)
if [ -z "$published" ]; then # with --json
    published=$(sed -n 's/^ *"n_published": \([0-9][0-9]*\),$/\1 profiles/p' "$raw" | tail -n 1)
fi
if [ -z "$published" ]; then
    finish 70 "the run ended without reporting that it published anything"
fi
finish 0 "$published"
