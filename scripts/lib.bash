# Functions that the scripts share. Sourced, not run.

CURRENT_STEP=""
STEPS_DONE=()

# Runs a command under a title and notes how long it took. The first failure ends the script.
#
# It must not stand in an `if` or before `||`: bash would then go on after a failure inside the command.
step() {
    CURRENT_STEP=$1
    shift
    local started=$SECONDS
    printf '\n==> %s: %s\n' "$CURRENT_STEP" "$*"
    "$@"
    STEPS_DONE+=("$(printf '%5d s  %s' $((SECONDS - started)) "$CURRENT_STEP")")
    echo "    done in $((SECONDS - started)) s"
    CURRENT_STEP=""
}

# Says how a script with the exit status $1 has ended; for `trap 'verdict $?' EXIT`.
verdict() {
    local status=$1
    if ((${#STEPS_DONE[@]} > 0)); then
        printf '\n'
        printf '%s\n' "${STEPS_DONE[@]}"
    fi
    if ((status == 0)); then
        echo "PASSED in $SECONDS s"
    else
        echo "FAILED${CURRENT_STEP:+ at \"$CURRENT_STEP\"} after $SECONDS s (exit status $status)" >&2
    fi
}

fail() {
    echo "error: $*" >&2
    exit 1
}

# The program between the example markers of a Markdown file, without its fence.
readme_example() {
    local program
    program=$(awk '
        /<!-- example:end -->/ { inside = 0 }
        inside && !/^```/ { print }
        /<!-- example:begin -->/ { inside = 1 }
    ' "$1")
    [[ $program == *"fn main"* ]] || fail "$1 has no program between <!-- example:begin --> and <!-- example:end -->"
    printf '%s\n' "$program"
}

# The sections of a TOML file whose names begin with $1, as they stand there.
toml_sections() {
    awk -v prefix="[$1" '/^\[/ { inside = index($0, prefix) == 1 } inside { print }' "$2"
}

# Starts an etcd with its data in the directory $1, and sets ETCD_URL; whoever calls it ends with `stop_etcd`.
start_etcd() {
    local attempt port
    for attempt in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        ETCD_URL=http://127.0.0.1:$port
        etcd --name a --data-dir "$1/etcd-$attempt" --log-level error \
            --listen-client-urls "$ETCD_URL" --advertise-client-urls "$ETCD_URL" \
            --listen-peer-urls "http://127.0.0.1:$((port + 1))" \
            --initial-advertise-peer-urls "http://127.0.0.1:$((port + 1))" \
            --initial-cluster "a=http://127.0.0.1:$((port + 1))" >"$1/etcd-$attempt.log" 2>&1 &
        ETCD_PID=$!
        # One that finds its port taken ends by itself.
        while kill -0 "$ETCD_PID" 2>/dev/null; do
            if ETCDCTL_API=3 etcdctl --endpoints "$ETCD_URL" endpoint health >/dev/null 2>&1; then
                return
            fi
            sleep 0.1
        done
    done
    cat "$1/etcd-$attempt.log" >&2
    fail "etcd does not start"
}

stop_etcd() {
    if [[ -n ${ETCD_PID:-} ]]; then
        kill "$ETCD_PID" 2>/dev/null || true
        wait "$ETCD_PID" 2>/dev/null || true
        ETCD_PID=""
    fi
}
