# For scripts that build Go programs: a go that is new enough, on PATH. Needs say and fail of who sources it.

GO_FETCHES_NEWER=1.21 # from this one on, go downloads the toolchain that go.mod asks for

is_at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

go_version() { GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//'; }

find_go() { # VERSION
    local needed=$1 found
    command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
    if ! command -v go >/dev/null && [[ $EUID == 0 ]] && command -v apt-get >/dev/null; then
        say "no Go here: apt-get install golang-go"
        { apt-get -qq update && apt-get -qq install -y --no-install-recommends golang-go; } >/dev/null ||
            say "apt-get could not install it"
    fi
    command -v go >/dev/null || fail "Go $needed or newer is needed: https://go.dev/dl, then put it on PATH"
    found=$(go_version)
    is_at_least "$found" "$needed" && return
    is_at_least "$found" "$GO_FETCHES_NEWER" ||
        fail "$(command -v go) is $found, $needed or newer is needed: https://go.dev/dl, then put it on PATH"
    say "Go $found will fetch $needed"
    export GOTOOLCHAIN=auto
}
