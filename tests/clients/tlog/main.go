// Read a log as two published clients of transparency logs do, and tell what they found.
//
// Standard input is a JSON object: url (the prefix of the log), token, vkey, and witnesses (verifier keys, may be absent).
// Tessera's fsck reads every entry bundle, computes every tile from it, and compares tiles, root and signature; its
// client builds and checks an inclusion proof per asked entry. The client of Go's checksum database authenticates every
// tile against the signed root and proves the same entries.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type told struct {
	URL, Token, Vkey string
	Witnesses        []string
	Entries          []uint64
	Fsck             bool
}

type found struct {
	Origin    string
	Size      uint64
	Root      string
	Leaves    []string
	Witnesses []string
}

// reader reads tiles for the client of the checksum database, whose addresses are older than the common ones.
type reader struct {
	base  string
	token string
}

func (r reader) Height() int                         { return layout.TileHeight }
func (r reader) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := r.get(layout.TilePath(uint64(t.L), uint64(t.N), uint8(t.W%layout.TileWidth)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (r reader) get(path string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, r.base+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", r.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func hashes(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var all [][]byte
	for _, entry := range b.Entries {
		all = append(all, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return all, nil
}

func run(asked told) (*found, error) {
	ctx := context.Background()
	verifier, err := note.NewVerifier(asked.Vkey)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(asked.URL)
	if err != nil {
		return nil, err
	}
	fetcher, err := client.NewHTTPFetcher(base, nil)
	if err != nil {
		return nil, err
	}
	token := "Bearer " + asked.Token
	fetcher.SetAuthorizationHeader(token)
	origin := verifier.Name()
	if asked.Fsck {
		if err := fsck.New(origin, verifier, fetcher, hashes, fsck.Opts{N: 2}).Check(ctx); err != nil {
			return nil, fmt.Errorf("fsck: %w", err)
		}
	}
	head, raw, _, err := client.FetchCheckpoint(ctx, fetcher.ReadCheckpoint, verifier, origin)
	if err != nil {
		return nil, err
	}
	result := &found{Origin: head.Origin, Size: head.Size, Root: hex.EncodeToString(head.Hash)}
	var witnesses []note.Verifier
	for _, vkey := range asked.Witnesses {
		one, err := fnote.NewVerifierForCosignatureV1(vkey)
		if err != nil {
			return nil, err
		}
		witnesses = append(witnesses, one)
	}
	_, _, opened, err := log.ParseCheckpoint(raw, origin, verifier, witnesses...)
	if err != nil {
		return nil, err
	}
	for _, signature := range opened.Sigs {
		if signature.Name != origin {
			result.Witnesses = append(result.Witnesses, signature.Name)
		}
	}
	builder, err := client.NewProofBuilder(ctx, head.Size, fetcher.ReadTile)
	if err != nil {
		return nil, err
	}
	tree := tlog.Tree{N: int64(head.Size), Hash: tlog.Hash(head.Hash)}
	authenticated := tlog.TileHashReader(tree, reader{base: asked.URL, token: token})
	for _, index := range asked.Entries {
		bundle, err := client.GetEntryBundle(ctx, fetcher.ReadEntryBundle, index/layout.EntryBundleWidth, head.Size)
		if err != nil {
			return nil, err
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(bundle.Entries[index%layout.EntryBundleWidth])
		path, err := builder.InclusionProof(ctx, index)
		if err != nil {
			return nil, err
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, head.Size, leaf, path, head.Hash); err != nil {
			return nil, err
		}
		record, err := tlog.ProveRecord(tree.N, int64(index), authenticated)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckRecord(record, tree.N, tree.Hash, int64(index), tlog.Hash(leaf)); err != nil {
			return nil, err
		}
		result.Leaves = append(result.Leaves, hex.EncodeToString(leaf))
	}
	return result, nil
}

func main() {
	var asked told
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !strings.HasSuffix(asked.URL, "/") {
		asked.URL += "/"
	}
	result, err := run(asked)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
