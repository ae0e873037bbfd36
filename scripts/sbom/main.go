// Command sbom prints the software bill of materials of Go binaries, as
// CycloneDX 1.5 JSON, from what the Go command recorded in them.
//
//	go run ./scripts/sbom dist/linux-amd64/postmap > postmap.cdx.json
package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type bom struct {
	BOMFormat   string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("sbom: ")
	if len(os.Args) < 2 {
		log.Fatal("usage: sbom BINARY...")
	}
	b := bom{BOMFormat: "CycloneDX", SpecVersion: "1.5", Version: 1}
	seen := map[string]bool{}
	add := func(c component) {
		if !seen[c.Name+c.Version] {
			seen[c.Name+c.Version] = true
			b.Components = append(b.Components, c)
		}
	}
	for _, path := range os.Args[1:] {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		main := module(&info.Main)
		main.Type = "application"
		b.Metadata.Component = main
		add(component{Type: "application", Name: filepath.Base(path), Version: info.Main.Version})
		add(component{Type: "library", Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"), PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")})
		for _, d := range info.Deps {
			if d.Replace != nil {
				d = d.Replace
			}
			add(module(d))
		}
	}
	slices.SortFunc(b.Components, func(x, y component) int { return strings.Compare(x.Name+x.Version, y.Name+y.Version) })
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(b); err != nil {
		log.Fatal(err)
	}
}

// module describes a module; the h1: sum of go.sum is a SHA-256 over its files.
func module(m *debug.Module) component {
	c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version}
	if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		if raw, err := base64.StdEncoding.DecodeString(sum); err == nil {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		}
	}
	return c
}
