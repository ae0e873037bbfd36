package postfixkit_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/postfixkit/postfixkit"

// importRules say what the packages of this module may import besides the
// standard library; what has no rule may import nothing. A name that ends in
// "/..." stands for everything below it too. Tests may import what they like.
var importRules = []struct {
	packages string
	may      []string
}{
	{"diag", nil},
	{"table", []string{"internal/casefold"}},

	{"internal/mmap", []string{"golang.org/x/sys/..."}},
	{"internal/filelock", []string{"golang.org/x/sys/..."}},
	{"internal/atomicfile", []string{"golang.org/x/sys/..."}},
	{"internal/...", []string{"diag", "internal/..."}},

	{"textmap", []string{"diag", "table", "internal/cflines", "internal/casefold", "internal/mailaddr", "internal/atomicfile"}},
	{"aliases", []string{"diag", "table", "internal/cflines", "internal/casefold", "internal/inet", "internal/mailaddr", "internal/atomicfile"}},
	{"maincf", []string{"diag", "table", "internal/cflines", "internal/macro", "internal/near", "internal/paramdb", "internal/atomicfile"}},
	{"mastercf", []string{"diag", "internal/cflines", "internal/near", "internal/atomicfile"}},

	// The table files know nothing of Postfix: bytes in, bytes out.
	{"hashmap/boltmap", []string{"go.etcd.io/bbolt", "go.etcd.io/bbolt/errors", "internal/arena"}},
	{"hashmap/bdb", []string{"internal/mmap", "internal/arena"}},
	{"hashmap/cdb", []string{"internal/mmap", "internal/arena", "internal/sink"}},
	{"hashmap/lmdb", []string{"internal/mmap", "internal/arena", "internal/sink"}},
	{"hashmap", []string{"hashmap/...", "diag", "table", "textmap", "internal/arena", "internal/atomicfile", "internal/casefold",
		"internal/filelock", "internal/mmap", "github.com/cespare/xxhash/v2"}},

	{"regexpmap/internal/engine", []string{"regexpmap/internal/pattern"}},
	{"regexpmap/internal/pattern", nil},
	{"regexpmap", []string{"diag", "table", "internal/cflines", "internal/macro", "internal/literal", "internal/casefold", "github.com/dlclark/regexp2/v2"}},
	{"socketmap", []string{"table", "internal/casefold", "internal/mapserver"}},
	{"tcptable", []string{"table", "internal/casefold", "internal/mapserver"}},
	{"proxymap", []string{"table", "internal/casefold", "internal/mapserver"}},
	{"cidrmap", []string{"diag", "table", "internal/cflines", "internal/inet"}},
	{"accessmap", []string{"diag", "table", "internal/inet", "internal/mailaddr", "internal/near"}},
	{"addressmap", []string{"table", "internal/casefold", "internal/mailaddr"}},
	{"sqlmap", []string{"diag", "table", "internal/casefold", "internal/cflines", "internal/mailaddr"}},
	{"headercheck", []string{"diag", "table", "internal/mailaddr"}},

	{"examples/...", []string{".", "accessmap", "addressmap", "proxymap", "socketmap", "tcptable", "aliases", "cidrmap", "diag", "hashmap/...", "headercheck", "maincf", "mastercf", "regexpmap", "table", "textmap"}},
	{"cmd/...", []string{"...", "cmd/internal/..."}},
	{"scripts/...", nil},
	// The root brings everything together; nothing below imports it but
	// commands and examples.
	{".", []string{"accessmap", "addressmap", "aliases", "cidrmap", "diag", "hashmap/...", "headercheck", "maincf", "mastercf", "regexpmap", "socketmap", "table", "tcptable", "textmap"}},
}

func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return !strings.HasPrefix(pkg, "cmd/") // nothing imports cmd/<tool>, except its own parts
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pkg == pattern
}

func TestImportRules(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	relative := func(path string) string {
		if path == module {
			return "."
		}
		return strings.TrimPrefix(path, module+"/")
	}
	checked := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; checked++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkg := relative(p.ImportPath)
		var may []string
		rule := slices.IndexFunc(importRules, func(r struct {
			packages string
			may      []string
		}) bool {
			return matches(r.packages, pkg)
		})
		if rule >= 0 {
			may = importRules[rule].may
		} else {
			t.Errorf("%s has no import rule", pkg)
		}
		for _, imp := range p.Imports {
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
				continue // standard library
			}
			imp = relative(imp)
			own := strings.HasPrefix(imp, pkg+"/") // its own internal parts
			if !own && !slices.ContainsFunc(may, func(pattern string) bool { return matches(pattern, imp) }) {
				t.Errorf("%s imports %s (may: %s)", pkg, imp, strings.Join(may, ", "))
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d packages seen", checked)
	}
}

// Internal test support must not reach users: only tests import it.
func TestTestSupportStaysInTests(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), ": ")
		for _, support := range []string{"golden", "faultio", "realpostfix"} {
			if slices.Contains(strings.Fields(imports), module+"/internal/"+support) && !strings.Contains(pkg, "/internal/") {
				t.Errorf("%s imports internal/%s outside its tests", pkg, support)
			}
		}
	}
}

// TestNoCgo looks at every Go file of the repository, those for other systems
// and of the modules beside this one too.
func TestNoCgo(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || d.IsDir() {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			if strings.Contains(path, "testdata") {
				return nil
			}
			return err
		}
		for _, imp := range f.Imports {
			if imp.Path.Value == `"C"` {
				t.Errorf("%s uses cgo", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
