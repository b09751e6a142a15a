// Checks an exported log with golang.org/x/mod/sumdb/{note,tlog} alone: nothing of the archive takes part.
//
//	check DIR VKEY [OLD_CHECKPOINT]
//	check http://…/log/FONDS VKEY ENTRIES
//
// The signature and form of the checkpoint; the root from the entry bundles; every stored hash through the hash tiles, each
// authenticated against the signed root; an inclusion proof for each of up to 1,000 entries, made from the tiles; the consistency
// of an older checkpoint. Prints one line and exits 0, or says what is wrong and exits 1.
//
// A log that is served is followed without an account, by checkpoint and hash tiles alone, until it has ENTRIES: each checkpoint's
// signature, that it extends the one before, and every hash below its root.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	batch      = 1 << 14 // stored hashes
)

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(h)) {
			return nil, errors.New("hash index out of range")
		}
		found[i] = h[at]
	}
	return found, nil
}

type tiles struct {
	read func(path string) ([]byte, error)
}

func in(dir string) tiles {
	return tiles{func(path string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, path)) }}
}

func served(url string) tiles {
	return tiles{func(path string) ([]byte, error) {
		answer, err := http.Get(url + "/" + path)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s", path, answer.Status)
		}
		return io.ReadAll(answer.Body)
	}}
}

func (t tiles) Height() int { return tileHeight }

// A tile's path here has no height in it; otherwise the form is the same.
func (t tiles) ReadTiles(asked []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range asked {
		data, err := t.read(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %d bytes", tile.Path(), len(data))
		}
		found = append(found, data)
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func open(data []byte, err error, verifier note.Verifier) (tlog.Tree, error) {
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	var tree tlog.Tree
	var root string
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tree, errors.New("not a checkpoint of this log")
	}
	if _, err := fmt.Sscanf(lines[1]+" "+lines[2], "%d %s", &tree.N, &root); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(root)
	return tree, err
}

func bundle(dir string, n int64, width int) ([][]byte, error) {
	path := strings.Replace(tlog.Tile{H: tileHeight, L: -1, N: n, W: width}.Path(), "tile/8/data/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for reader := bytes.NewReader(data); reader.Len() > 0; {
		var length uint16
		if err := binary.Read(reader, binary.BigEndian, &length); err != nil {
			return nil, err
		}
		entry := make([]byte, length)
		if n, err := reader.Read(entry); n != int(length) || (err != nil && length > 0) {
			return nil, fmt.Errorf("%s: cut short", path)
		}
		entries = append(entries, entry)
	}
	if len(entries) != width {
		return nil, fmt.Errorf("%s: %d entries", path, len(entries))
	}
	return entries, nil
}

func check(dir, vkey string, older string) (string, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	files := in(dir)
	data, err := files.read("checkpoint")
	tree, err := open(data, err, verifier)
	if err != nil {
		return "", err
	}
	var stored hashes
	var records []tlog.Hash
	for n := int64(0); n*256 < tree.N; n++ {
		width := 256
		if rest := tree.N - n*256; rest < 256 {
			width = int(rest)
		}
		entries, err := bundle(dir, n, width)
		if err != nil {
			return "", err
		}
		for _, entry := range entries {
			more, err := tlog.StoredHashes(int64(len(records)), entry, stored)
			if err != nil {
				return "", err
			}
			records = append(records, tlog.RecordHash(entry))
			stored = append(stored, more...)
		}
	}
	root, err := tlog.TreeHash(tree.N, stored)
	if err != nil {
		return "", err
	}
	if root != tree.Hash {
		return "", fmt.Errorf("root of the entries: %v, signed: %v", root, tree.Hash)
	}
	reader := tlog.TileHashReader(tree, files)
	// Many at a time: a tile is read and authenticated once for all hashes that are asked of it together.
	for start := 0; start < len(stored); start += batch {
		asked := make([]int64, min(batch, len(stored)-start))
		for i := range asked {
			asked[i] = int64(start + i)
		}
		found, err := reader.ReadHashes(asked)
		if err != nil {
			return "", err
		}
		for i, hash := range found {
			if hash != stored[start+i] {
				return "", fmt.Errorf("stored hash %d differs", start+i)
			}
		}
	}
	step := tree.N/1000 + 1
	for at := int64(0); at < tree.N; at += step {
		proof, err := tlog.ProveRecord(tree.N, at, reader)
		if err != nil {
			return "", err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, at, records[at]); err != nil {
			return "", err
		}
	}
	said := fmt.Sprintf("%s: %d entries, root %v", verifier.Name(), tree.N, tree.Hash)
	if older == "" {
		return said, nil
	}
	data, err = os.ReadFile(older)
	old, err := open(data, err, verifier)
	if err != nil {
		return "", err
	}
	if old.N > tree.N {
		return "", fmt.Errorf("rolled back: %d signed, %d now", old.N, tree.N)
	}
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return "", err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, extends %d", said, old.N), nil
}

func follow(url, vkey string, entries int64) (string, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	files := served(url)
	var last tlog.Tree
	var leaves []tlog.Hash
	checkpoints := 0
	for last.N < entries {
		data, err := files.read("checkpoint")
		tree, err := open(data, err, verifier)
		if err != nil {
			return "", err
		}
		if tree.N < last.N || (tree.N == last.N && tree.Hash != last.Hash) {
			return "", fmt.Errorf("rolled back: %d signed, %d now", last.N, tree.N)
		}
		if tree.N == last.N {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		reader := tlog.TileHashReader(tree, files)
		if last.N > 0 {
			proof, err := tlog.ProveTree(tree.N, last.N, reader)
			if err != nil {
				return "", err
			}
			if err := tlog.CheckTree(proof, tree.N, tree.Hash, last.N, last.Hash); err != nil {
				return "", err
			}
		}
		// The new leaves, each authenticated against the signed root.
		for start := last.N; start < tree.N; start += batch {
			var asked []int64
			for at := start; at < tree.N && at < start+batch; at++ {
				asked = append(asked, tlog.StoredHashIndex(0, at))
			}
			found, err := reader.ReadHashes(asked)
			if err != nil {
				return "", err
			}
			leaves = append(leaves, found...)
		}
		last = tree
		checkpoints++
	}
	// All that was seen on the way makes the root that is signed in the end.
	var stored hashes
	for at, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(at), leaf, stored)
		if err != nil {
			return "", err
		}
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(last.N, stored)
	if err != nil {
		return "", err
	}
	if root != last.Hash {
		return "", fmt.Errorf("root of the hashes seen: %v, signed: %v", root, last.Hash)
	}
	return fmt.Sprintf("%s: %d entries, %d checkpoints, root %v", verifier.Name(), last.N, checkpoints, root), nil
}

func main() {
	if len(os.Args) > 3 && strings.HasPrefix(os.Args[1], "http://") {
		entries, err := strconv.ParseInt(os.Args[3], 10, 64)
		said := ""
		if err == nil {
			said, err = follow(os.Args[1], os.Args[2], entries)
		}
		if err != nil {
			fmt.Println("rejected:", err)
			os.Exit(1)
		}
		fmt.Println("accepted:", said)
		return
	}
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: check DIR VKEY [OLD_CHECKPOINT] | check URL VKEY ENTRIES")
		os.Exit(2)
	}
	older := ""
	if len(os.Args) > 3 {
		older = os.Args[3]
	}
	said, err := check(os.Args[1], os.Args[2], older)
	if err != nil {
		fmt.Println("rejected:", err)
		os.Exit(1)
	}
	fmt.Println("accepted:", said)
}
