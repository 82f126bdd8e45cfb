# Autobahn's suite of WebSocket conformance tests, $folder/bin/wstest. It is Python 2 code.

find_python2() {
    local python by_pyenv
    by_pyenv=$(echo "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7)
    for python in "${PYTHON2:-}" "$by_pyenv" "$(command -v python2.7)"; do
        # On PATH may be pyenv's shim without an interpreter behind it.
        "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null && echo "$python" && return
    done
    fail "Autobahn's suite needs CPython 2.7: pyenv install 2.7.18, or PYTHON2=/path/to/python2.7"
}

python2=$(find_python2)
quiet=(--quiet --quiet --quiet --disable-pip-version-check)
say "installing with $python2"
"$python2" -m pip install "${quiet[@]}" --target "$folder/virtualenv" 'virtualenv<20.22'
PYTHONPATH=$folder/virtualenv "$python2" -m virtualenv --quiet "$folder"
"$folder/bin/pip" install "${quiet[@]}" --no-deps --requirement requirements.txt
