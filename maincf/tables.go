package maincf

import (
	"iter"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/paramdb"
	"github.com/postfixkit/postfixkit/table"
)

// A TableUse is one place where a configuration uses a lookup table.
type TableUse struct {
	Spec  table.Spec
	Param string      // the parameter whose value leads to the table
	At    *Assignment // where it is set; nil for a default or an override
	Span  diag.Span   // of the element of the value; zero when At is nil
	// Via are the tables around this one, outermost first: the use of
	// hash:/etc/aliases in proxy:hash:/etc/aliases has one.
	Via []table.Spec
	// Restriction is the check_… restriction whose argument the table is, or "".
	Restriction string
}

// Tables yields every table that the configuration reaches, in the order of
// parameter names: those in lists, match lists, restrictions and restriction
// classes, and those inside other tables (proxy:, debug:, pipemap:, unionmap:).
// The assignment is nil for a table of a default or an override. See
// [Env.TableUses] for the exact places.
func (e *Env) Tables() iter.Seq2[table.Spec, *Assignment] {
	return func(yield func(table.Spec, *Assignment) bool) {
		for u := range e.TableUses() {
			if !yield(u.Spec, u.At) {
				return
			}
		}
	}
}

// TableUses yields every place where the configuration uses a table. A value
// that cannot be expanded contributes nothing; [Env.Check] reports it.
func (e *Env) TableUses() iter.Seq[TableUse] {
	return func(yield func(TableUse) bool) {
		w := &tableWalk{e: e, yield: yield}
		at := e.Version.packed()
		for i := range paramdb.Params() {
			p := &paramdb.Params()[i]
			if p.Tables != paramdb.NoTables && p.Exists(at) && !p.LegacyAt(at) && !w.param(p.Name, p.Tables) {
				return
			}
		}
		classes, err := e.List("smtpd_restriction_classes")
		if err != nil {
			return
		}
		for _, class := range classes {
			if _, err := e.lookup(class); err == nil && !w.param(class, paramdb.Restrictions) {
				return
			}
		}
	}
}

type tableWalk struct {
	e     *Env
	yield func(TableUse) bool
}

// param walks the value of one parameter. Every element is expanded by itself,
// so that what an expansion brings has the place of the element.
func (w *tableWalk) param(name string, how paramdb.Tables) bool {
	src, err := w.e.lookup(name)
	if err != nil || !strings.ContainsAny(src.text, ":$") {
		return true
	}
	if !src.raw {
		// Element by element it could become larger than it may as a whole.
		if _, err := w.e.ExpandLoosely("", src.text); err != nil {
			return true
		}
	}
	var elems []element
	var spans []diag.Span
	if src.at != nil {
		spans = src.at.ItemSpans()
	}
	for i, item := range SplitList(src.text) {
		u := TableUse{Param: name, At: src.at}
		if src.at != nil {
			u.Span = spans[i]
		}
		if src.raw || !strings.Contains(item, "$") {
			elems = append(elems, element{item, u})
			continue
		}
		text, err := w.e.ExpandLoosely("", item)
		if err != nil {
			continue
		}
		for _, part := range SplitList(text) {
			elems = append(elems, element{part, u})
		}
	}
	switch how {
	case paramdb.Restrictions:
		return w.restrictions(elems)
	case paramdb.MatchList:
		for _, el := range elems {
			el.text = strings.TrimLeft(el.text, "!")
			if el.text != "" && el.text[0] != '[' && el.text[0] != '/' && !w.table(el.text, el.use) {
				return false
			}
		}
		return true
	}
	for _, el := range elems {
		if !w.table(el.text, el.use) {
			return false
		}
	}
	return true
}

type element struct {
	text string
	use  TableUse
}

// restrictions walks a list of restrictions (access(5), postconf(5)).
func (w *tableWalk) restrictions(elems []element) bool {
	for i := 0; i < len(elems); i++ {
		el := elems[i]
		r := paramdb.FindRestriction(strings.ToLower(el.text))
		if r == nil {
			// A bare table, a restriction class, or an action.
			if strings.Contains(el.text, ":") && !w.table(el.text, el.use) {
				return false
			}
			continue
		}
		if r.Arg == paramdb.NoArg || i+1 == len(elems) {
			continue
		}
		i++
		if r.Arg != paramdb.TableArg {
			continue
		}
		arg := elems[i]
		arg.use.Restriction = r.Name
		if strings.HasPrefix(arg.text, "{") { // { type:table, { search_order = … } }
			inner := SplitList(insideBraces(arg.text))
			if len(inner) == 0 {
				continue
			}
			arg.text = inner[0]
		}
		if !w.table(arg.text, arg.use) {
			return false
		}
	}
	return true
}

// table yields a type:name and the tables inside it.
func (w *tableWalk) table(text string, use TableUse) bool {
	spec, err := table.ParseSpec(text)
	if err != nil || strings.ContainsAny(spec.Type, "{}/@[]") {
		return true
	}
	use.Spec = spec
	if !w.yield(use) {
		return false
	}
	if len(use.Via) >= maxNesting {
		return true
	}
	via := append(use.Via[:len(use.Via):len(use.Via)], spec)
	switch spec.Type {
	case "proxy", "debug":
		use.Via = via
		return w.table(spec.Name, use)
	case "pipemap", "unionmap":
		use.Via = via
		for _, inner := range SplitList(insideBraces(strings.TrimSpace(spec.Name))) {
			if !w.table(inner, use) {
				return false
			}
		}
	}
	return true
}
