// Package paramdb knows the parameters of main.cf: what they are called, what
// they mean, and which default they have in which release of Postfix. It is
// data: the files in data, compiled into table.go by the generator in gen.
//
// Package maincf shows it to users.
package paramdb

import (
	"sort"
	"strconv"
	"strings"
)

//go:generate go run ./gen

// Version is a release: major<<16 | minor<<8 | patch. The order of numbers is
// the order of releases in a branch.
type Version uint32

// Patch 255 stands for the newest release of a branch.
const NewestPatch = 255

// V makes a Version.
func V(major, minor, patch int) Version {
	return Version(major<<16 | minor<<8 | patch&0xff)
}

// Branch returns the version with patch 0.
func (v Version) Branch() Version { return v &^ 0xff }

// Parts returns the three numbers.
func (v Version) Parts() (major, minor, patch int) {
	return int(v >> 16), int(v >> 8 & 0xff), int(v & 0xff)
}

// String returns "3.7.11", or "3.7" when the patch is NewestPatch.
func (v Version) String() string {
	major, minor, patch := v.Parts()
	s := strconv.Itoa(major) + "." + strconv.Itoa(minor)
	if patch != NewestPatch {
		s += "." + strconv.Itoa(patch)
	}
	return s
}

// Kind is what Postfix makes of a value.
type Kind uint8

// The kinds of parameters.
const (
	_      Kind = iota
	String      // text, $name expanded
	Raw         // text, taken as it is
	Int
	Long
	Bool
	Time
	NInt  // Int with a default that is an expression
	NBool // Bool with a default that is an expression
)

// Status says what became of a parameter.
type Status uint8

// The states of parameters in the newest release.
const (
	_ Status = iota
	Active
	ReadOnly   // set by Postfix itself
	Deprecated // works, Postfix warns
	Legacy     // an old name that still feeds the default of its replacement
	Removed
)

// Tables says how a value names lookup tables.
type Tables uint8

// The ways to name tables.
const (
	NoTables     Tables = iota
	TableList           // every element is a type:name
	MatchList           // elements may be type:name, !type:name, /file and others
	Restrictions        // bare type:name, and arguments of check_… restrictions
)

// Flags are facts that are true or not.
type Flags uint16

// The flags.
const (
	List        Flags = 1 << iota // elements separated by comma or white space
	Multi                         // several of Values may be given
	ExactCase                     // Values are compared with their case
	EmptyOK                       // an empty value is among the allowed ones
	HasMin                        // Min is checked
	HasMax                        // Max is checked
	HasDebian                     // Debian differs, see Debian
	NoProxy                       // proxy: is refused in this table parameter
	NoSubst                       // $1 is refused in this table parameter
	NoUnauth                      // tables with unauthenticated answers are refused
	FoldKeys                      // keys are folded to lower case
	Parents                       // in the default of parent_domain_matches_subdomains
	RuntimeOnly                   // the default is computed on the running machine
	BuildTime                     // the default is chosen when Postfix is built
	Undocument                    // has no entry in postconf(5)
	OpenValues                    // Values are not all there are
)

// Change is a value that holds from a release on.
type Change struct {
	Since Version
	Value string
}

// Param is one parameter.
type Param struct {
	Name     string
	Kind     Kind
	Status   Status
	Tables   Tables
	Unit     byte // 's', 'h' or 'd': of a bare number of a Time
	Flags    Flags
	Default  string   // of the newest release
	History  []Change // by branch, oldest first; empty when it never changed
	Patches  []Change // inside branches, oldest first
	Kinds    []Change // kinds in earlier releases, as digits
	Debian   string   // Debian 3.7.11's default, when HasDebian
	Min, Max int64    // seconds for Time, bytes for text
	Class    string   // what the text is: "pathname", "enumeration", …
	Values   []string // of an enumeration
	Summary  string

	Since      Version
	Backports  []Version // releases of older branches that have it too
	Deprecated Version
	Removed    Version
	Renamed    Version // Legacy: from this release on only an old name
	Ignored    Version // accepted but without effect from here on
	OwnDefault string  // Legacy: the last default it had itself
	Advice     string  // what the deprecation warning says to do
	Replaced   string  // the name to use instead
}

