//go:build linux

package aliases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/textproto"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/table"
)

// A localCase is mail for some recipients. In every text NN is replaced with
// the number of the case, so that cases share one alias table, and DIR with
// the folder of the instance.
type localCase struct {
	name    string
	aliases string
	files   map[string]string // below DIR/lists, or DIR/home for .forward files
	to      string
	lost    bool   // mail is neither delivered nor returned
	before  string // why Postfix before 3.12 answers something else: not compared then
	since   string // why Postfix 3.12 does
}

// localConfig is one private Postfix instance and an Expander set up alike.
type localConfig struct {
	name, main string
	set        func(*Expander)
	cases      []localCase
}

// TestAgainstLocal sends mail through the local(8) of a private Postfix and
// compares every delivery and failure it logs with the Expander's answer.
func TestAgainstLocal(t *testing.T) {
	n := 0
	for _, c := range localConfigs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runLocal(t, c)
		})
		n += len(c.cases)
	}
	t.Logf("%d cases", n)
}

func runLocal(t *testing.T, c localConfig) {
	tools := realpostfix.Need(t, "root", "postalias", "map:hash")
	var aliases strings.Builder
	for i := range c.cases {
		aliases.WriteString(numbered(c.cases[i].aliases, i))
	}
	var source string
	inst := realpostfix.Start(t, realpostfix.Config{
		Main: `alias_maps = hash:@DIR@/conf/aliases
myhostname = example.com
in_flow_delay = 0s
default_transport = discard:
relay_transport = discard:
info_log_address_format = internal
forward_path = @DIR@/home/$user.forward${recipient_delimiter}${extension}, @DIR@/home/$user.forward
` + c.main,
		Setup: func(inst *realpostfix.Instance) error {
			for _, dir := range []string{"out", "lists", "home"} {
				if err := os.Mkdir(filepath.Join(inst.Dir, dir), 0o755); err != nil {
					return err
				}
			}
			if err := os.Chmod(filepath.Join(inst.Dir, "out"), 0o777); err != nil {
				return err
			}
			for i := range c.cases {
				for name, text := range c.cases[i].files {
					mode := fs.FileMode(0o644)
					if strings.Contains(name, "writable") {
						mode = 0o666
					}
					path := filepath.Join(inst.Dir, numbered(name, i))
					text = strings.ReplaceAll(numbered(text, i), "DIR", inst.Dir)
					if err := os.WriteFile(path, []byte(text), mode); err != nil {
						return err
					}
					if err := os.Chmod(path, mode); err != nil {
						return err
					}
				}
			}
			source = strings.ReplaceAll(aliases.String(), "DIR", inst.Dir)
			path := filepath.Join(inst.ConfigDir, "aliases")
			if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
				return err
			}
			if res := tools.Run(realpostfix.Call{Name: "postalias", Args: []string{"hash:" + path}}); res.Exit != 0 || res.Stderr != "" {
				return fmt.Errorf("postalias: exit %d: %s", res.Exit, res.Stderr)
			}
			return nil
		},
	})

	f, err := Parse("aliases", []byte(source), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &Expander{
		Aliases: []table.Table{f},
		FS:      os.DirFS("/"),
		Origin:  "example.com",
		IsLocal: func(domain string) bool {
			return slices.Contains([]string{"example.com", "localhost"}, strings.ToLower(domain))
		},
		Users: func(name string) (string, bool) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", false
			}
			return u.HomeDir, true
		},
		ForwardFiles: func(r Recipient) []string {
			plain := inst.Dir + "/home/" + r.User + ".forward"
			if r.Extension == "" {
				return []string{plain}
			}
			return []string{plain + r.Extension, plain}
		},
	}
	if c.set != nil {
		c.set(x)
	}

	queued := make([]string, len(c.cases))
	for i := range c.cases {
		queued[i] = send(t, inst, numbered(c.cases[i].to, i))
	}
	for i := range c.cases {
		real := collect(t, inst, queued[i])
		t.Run(c.cases[i].name, func(t *testing.T) {
			why, new := c.cases[i].before, since(tools.Version, 12)
			if new {
				why = c.cases[i].since
			}
			if why != "" {
				t.Logf("Postfix %s does not count: %s", tools.Version, why)
				return
			}
			if !new {
				// The recipient is counted since 3.12, so that loops end a
				// step earlier and with another text.
				for i, line := range real {
					if strings.HasPrefix(line, "error alias database loop") {
						real[i] = "error recipient nesting limit exceeded"
					}
				}
			}
			ours := asLogged(x.Expand(context.Background(), numbered(c.cases[i].to, i)+"@example.com"))
			slices.Sort(ours)
			slices.Sort(real)
			if (len(real) == 0) != c.cases[i].lost {
				t.Errorf("%d deliveries", len(real))
			}
			if !slices.Equal(ours, real) {
				show := func(lines []string) string {
					return strings.ReplaceAll(strings.Join(lines, "\n      "), inst.Dir, "DIR")
				}
				t.Errorf("mail for %s\nours  %s\nreal  %s", numbered(c.cases[i].to, i), show(ours), show(real))
			}
		})
	}
}

