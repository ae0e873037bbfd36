package realpostfix

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// postfixCommands are the names for which the installation must also answer
// `postconf -d mail_version`.
var postfixCommands = map[string]bool{
	"postmap": true, "postalias": true, "postconf": true, "postfix": true, "postlog": true,
	"postqueue": true, "postsuper": true, "postcat": true, "sendmail": true,
}

// standard are the folders where packages put these tools, looked at before
// PATH because a Go installation puts its own postmap there.
var standard = []string{
	"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin",
	"/opt/homebrew/sbin", "/opt/homebrew/opt/postfix/sbin", "/usr/pkg/sbin", "/usr/pkg/bin", "/sbin", "/bin",
}

// dbTools are installed under a name with the release of Berkeley DB in front.
var dbPrefixes = []string{"db5.3_", "db_", "db53_", "db6.2_", "db-5.3_", "db-18.1_", "db4.8_", "db48_"}

// candidates gives the file names a tool may have.
func candidates(tool string) []string {
	for _, p := range dbPrefixes {
		if rest, ok := strings.CutPrefix(tool, p); ok {
			var names []string
			for _, q := range dbPrefixes {
				names = append(names, q+rest)
			}
			return names
		}
	}
	if tool == "cdb" {
		return []string{"cdb", "tinycdb"}
	}
	return []string{tool}
}

// locate finds the real program of that name, or says why what was found is
// not it. Both results empty: there is none.
func locate(tool string) (path string, why error) {
	folders := append([]string{os.Getenv("POSTFIXKIT_REAL")}, standard...)
	folders = append(folders, filepath.SplitList(os.Getenv("PATH"))...)
	for _, name := range candidates(tool) {
		for _, folder := range folders {
			if folder == "" {
				continue
			}
			p, err := exec.LookPath(filepath.Join(folder, name))
			if err != nil {
				continue
			}
			if err := foreign(p); err != nil {
				why = err
				continue
			}
			return p, nil
		}
	}
	return "", why
}

// foreign reports nil when the file is a compiled program that Go did not
// build: whatever folder our own commands are installed in, they are not
// taken for the original.
func foreign(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(f, head); err != nil || !compiled(head) {
		return fmt.Errorf("%s is a script or wrapper, not the program", path)
	}
	if info, err := buildinfo.Read(f); err == nil {
		return fmt.Errorf("%s is a Go program (%s), not the original", path, info.Path)
	}
	return nil
}

// compiled knows ELF and Mach-O (both byte orders, and universal files).
func compiled(head []byte) bool {
	switch string(head) {
	case "\x7fELF", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xfe\xed\xfa\xcf", "\xfe\xed\xfa\xce", "\xca\xfe\xba\xbe":
		return true
	}
	return false
}

// installation is what does not change during a test run.
type installation struct {
	mu    sync.Mutex
	paths map[string]string
	why   map[string]error

	once    sync.Once
	version string
	types   map[string]bool
	err     error
}

var machine = &installation{paths: map[string]string{}, why: map[string]error{}}

func (m *installation) path(tool string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.paths[tool]; ok {
		return p, m.why[tool]
	}
	m.paths[tool], m.why[tool] = locate(tool)
	return m.paths[tool], m.why[tool]
}

// ask learns version and table types from the real postconf, with an empty
// main.cf so that a broken /etc/postfix does not matter.
func (m *installation) ask() error {
	m.once.Do(func() {
		postconf, why := m.path("postconf")
		if postconf == "" {
			m.err = fmt.Errorf("no real postconf on %s", runtime.GOOS)
			if why != nil {
				m.err = why
			}
			return
		}
		dir, err := os.MkdirTemp("", "realpostfix")
		if err != nil {
			m.err = err
			return
		}
		defer os.RemoveAll(dir)
		if m.err = writeOld(filepath.Join(dir, "main.cf"), nil); m.err != nil {
			return
		}
		ask := func(args ...string) string {
			cmd := exec.Command(postconf, append([]string{"-c", dir}, args...)...)
			cmd.Env = environment(dir)
			out, err := cmd.Output()
			if err != nil && m.err == nil {
				m.err = fmt.Errorf("%s %s: %w", postconf, strings.Join(args, " "), err)
			}
			return string(out)
		}
		_, version, ok := strings.Cut(ask("-d", "mail_version"), " = ")
		if m.version = strings.TrimSpace(version); !ok || m.version == "" {
			m.err = fmt.Errorf("%s does not answer -d mail_version", postconf)
			return
		}
		m.types = map[string]bool{}
		for _, t := range strings.Fields(ask("-m")) {
			m.types[t] = true
		}
	})
	return m.err
}