// Template is a family of names made from service names of master.cf.
type Template struct {
	Suffix   string
	Base     string // the parameter the default refers to
	Kind     Kind
	Unit     byte
	Flags    Flags
	Min, Max int64
	Since    Version
	Programs []string // master.cf commands that have it
}

// Restriction is an smtpd access restriction.
type Restriction struct {
	Name     string
	Arg      Arg
	Status   Status
	Replaced string
}

// Arg is what follows the name of a restriction in a list.
type Arg uint8

// The arguments of restrictions.
const (
	NoArg Arg = iota
	TableArg
	DomainArg
	OtherArg
)

// Release is a published release.
type Release struct {
	Version Version
	Date    string // as in mail_release_date; "" for the oldest
}

// Newest is the release the data describes as the current one.
const Newest = Version(3<<16 | 12<<8 | NewestPatch)

// Params returns every parameter there is or was, by name. The slice is shared:
// it must not be changed.
func Params() []Param { return params[:] }

// Templates returns the service parameters, in the order of postconf(1).
func Templates() []Template { return templates[:] }

// AllRestrictions returns the smtpd restrictions by name.
func AllRestrictions() []Restriction { return restrictions[:] }

// Releases returns the published releases, oldest first.
func Releases() []Release { return releases[:] }

// Find returns the parameter of that name, or nil.
func Find(name string) *Param {
	// The names are in a table of their own too: a search touches little
	// memory, which counts in a command that ends after a millisecond.
	lo, hi := 0, len(names)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := strings.Compare(names[mid], name); {
		case c == 0:
			return &params[mid]
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil
}

// FindRestriction returns the restriction of that name, given in lower case, or
// nil.
func FindRestriction(name string) *Restriction {
	i := sort.Search(len(restrictions), func(i int) bool { return restrictions[i].Name >= name })
	if i < len(restrictions) && restrictions[i].Name == name {
		return &restrictions[i]
	}
	return nil
}

// ClientNames returns the parameter names a database client of that type (ldap,
// mysql, …) reads from its file or, with a prefix, from main.cf; nil for other
// types.
func ClientNames(typ string) []string {
	for i := range clients {
		if clients[i].typ == typ {
			return clients[i].names
		}
	}
	return nil
}

type client struct {
	typ   string
	names []string
}

// Exists reports whether release v has the parameter, as itself or as the old
// name of another one.
func (p *Param) Exists(v Version) bool {
	if p.Removed != 0 && v >= p.Removed {
		return false
	}
	if v >= p.Since {
		return true
	}
	for _, b := range p.Backports {
		if b.Branch() == v.Branch() && v >= b {
			return true
		}
	}
	return false
}

// LegacyAt reports whether the parameter is only an old name in release v.
func (p *Param) LegacyAt(v Version) bool { return p.Status == Legacy && v >= p.Renamed }

// DefaultAt returns the default in release v, in Debian's build or as
// published. It is "" for RuntimeOnly.
func (p *Param) DefaultAt(v Version, debian bool) string {
	if debian && p.Flags&HasDebian != 0 && (v.Branch() == V(3, 7, 0) || p.Flags&BuildTime != 0) {
		return p.Debian
	}
	def := p.Default
	if p.Status == Legacy && !p.LegacyAt(v) {
		def = p.OwnDefault
	}
	if len(p.History) > 0 && v < p.History[0].Since {
		def = p.History[0].Value // a release that got it later than the next branch
	}
	for _, h := range p.History {
		// What the newest release has depends on the build for some; Default
		// is the recorded one.
		if h.Since <= v && v.Branch() < Newest.Branch() {
			def = h.Value
		}
	}
	if len(p.History) > 0 && p.LegacyAt(v) {
		def = p.Default
	}
	for _, h := range p.Patches {
		if h.Since.Branch() == v.Branch() && h.Since <= v {
			def = h.Value
		}
	}
	return def
}

// KindAt returns the kind in release v.
func (p *Param) KindAt(v Version) Kind {
	kind := p.Kind
	for _, k := range p.Kinds {
		if k.Since <= v {
			kind = Kind(k.Value[0] - '0')
		}
	}
	return kind
}