func numbered(text string, i int) string {
	return strings.ReplaceAll(text, "NN", fmt.Sprintf("c%02d", i))
}

// asLogged renders an expansion as local(8) logs it.
func asLogged(out []Expansion, err error) (lines []string) {
	for _, e := range out {
		switch {
		case e.Mailbox:
			lines = append(lines, "mailbox "+e.Target.Value)
		case e.Target.Kind == Address:
			lines = append(lines, "remote "+e.Target.Value+" from "+e.Sender)
		default:
			lines = append(lines, e.Target.Kind.String()+" "+e.Target.Value)
		}
	}
	var list ErrorList
	errors.As(err, &list)
	for _, e := range list {
		reason := e.Reason
		switch {
		case errors.Is(e, ErrNotAllowed):
			reason, _, _ = strings.Cut(reason, ":")
		case strings.HasPrefix(reason, ":include: nesting"):
			reason, _, _ = strings.Cut(reason, " for ")
		case errors.Is(e, ErrNoTarget):
			reason = "alias database unavailable"
		case errors.Is(e, ErrBadFile), errors.Is(e, fs.ErrNotExist):
			reason = "mail system configuration error"
		case strings.HasPrefix(reason, "required alias"):
			reason = "discarded"
		}
		lines = append(lines, "error "+reason)
	}
	return lines
}

// send gives a message to the instance and returns its queue id.
func send(t *testing.T, inst *realpostfix.Instance, to string) string {
	t.Helper()
	c := textproto.NewConn(inst.Dial())
	defer c.Close()
	var last string
	for _, step := range []struct {
		line string
		code int
	}{
		{"", 220}, {"HELO client.example.com", 250}, {"MAIL FROM:<from@remote.test>", 250},
		{"RCPT TO:<" + rcpt(to) + ">", 250}, {"DATA", 354}, {"Subject: x\r\n\r\nx\r\n.", 250}, {"QUIT", 221},
	} {
		if step.line != "" {
			if err := c.PrintfLine("%s", step.line); err != nil {
				t.Fatal(err)
			}
		}
		_, text, err := c.ReadResponse(step.code)
		if err != nil {
			t.Fatalf("%s: %s: %v", to, step.line, err)
		}
		if step.code == 250 {
			last = text
		}
	}
	return last[strings.LastIndexByte(last, ' ')+1:]
}

// rcpt quotes an address for SMTP.
func rcpt(to string) string { return Target{Address, to + "@example.com"}.String() }

var (
	delivered = regexp.MustCompile(`([0-9A-Za-z]+): to=<(.*?)>, .*status=(\w+) \((.*)\)$`)
	forwarded = regexp.MustCompile(`^forwarded as ([0-9A-Za-z]+)$`)
	from      = regexp.MustCompile(`([0-9A-Za-z]+): from=<(.*?)>, size=`)
	removed   = regexp.MustCompile(`([0-9A-Za-z]+): removed$`)
)

// collect follows a message and those it was forwarded as through the log,
// until all are gone from the queue or wait for a second try.
func collect(t *testing.T, inst *realpostfix.Instance, id string) []string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		lines, done := follow(inst.Log(), id)
		if done {
			return lines
		}
		if time.Now().After(deadline) {
			t.Fatalf("message %s is not done:\n%s", id, inst.Log())
		}
	}
}

func follow(log, first string) (lines []string, done bool) {
	sender, gone := map[string]string{}, map[string]bool{}
	type record struct{ id, to, status, text string }
	var records []record
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if m := removed.FindStringSubmatch(line); m != nil {
			gone[m[1]] = true
		} else if m := from.FindStringSubmatch(line); m != nil {
			sender[m[1]] = m[2]
		} else if m := delivered.FindStringSubmatch(line); m != nil {
			if strings.Contains(line, "discard[") {
				m[4] = "discarded for the network"
			}
			records = append(records, record{m[1], m[2], m[3], m[4]})
		}
	}
	// A forwarded message may be delivered before its parent says so.
	ids := []string{first}
	for i := 0; i < len(ids); i++ {
		for _, r := range records {
			if m := forwarded.FindStringSubmatch(r.text); m != nil && r.id == ids[i] && !slices.Contains(ids, m[1]) {
				ids = append(ids, m[1])
			}
		}
	}
	for _, r := range records {
		if !slices.Contains(ids, r.id) {
			continue
		}
		path, isFile := strings.CutPrefix(r.text, "delivered to file: ")
		command, isCommand := strings.CutPrefix(r.text, "delivered to command: ")
		switch {
		case isFile:
			lines = append(lines, "path "+path)
		case isCommand:
			lines = append(lines, "command "+command)
		case r.text == "delivered to mailbox":
			lines = append(lines, "mailbox "+r.to)
		case r.text == "discarded for the network":
			lines = append(lines, "remote "+r.to+" from "+strings.TrimPrefix(sender[r.id], "from@remote.test"))
		case !forwarded.MatchString(r.text):
			lines = append(lines, "error "+r.text)
			gone[r.id] = gone[r.id] || r.status == "deferred"
		}
	}
	for _, id := range ids {
		if !gone[id] {
			return nil, false
		}
	}
	return lines, true
}
