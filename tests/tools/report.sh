# Sourced by the runners of the C and C++ tests: one line per test, and a summary.
#
# A skip says why. With FSSIM_NO_SKIP=1 it is a failure.

passed=0
failed=0
skipped=0

pass() {
    passed=$((passed + 1))
    echo "ok: $1"
}

# fail NAME [FILE WITH DETAILS]
fail() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    if [[ -n ${2:-} ]]; then
        sed 's/^/    /' "$2" | head -n 60
    fi
}

# skip NAME REASON
skip() {
    if [[ ${FSSIM_NO_SKIP:-0} == 1 ]]; then
        failed=$((failed + 1))
        echo "FAILED: $1: skipped, and FSSIM_NO_SKIP=1: $2"
    else
        skipped=$((skipped + 1))
        echo "skipped: $1: $2"
    fi
}

# expect NAME COMMAND...: passes when the command succeeds; shows what it printed when not.
expect() {
    local name=$1 log=$out/expect.log
    shift
    if "$@" > "$log" 2>&1; then pass "$name"; else fail "$name" "$log"; fi
}

# program LABEL COMMAND...: runs a program that prints "ok: NAME", "skipped: NAME: REASON" or "FAILED: NAME" for each
# of its tests, and counts them. One that dies or tests nothing is a failure of its own.
program() {
    local label=$1 log=$out/program.log status=0 line tests=0 own_failures=0
    shift
    "$@" > "$log" 2> "$log.err" || status=$?
    while IFS= read -r line; do
        case $line in
            "ok: "*) pass "$label: ${line#ok: }" ;;
            "skipped: "*) line=${line#skipped: }; skip "$label: ${line%%: *}" "${line#*: }" ;;
            "FAILED: "*) fail "$label: ${line#FAILED: }"; own_failures=1 ;;
            *) echo "    $line"; continue ;;
        esac
        tests=$((tests + 1))
    done < "$log"
    if [[ $status != 0 && $own_failures == 0 ]]; then
        fail "$label: ended with status $status" "$log.err"
    elif [[ $tests == 0 ]]; then
        fail "$label: ran no test" "$log.err"
    elif [[ $own_failures == 1 ]]; then
        sed 's/^/    /' "$log.err" | head -n 60
    fi
}

# Prints the summary; its status is that of the whole run.
summary() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [[ $failed == 0 ]]
}
