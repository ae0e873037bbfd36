package maincf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/postfixkit/postfixkit/internal/paramdb"
	"github.com/postfixkit/postfixkit/table"
)

// Bool returns the value of a yes-or-no parameter.
func (e *Env) Bool(name string) (bool, error) {
	v, err := e.Eval(name)
	if err != nil {
		return false, err
	}
	b, err := parseBool(v.Text)
	return b, e.valueError(name, v, err)
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "yes":
		return true, nil
	case "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither yes nor no", text)
}

// Int returns the value of a parameter that is a whole number: a size in bytes,
// a limit, a code. The limits that Postfix has for it are checked.
func (e *Env) Int(name string) (int64, error) {
	v, err := e.Eval(name)
	if err != nil {
		return 0, err
	}
	n, err := parseInt(v.Text)
	if err == nil {
		err = e.limits(name, n, "")
	}
	return n, e.valueError(name, v, err)
}

func parseInt(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}

// Duration returns the value of a time parameter: a number with a unit (s m h d
// w), where a bare number has the parameter's own unit. The limits that
// Postfix has for it are checked.
func (e *Env) Duration(name string) (time.Duration, error) {
	v, err := e.Eval(name)
	if err != nil {
		return 0, err
	}
	unit := byte('s')
	if p, ok := e.postfixParam(name); ok && p.Unit != 0 {
		unit = p.Unit
	}
	d, err := ParseDuration(v.Text, unit)
	if err == nil {
		err = e.limits(name, int64(d/time.Second), "s")
	}
	return d, e.valueError(name, v, err)
}

// ParseDuration reads a time as main.cf has it: digits and one of the units s
// (seconds), m, h, d and w (weeks). A bare number has the given unit.
// postconf(5): "time units".
func ParseDuration(text string, unit byte) (time.Duration, error) {
	digits := text
	if n := len(text); n > 0 && (text[n-1] < '0' || text[n-1] > '9') {
		digits, unit = text[:n-1], text[n-1]|0x20
	}
	var seconds int64
	switch unit {
	case 's':
		seconds = 1
	case 'm':
		seconds = 60
	case 'h':
		seconds = 60 * 60
	case 'd':
		seconds = 24 * 60 * 60
	case 'w':
		seconds = 7 * 24 * 60 * 60
	default:
		return 0, fmt.Errorf("%q is not a time: the unit has to be s, m, h, d or w", text)
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time: want a number and a unit, such as 30s", text)
	}
	if int64(n) > math.MaxInt64/int64(time.Second)/seconds {
		return 0, fmt.Errorf("time %q is too long", text)
	}
	return time.Duration(n) * time.Duration(seconds) * time.Second, nil
}

// List returns the elements of a list parameter.
func (e *Env) List(name string) ([]string, error) {
	v, err := e.Eval(name)
	if err != nil {
		return nil, err
	}
	return SplitList(v.Text), nil
}

// Enum returns the value of a parameter that has a fixed set of values, in the
// spelling of the manual. For a parameter without such a set, or whose set
// depends on how Postfix was built, the value is returned as it is.
func (e *Env) Enum(name string) (string, error) {
	v, err := e.Eval(name)
	if err != nil {
		return "", err
	}
	text, err := e.enum(name, v.Text)
	return text, e.valueError(name, v, err)
}

func (e *Env) enum(name, text string) (string, error) {
	p := paramdb.Find(name)
	if p == nil || p.Flags&paramdb.Multi != 0 {
		return text, nil
	}
	for _, v := range p.Values {
		if v == text || p.Flags&paramdb.ExactCase == 0 && strings.EqualFold(v, text) {
			return v, nil
		}
	}
	if len(p.Values) == 0 || text == "" || p.Flags&paramdb.OpenValues != 0 {
		return text, nil
	}
	return "", fmt.Errorf("%q is not one of %s", text, strings.Join(p.Values, ", "))
}

// Specs returns the tables that the value of a parameter lists, each element
// being one. See [Env.Tables] for those inside restrictions and match lists.
func (e *Env) Specs(name string) ([]table.Spec, error) {
	v, err := e.Eval(name)
	if err != nil {
		return nil, err
	}
	specs, err := table.ParseSpecs(v.Text)
	return specs, e.valueError(name, v, err)
}

func (e *Env) valueError(name string, v Value, err error) error {
	if err == nil {
		return nil
	}
	return e.paramError(name, v.At, err)
}

func (e *Env) limits(name string, n int64, unit string) error {
	p, ok := e.postfixParam(name)
	switch {
	case !ok:
	case p.Min != nil && n < *p.Min:
		return fmt.Errorf("%d%s is less than %d%s, the least Postfix accepts", n, unit, *p.Min, unit)
	case p.Max != nil && n > *p.Max:
		return fmt.Errorf("%d%s is more than %d%s, the most Postfix accepts", n, unit, *p.Max, unit)
	}
	return nil
}

// typeError reports why the value of a parameter cannot be what its type wants.
// References to names that are not defined are not this function's business.
func (e *Env) typeError(name string) error {
	p, ok := e.postfixParam(name)
	if !ok {
		return nil
	}
	src, err := e.lookup(name)
	if err != nil || src.raw {
		return nil
	}
	text, err := e.ExpandLoosely("", src.text)
	if err != nil {
		return nil
	}
	switch p.Type {
	case BoolType:
		_, err = parseBool(text)
	case IntType:
		var n int64
		if n, err = parseInt(text); err == nil {
			err = e.limits(name, n, "")
		}
	case TimeType:
		var d time.Duration
		unit := p.Unit
		if unit == 0 {
			unit = 's'
		}
		if d, err = ParseDuration(text, unit); err == nil {
			err = e.limits(name, int64(d/time.Second), "s")
		}
	case StringType:
		if len(p.Values) > 0 {
			_, err = e.enum(name, text)
		} else if p.Min != nil && int64(len(text)) < *p.Min {
			err = fmt.Errorf("the value may not be empty")
		}
	}
	return err
}
