package maincf

import (
	"errors"
	"iter"
	"slices"
	"strconv"

	"github.com/postfixkit/postfixkit/internal/paramdb"
)

// ErrUnknownParam is wrapped by the error for a name that is neither a
// parameter of the release nor set.
var ErrUnknownParam = errors.New("unknown parameter")

// ParamType says what Postfix makes of a value. The zero ParamType is invalid.
type ParamType uint8

// The types of parameters.
const (
	_          ParamType = iota
	StringType           // text; $name is expanded
	RawType              // text taken as it is: $name has another meaning, or none
	IntType              // a whole number
	BoolType             // yes or no
	TimeType             // a number with a unit: s m h d w
)

// String returns "string", "raw", "int", "bool" or "time".
func (t ParamType) String() string {
	switch t {
	case StringType:
		return "string"
	case RawType:
		return "raw"
	case IntType:
		return "int"
	case BoolType:
		return "bool"
	case TimeType:
		return "time"
	}
	return "ParamType(" + strconv.Itoa(int(t)) + ")"
}

// Class says where a parameter comes from.
type Class uint8

// The classes of parameters, as in "postconf -C".
const (
	_       Class = iota
	Builtin       // of Postfix itself
	Service       // made from the name of a master.cf service
	User          // defined in main.cf and used by another value, or a restriction class
)

// String returns "builtin", "service" or "user".
func (c Class) String() string {
	switch c {
	case Builtin:
		return "builtin"
	case Service:
		return "service"
	case User:
		return "user"
	}
	return "Class(" + strconv.Itoa(int(c)) + ")"
}

// A Param is what is known about one parameter, in one release of Postfix.
type Param struct {
	Name  string
	Type  ParamType
	Class Class
	// Default is what applies when main.cf does not set the parameter, with
	// its $names unexpanded. It is "" when Runtime is set.
	Default string
	// Runtime is set when only the running machine knows the default:
	// myhostname, mydomain, mynetworks, process_id.
	Runtime bool
	// ReadOnly parameters are set by Postfix; main.cf cannot.
	ReadOnly bool
	// Legacy is an old name, which still feeds the default of Replaced.
	Legacy bool

	Since      Version // first release that has it; backports to older branches aside
	Until      Version // last branch that has it; zero: still there
	Deprecated Version // from here on Postfix warns; zero: it does not
	Ignored    Version // accepted but without effect from here on; zero: never
	Replaced   string  // the name to use instead, or ""
	Advice     string  // how the deprecation warning of Postfix ends, or ""

	Kind    string   // what the text is: "pathname", "enumeration", "lookup-tables list"
	Values  []string // of an enumeration
	List    bool     // elements separated by comma or white space
	Tables  bool     // the value can name lookup tables
	Summary string   // one sentence, "" for some

	// Limits, nil when Postfix does not check. For TimeType in seconds, for
	// text the length in bytes.
	Min, Max *int64
	// Unit is the unit of a bare number of a TimeType: 's', 'h' or 'd'.
	Unit byte

	History []DefaultChange // defaults by release, oldest first
}

// DefaultChange is a default that holds from a release on.
type DefaultChange struct {
	Since   Version
	Default string
}

func paramOf(p *paramdb.Param, v Version) Param {
	at := v.packed()
	out := Param{
		Name: p.Name, Type: typeOf(p.KindAt(at)), Class: Builtin,
		Default: p.DefaultAt(at, v.Build == Debian),
		Runtime: p.Flags&paramdb.RuntimeOnly != 0, ReadOnly: p.Status == paramdb.ReadOnly, Legacy: p.LegacyAt(at),
		Since: unpack(p.Since), Deprecated: zeroOr(p.Deprecated), Ignored: zeroOr(p.Ignored),
		Replaced: p.Replaced, Advice: p.Advice,
		Kind: p.Class, Values: p.Values, List: p.Flags&paramdb.List != 0, Tables: p.Tables != paramdb.NoTables,
		Summary: p.Summary, Unit: p.Unit,
	}
	if p.Removed != 0 {
		out.Until = unpack(lastBefore(p.Removed))
	}
	if p.Flags&paramdb.HasMin != 0 {
		out.Min = &p.Min
	}
	if p.Flags&paramdb.HasMax != 0 {
		out.Max = &p.Max
	}
	if len(p.History) == 0 {
		first := p.Default
		if p.Status == paramdb.Legacy {
			first = p.OwnDefault
		}
		out.History = append(out.History, DefaultChange{unpack(p.Since), first})
	}
	for _, h := range p.History {
		out.History = append(out.History, DefaultChange{unpack(h.Since), h.Value})
	}
	for _, h := range p.Patches {
		out.History = append(out.History, DefaultChange{unpack(h.Since), h.Value})
	}
	slices.SortStableFunc(out.History, func(a, b DefaultChange) int { return a.Since.Compare(b.Since) })
	switch p.Name {
	case "mail_version":
		out.Default = v.mailVersion(p.Default)
	case "mail_release_date":
		out.Default = v.releaseDate(p.Default)
	}
	return out
}

// mailVersion is the default of mail_version.
func (v Version) mailVersion(newest string) string {
	if v.packed().Branch() == paramdb.Newest.Branch() {
		return newest
	}
	if v.Build == Debian && v.packed() == paramdb.V(3, 7, paramdb.NewestPatch) {
		return "3.7.11"
	}
	if r := v.release(); r.Version != 0 {
		return r.Version.String()
	}
	return v.packed().String()
}

func (v Version) releaseDate(newest string) string {
	if v.packed().Branch() == paramdb.Newest.Branch() {
		return newest
	}
	if v.Build == Debian && v.packed() == paramdb.V(3, 7, paramdb.NewestPatch) {
		v.Patch = 11
	}
	return v.release().Date
}

func zeroOr(p paramdb.Version) Version {
	if p == 0 {
		return Version{}
	}
	return unpack(p)
}

// lastBefore returns the last branch, or release, before v.
func lastBefore(v paramdb.Version) paramdb.Version {
	var last paramdb.Version
	for _, r := range paramdb.Releases() {
		if r.Version < v && r.Version > last {
			last = r.Version
		}
	}
	return last
}

func typeOf(k paramdb.Kind) ParamType {
	switch k {
	case paramdb.Raw:
		return RawType
	case paramdb.Int, paramdb.Long, paramdb.NInt:
		return IntType
	case paramdb.Bool, paramdb.NBool:
		return BoolType
	case paramdb.Time:
		return TimeType
	}
	return StringType
}

// Params yields the built-in parameters of a release by name, old names that
// only feed another default included (Legacy).
func Params(v Version) iter.Seq[Param] {
	return func(yield func(Param) bool) {
		all := paramdb.Params()
		for i := range all {
			if all[i].Exists(v.packed()) && !yield(paramOf(&all[i], v)) {
				return
			}
		}
	}
}

// LookupParam returns what is known about a built-in parameter of any release,
// as it is in the newest one, or was in its last; ok is false for other names.
// For the names made from services, see [Env.Param].
func LookupParam(name string) (p Param, ok bool) {
	q := paramdb.Find(name)
	if q == nil {
		return Param{}, false
	}
	v := Newest
	if q.Removed != 0 {
		v = unpack(lastBefore(q.Removed))
	}
	return paramOf(q, v), true
}
