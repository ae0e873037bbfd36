package mastercf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Defaults are the settings of main.cf that say what "-" means. The zero
// value has those of a Postfix with compatibility_level 1 or higher.
type Defaults struct {
	ProcessLimit int  // default_process_limit; 0 stands for 100
	Chroot       bool // compatibility_level is below 1
}

// Settings are the columns of a service as Postfix takes them.
type Settings struct {
	Private      bool
	Unprivileged bool
	Chroot       bool
	Wakeup       time.Duration // 0: never
	WakeupIfUsed bool          // the "?": no wake-ups before the first use
	ProcessLimit int           // 0: no limit
}

// Settings returns the columns with defaults filled in; d may be nil. The
// error names the first column Postfix would refuse, among them the private
// column of an inet service, which must be n.
func (s *Service) Settings(d *Defaults) (Settings, error) {
	if d == nil {
		d = &Defaults{}
	}
	for c := FieldType; c <= FieldProcessLimit; c++ {
		if m := wrongField(c, s.Field(c)); m != "" {
			return Settings{}, errors.New("mastercf: " + m)
		}
	}
	flag := func(c Field, def bool) bool {
		if v := s.Field(c); v != "-" {
			return v == "y"
		}
		return def
	}
	r := Settings{Private: flag(FieldPrivate, true), Unprivileged: flag(FieldUnprivileged, true), Chroot: flag(FieldChroot, d.Chroot)}
	if s.Type() == Inet && r.Private {
		return Settings{}, fmt.Errorf("mastercf: inet service %s cannot be private (the third column must be n)", s.Name())
	}
	var err error
	if v := s.Field(FieldWakeup); v != "-" {
		n := 0
		seconds, asked := strings.CutSuffix(v, "?")
		if n, err = number(FieldWakeup, seconds); err != nil {
			return Settings{}, err
		}
		r.Wakeup, r.WakeupIfUsed = time.Duration(n)*time.Second, asked && n > 0
	}
	r.ProcessLimit = d.ProcessLimit
	if r.ProcessLimit == 0 {
		r.ProcessLimit = 100
	}
	if v := s.Field(FieldProcessLimit); v != "-" {
		if r.ProcessLimit, err = number(FieldProcessLimit, v); err != nil {
			return Settings{}, err
		}
	}
	return r, nil
}

// number reads what fits the int of C.
func number(c Field, v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("mastercf: %s %s is out of range", c, v)
	}
	return int(n), nil
}

// An Endpoint is where an inet service listens.
type Endpoint struct {
	Host string     // name or address without [ ]; "" for all of inet_interfaces
	Addr netip.Addr // Host when it is an address; otherwise invalid
	Port string     // name or number
}

// ParseEndpoint reads the name of an inet service: port, host:port, :port or
// [host]:port, an IPv6 address in brackets, with or without "ipv6:" before it.
// An IPv6 address without brackets is taken as Postfix takes it: what is
// behind the last colon is the port.
func ParseEndpoint(name string) (Endpoint, error) {
	fail := func(what string) (Endpoint, error) {
		return Endpoint{}, fmt.Errorf("mastercf: %q: %s", name, what)
	}
	var e Endpoint
	if rest, ok := strings.CutPrefix(name, "["); ok {
		host, port, ok := strings.Cut(rest, "]")
		if !ok {
			return fail(`missing "]"`)
		}
		if port != "" && port[0] != ':' {
			return fail(`text after "]" (want [host]:port)`)
		}
		if len(host) > 5 && strings.EqualFold(host[:5], "ipv6:") {
			host = host[5:]
			if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || a.Zone() != "" {
				return fail("malformed IPv6 address")
			}
		}
		e.Host, e.Port = host, strings.TrimPrefix(port, ":")
		if host == "" {
			return fail("missing host between [ ]")
		}
	} else if i := strings.LastIndexByte(name, ':'); i >= 0 {
		e.Host, e.Port = name[:i], name[i+1:]
	} else {
		e.Port = name
	}
	if e.Port == "" {
		return fail("missing port")
	}
	if e.Host != "" {
		if a, err := netip.ParseAddr(e.Host); err == nil && a.Zone() == "" {
			e.Addr = a
		} else if !hostname(e.Host) {
			return fail("not a host name or network address")
		}
	}
	if c := e.Port[0]; c >= '0' && c <= '9' {
		if !digits(e.Port) {
			return fail("text after the port number")
		}
		if n, err := strconv.Atoi(e.Port); err != nil || n > 65535 {
			return fail("port number above 65535")
		}
	}
	return e, nil
}

// hostname reports whether h can be a host name: labels of letters, digits,
// hyphens, underscores and bytes of UTF-8, not all digits.
func hostname(h string) bool {
	if len(h) > 255 {
		return false
	}
	numeric := true
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			isDigit := c >= '0' && c <= '9'
			if !isDigit {
				numeric = false
			}
			if !isDigit && !letter(c) && c != '-' && c != '_' && c < 0x80 {
				return false
			}
		}
	}
	return !numeric
}

// String writes the endpoint the way ParseEndpoint reads it.
func (e Endpoint) String() string {
	switch {
	case e.Host == "":
		return e.Port
	case strings.Contains(e.Host, ":"):
		return "[" + e.Host + "]:" + e.Port
	}
	return e.Host + ":" + e.Port
}

// wellKnown are the port names that occur in master.cf files, so that "25"
// and "smtp" are seen to be one, whatever /etc/services says.
var wellKnown = map[string]string{
	"smtp": "25", "submission": "587", "submissions": "465", "smtps": "465", "ssmtp": "465", "urd": "465",
	"lmtp": "24", "qmtp": "209", "qmqp": "628",
}

// identity is what master(8) tells services apart by.
func (s *Service) identity() string {
	if s.Type() != Inet {
		return s.Name() + "/" + string(s.Type())
	}
	e, err := ParseEndpoint(s.Name())
	if err != nil {
		return s.Name() + "/inet"
	}
	if n := wellKnown[strings.ToLower(e.Port)]; n != "" {
		e.Port = n
	} else if digits(e.Port) {
		e.Port = strings.TrimLeft(e.Port, "0")
	}
	if e.Addr.IsValid() {
		e.Host = e.Addr.String()
	}
	return e.String() + "/inet"
}
