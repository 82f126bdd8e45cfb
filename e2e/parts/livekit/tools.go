//go:build tools

// Package livekit names the program that get.sh builds, so that go.mod keeps its modules.
package livekit

import _ "github.com/livekit/livekit-server/cmd/server"
