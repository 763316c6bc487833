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
