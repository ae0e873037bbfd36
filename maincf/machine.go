package maincf

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Machine returns what Postfix finds out about the machine it runs on, for
// [Env.Runtime]: myhostname, mydomain, mynetworks and process_id. What main.cf
// says about mydomain, inet_interfaces, inet_protocols and mynetworks_style is
// taken into account, with the defaults of the Env.
//
// It asks the operating system for the host name and the network interfaces,
// and the resolver when inet_interfaces has host names.
//
// The error says what is wrong with one of those settings; what depends on it,
// mynetworks always, is then left out.
func Machine(e *Env) (map[string]string, error) {
	host, _ := os.Hostname()
	run := map[string]string{"process_id": strconv.Itoa(os.Getpid())}
	for k, v := range e.Runtime {
		run[k] = v
	}
	n := *e
	n.Runtime = run
	if !strings.Contains(host, ".") {
		domain := "localdomain"
		if src, err := n.lookup("mydomain"); err == nil && src.origin != FromRuntime {
			text, err := n.early("mydomain")
			if err != nil {
				return run, err
			}
			domain = text
		}
		host += "." + domain
	}
	run["myhostname"] = host
	if v, err := n.Eval("mydomain"); err == nil && v.Origin == FromRuntime {
		run["mydomain"] = v.Text
	}
	nets, err := n.networks()
	if err == nil {
		run["mynetworks"] = nets
	}
	return run, err
}

// networks computes the default of mynetworks (postconf(5)).
func (e *Env) networks() (string, error) {
	text := func(name string) string {
		s, _ := e.early(name) // "" when there is an error
		return s
	}
	if err := e.CheckNetworkSettings(); err != nil {
		return "", err
	}
	protocols := SplitList(strings.ToLower(text("inet_protocols")))
	has := func(name string) bool { return slices.Contains(protocols, name) || slices.Contains(protocols, "all") }
	if len(protocols) == 0 {
		return "", nil // and no interface is looked for
	}
	style := text("mynetworks_style")
	var nets []string
	addrs, err := localAddresses(SplitList(text("inet_interfaces")))
	if err != nil {
		return "", err
	}
	for _, p := range addrs {
		addr, bits := p.Addr(), p.Bits()
		if addr.Is4() && !has("ipv4") || addr.Is6() && !has("ipv6") {
			continue
		}
		if strings.EqualFold(style, "host") {
			bits = addr.BitLen()
		} else if strings.EqualFold(style, "class") && addr.Is4() {
			bits = classBits(addr)
		} else if addr.Is4() && addr.IsLoopback() {
			bits = 8
		}
		net, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		s := net.Addr().String() + "/" + strconv.Itoa(bits)
		if addr.Is6() {
			s = "[" + net.Addr().String() + "]/" + strconv.Itoa(bits)
		}
		if !slices.Contains(nets, s) {
			nets = append(nets, s)
		}
	}
	return strings.Join(nets, " "), nil
}

// CheckNetworkSettings reports values of inet_interfaces, inet_protocols and
// mynetworks_style that Postfix stops at when it computes the default of
// mynetworks. It does not ask whether there are such interfaces.
func (e *Env) CheckNetworkSettings() error {
	for _, name := range []string{"inet_interfaces", "mynetworks_style", "inet_protocols"} {
		if _, err := e.early(name); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name, what string
		known      []string
	}{
		{"inet_protocols", "inet_protocols", []string{"all", "ipv4", "ipv6"}},
		{"mynetworks_style", "mynetworks mask style", []string{"class", "subnet", "host"}},
	} {
		text, err := e.early(c.name)
		if err != nil {
			return err
		}
		words := SplitList(text)
		for _, word := range words {
			if !slices.Contains(c.known, strings.ToLower(word)) {
				return fmt.Errorf("unknown %s value \"%s\" in \"%s\"", c.what, word, text)
			}
		}
		if c.name == "inet_protocols" && len(words) == 0 {
			return nil // and the rest is not looked at
		}
		if c.name == "mynetworks_style" && len(words) != 1 {
			return fmt.Errorf("bad mynetworks_style value: %s; specify exactly one value", text)
		}
	}
	return nil
}

// classBits is the length of the network part in the days of classes.
func classBits(a netip.Addr) int {
	switch first := a.As4()[0]; {
	case first < 128:
		return 8
	case first < 192:
		return 16
	}
	return 24
}

// resolve returns the addresses of a host name, or of an address.
func resolve(name string) (addrs []netip.Addr) {
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return []netip.Addr{a}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil
	}
	for _, a := range found {
		addrs = append(addrs, a.Unmap())
	}
	return addrs
}

// localAddresses returns the addresses of this machine that inet_interfaces
// selects, IPv4 first.
func localAddresses(interfaces []string) ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	all, loopback := false, false
	var named []netip.Addr
	for _, name := range interfaces {
		switch strings.ToLower(name) {
		case "all":
			all = true
		case "loopback-only":
			loopback = true
		default:
			found := resolve(name)
			if len(found) == 0 {
				return nil, fmt.Errorf("config variable inet_interfaces: host not found: %s", name)
			}
			named = append(named, found...)
		}
	}
	wanted := func(a netip.Addr) bool {
		return all || loopback && a.IsLoopback() || slices.Contains(named, a)
	}
	var v4, v6 []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		addr = addr.Unmap()
		ones, _ := n.Mask.Size()
		if addr.Is4() && len(n.Mask) == 16 {
			ones -= 96
		}
		if !wanted(addr) {
			continue
		}
		if p := netip.PrefixFrom(addr, ones); addr.Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	all4and6 := append(v4, v6...)
	for _, a := range named {
		if !slices.ContainsFunc(all4and6, func(p netip.Prefix) bool { return p.Addr() == a }) {
			return nil, fmt.Errorf("parameter inet_interfaces: no local interface found for %s", a)
		}
	}
	return all4and6, nil
}
