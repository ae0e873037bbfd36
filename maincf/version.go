package maincf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/internal/paramdb"
)

// A Version is a release of Postfix, as published or as a distribution builds
// it. The zero Version stands for the newest release this package knows.
// Versions are compared with Compare.
type Version struct {
	Major, Minor int
	Patch        int   // NewestPatch: the newest of the branch
	Build        Build // whose defaults
}

// NewestPatch as the Patch of a [Version] is the newest release of its branch.
const NewestPatch = -1

// Build says who built Postfix: a few defaults, such as folders, are chosen
// then.
type Build uint8

// The builds whose defaults are known.
const (
	Upstream Build = iota // as published
	Debian                // Debian and what comes from it
)

// String returns "upstream" or "debian".
func (b Build) String() string {
	if b == Debian {
		return "debian"
	}
	return "upstream"
}

// Oldest and Newest are the first and the last branch that is known.
var (
	Oldest = Version{Major: 1, Minor: 1, Patch: NewestPatch}
	Newest = Version{Major: 3, Minor: 12, Patch: NewestPatch}
)

// ParseVersion reads "3.7", "3.7.11", "3.12-20260821" (a snapshot counts as its
// branch) and the same with "/debian" or "-debian" behind it. Without a patch
// number it is the newest release of the branch.
func ParseVersion(s string) (Version, error) {
	v := Version{Patch: NewestPatch}
	text := strings.ToLower(s)
	for _, suffix := range []string{"/debian", "-debian", "/upstream", "-upstream"} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text = rest
			if strings.HasSuffix(suffix, "debian") {
				v.Build = Debian
			}
			break
		}
	}
	text, _, _ = strings.Cut(text, "-")
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return Version{}, versionError(s)
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n >= paramdb.NewestPatch || part[0] == '+' {
			return Version{}, versionError(s)
		}
		*[]*int{&v.Major, &v.Minor, &v.Patch}[i] = n
	}
	if v.Compare(Version{Major: 1, Minor: 1}) < 0 {
		return Version{}, fmt.Errorf("maincf: Postfix release %q is older than %v, the oldest known", s, Oldest)
	}
	if v.packed().Branch() > paramdb.Newest.Branch() {
		return Version{}, fmt.Errorf("maincf: Postfix release %q is newer than %v, the newest known", s, Newest)
	}
	return v, nil
}

func versionError(s string) error {
	return fmt.Errorf("maincf: %q is not a Postfix release (want 3.12, 3.7.11 or 3.7/debian)", s)
}

// String returns "3.7", "3.7.11" or "3.7/debian"; the zero Version is
// "newest".
func (v Version) String() string {
	if v == (Version{}) {
		return "newest"
	}
	s := v.packed().String()
	if v.Build != Upstream {
		s += "/" + v.Build.String()
	}
	return s
}

// Compare returns -1, 0 or 1 when v is older than w, the same release, or
// newer. Who built it does not matter.
func (v Version) Compare(w Version) int {
	a, b := v.packed(), w.packed()
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// IsZero reports whether v is the zero Version.
func (v Version) IsZero() bool { return v == (Version{}) }

func (v Version) packed() paramdb.Version {
	if v.Major == 0 && v.Minor == 0 {
		return paramdb.Newest
	}
	patch := v.Patch
	if patch < 0 || patch > paramdb.NewestPatch {
		patch = paramdb.NewestPatch
	}
	return paramdb.V(v.Major, v.Minor, patch)
}

// unpack is the opposite of packed; 0 gives the zero Version.
func unpack(p paramdb.Version) Version {
	major, minor, patch := p.Parts()
	if patch == paramdb.NewestPatch {
		patch = NewestPatch
	}
	return Version{Major: major, Minor: minor, Patch: patch}
}

// release returns the published release that v stands for: for a branch its
// newest one.
func (v Version) release() paramdb.Release {
	p := v.packed()
	var best paramdb.Release
	for _, r := range paramdb.Releases() {
		if r.Version == p || r.Version.Branch() == p.Branch() && r.Version <= p {
			best = r
		}
	}
	return best
}

// Branch returns the branch of a release: 3.7 for 3.7.11.
func (v Version) Branch() Version {
	v.Patch = NewestPatch
	return v
}
