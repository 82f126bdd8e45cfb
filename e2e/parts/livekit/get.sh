# LiveKit's server, $folder/livekit-server, built from its Go modules. Cold, on 2 cores: minutes.

. ../../toolchain/go.sh
find_go "$(sed -n 's/^go //p' go.mod)"
say "building it"
GOFLAGS='-buildvcs=false -modcacherw' go build -trimpath -ldflags '-s -w' -o "$folder/livekit-server" \
    github.com/livekit/livekit-server/cmd/server || fail "go could not build it"
