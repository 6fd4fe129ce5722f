#!/usr/bin/env bash
# Builds immudb, one of the peers, from the Go module proxy: bash benchmarks/immudb.sh FOLDER
# Its module replaces a dependency, which `go install` does not heed: hence a module of our own that does the same.
set -euo pipefail
folder=$(mkdir -p "${1:?Name a folder for the program}" && cd "$1" && pwd)
module=$(mktemp -d)
trap 'rm -rf "$module"' EXIT
cd "$module"
go mod init peer
go mod edit -require github.com/codenotary/immudb@v1.9.5 \
  -replace github.com/takama/daemon=github.com/codenotary/daemon@v0.0.0-20200507161650-3d4bcb5230f4
printf 'package peer\n\nimport _ "github.com/codenotary/immudb/cmd/immudb/command"\n' > peer.go
go mod tidy
go build -o "$folder/immudb" github.com/codenotary/immudb/cmd/immudb
