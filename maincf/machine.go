package maincf

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Machine returns what Postfix finds out about the machine it runs on, for
// [Env.Runtime]: myhostname, mydomain, mynetworks and process_id. What main.cf
// says about mydomain, inet_interfaces, inet_protocols and mynetworks_style is
// taken into account, with the defaults of the Env.
//
// It asks the operating system for the host name and the network interfaces.
func Machine(e *Env) map[string]string {
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
			if text, err := n.ExpandLoosely("", src.text); err == nil {
				domain = text
			}
		}
		host += "." + domain
	}
	run["myhostname"] = host
	if v, err := n.Eval("mydomain"); err == nil && v.Origin == FromRuntime {
		run["mydomain"] = v.Text
	}
	run["mynetworks"] = n.networks()
	return run
}

// networks computes the default of mynetworks (postconf(5)).
func (e *Env) networks() string {
	text := func(name string) string {
		src, err := e.lookup(name)
		if err != nil {
			return ""
		}
		s, err := e.ExpandLoosely("", src.text)
		if err != nil {
			return ""
		}
		return s
	}
	protocols := SplitList(text("inet_protocols"))
	has := func(name string) bool { return slices.Contains(protocols, name) || slices.Contains(protocols, "all") }
	style := text("mynetworks_style")
	var nets []string
	for _, p := range localAddresses(SplitList(text("inet_interfaces"))) {
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
	return strings.Join(nets, " ")
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

// localAddresses returns the addresses of this machine that inet_interfaces
// selects, IPv4 first.
func localAddresses(interfaces []string) []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	wanted := func(a netip.Addr) bool {
		for _, name := range interfaces {
			switch strings.ToLower(name) {
			case "all":
				return true
			case "loopback-only":
				if a.IsLoopback() {
					return true
				}
			default:
				if w, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && w == a {
					return true
				}
				if strings.EqualFold(name, "localhost") && a.IsLoopback() {
					return true
				}
			}
		}
		return false
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
	return append(v4, v6...)
}
