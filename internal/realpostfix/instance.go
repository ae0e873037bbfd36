package realpostfix

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Config says how a private instance differs from the base one. The base one
// accepts mail for example.com and localhost from 127.0.0.1, delivers local
// recipients with local(8), and bounces or defers everything that would leave
// the machine.
type Config struct {
	Main   string                     // lines added to main.cf; they override the base
	Master string                     // lines added to master.cf; @PORT1@ to @PORT9@ become free ports
	Files  map[string]string          // further files in the configuration folder, by name
	Setup  func(inst *Instance) error // last step before the start, with all folders made
}

// Instance is a running private Postfix. Everything of it is below Dir.
type Instance struct {
	Dir, ConfigDir, QueueDir, MailDir string
	// Addr is where smtpd(8) listens: "127.0.0.1:34567".
	Addr string
	// Ports holds what @PORT1@, … were replaced with, by number.
	Ports map[int]int

	t   testing.TB
	log string
}

// queueFolders: name, mode, and whether it belongs to root, to the mail owner,
// or to the mail owner with the setgid group; as post-install makes them.
var queueFolders = []struct {
	name  string
	mode  os.FileMode
	owner bool
	group bool
}{
	{"active", 0o700, true, false}, {"bounce", 0o700, true, false}, {"corrupt", 0o700, true, false},
	{"defer", 0o700, true, false}, {"deferred", 0o700, true, false}, {"flush", 0o700, true, false},
	{"hold", 0o700, true, false}, {"incoming", 0o700, true, false}, {"private", 0o700, true, false},
	{"saved", 0o700, true, false}, {"trace", 0o700, true, false}, {"pid", 0o755, false, false},
	{"maildrop", 0o730 | os.ModeSticky, true, true}, {"public", 0o710 | os.ModeSetgid, true, true},
}

const baseMain = `compatibility_level = 3.6
queue_directory = @DIR@/queue
data_directory = @DIR@/data
mail_spool_directory = @DIR@/mail
maillog_file = @DIR@/log
maillog_file_prefixes = @DIR@
multi_instance_directories =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = real.example.com
mydestination = example.com, localhost
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
default_transport = error:this instance delivers nothing to other machines
relay_transport = error:this instance delivers nothing to other machines
smtpd_tls_security_level = none
smtp_dns_support_level = disabled
notify_classes =
biff = no
`

const baseMaster = `127.0.0.1:@PORT0@ inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// Start runs a private Postfix master with folders and loopback ports of its
// own and stops it at the end of the test. It needs root and a Postfix
// installation with its users; without them the test is skipped as by [Need].
func Start(t testing.TB, cfg Config) *Instance {
	t.Helper()
	tools := Need(t, "root", "postconf", "postmap")
	daemons := strings.TrimSpace(tools.MustRun(Call{Name: "postconf", Args: []string{"-dh", "daemon_directory"}}).Stdout)
	inst := &Instance{Dir: folder(t, "inst"), Ports: map[int]int{}, t: t}
	inst.ConfigDir = filepath.Join(inst.Dir, "conf")
	inst.QueueDir = filepath.Join(inst.Dir, "queue")
	inst.MailDir = filepath.Join(inst.Dir, "mail")
	inst.log = filepath.Join(inst.Dir, "log")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(inst.folders())

	master := baseMaster + cfg.Master
	for n := range 10 {
		mark := "@PORT" + strconv.Itoa(n) + "@"
		if strings.Contains(master+cfg.Main, mark) {
			inst.Ports[n] = FreePort(t)
			master = strings.ReplaceAll(master, mark, strconv.Itoa(inst.Ports[n]))
			cfg.Main = strings.ReplaceAll(cfg.Main, mark, strconv.Itoa(inst.Ports[n]))
		}
	}
	inst.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(inst.Ports[0]))
	files := map[string]string{
		"main.cf":   lastWins(strings.ReplaceAll(baseMain+cfg.Main, "@DIR@", inst.Dir)),
		"master.cf": strings.ReplaceAll(master, "@DIR@", inst.Dir),
	}
	for name, text := range cfg.Files {
		files[name] = text
	}
	for name, text := range files {
		must(writeOld(filepath.Join(inst.ConfigDir, name), []byte(text)))
	}
	if cfg.Setup != nil {
		must(cfg.Setup(inst))
	}

	var output bytes.Buffer
	// master(8) makes itself leader of a session; without -w it stays our child.
	cmd := exec.Command(filepath.Join(daemons, "master"), "-c", inst.ConfigDir, "-s")
	cmd.Env = environment(inst.ConfigDir)
	cmd.Dir = inst.QueueDir
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	must(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // master passes it on to its children
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("log of the private Postfix:\n%s", inst.Log())
		}
	})
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", inst.Addr, time.Second)
		if err == nil {
			conn.Close()
			return inst
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("realpostfix: master ended: %v\n%s%s", err, output.String(), inst.Log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("realpostfix: nothing answers at %s: %v\n%s", inst.Addr, err, inst.Log())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (inst *Instance) folders() error {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	group, err := user.LookupGroup("postdrop")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(group.Gid)
	for _, dir := range []string{inst.ConfigDir, inst.QueueDir, inst.MailDir, filepath.Join(inst.Dir, "data")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chown(filepath.Join(inst.Dir, "data"), uid, -1); err != nil {
		return err
	}
	if err := os.Chmod(inst.MailDir, 0o777|os.ModeSticky); err != nil {
		return err
	}
	for _, q := range queueFolders {
		dir := filepath.Join(inst.QueueDir, q.name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		u, g := 0, 0
		if q.owner {
			u = uid
		}
		if q.group {
			g = gid
		}
		if err := os.Chown(dir, u, g); err != nil {
			return err
		}
		if err := os.Chmod(dir, q.mode); err != nil { // after chown, which clears setgid
			return err
		}
	}
	return nil
}

// lastWins drops settings that are made again further down, which Postfix
// would warn about. A setting is the line it starts on and its continuations.
func lastWins(src string) string {
	var settings []string
	at := map[string]int{}
	for line := range strings.Lines(src) {
		if line[0] == ' ' || line[0] == '\t' {
			settings[len(settings)-1] += line
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); ok && name[0] != '#' {
			if i, seen := at[name]; seen {
				settings[i] = ""
			}
			at[name] = len(settings)
		}
		settings = append(settings, line)
	}
	return strings.Join(settings, "")
}

// Log is what the instance has logged so far.
func (inst *Instance) Log() string {
	text, _ := os.ReadFile(inst.log)
	return string(text)
}

// WaitLog waits until the log contains text and fails the test after ten
// seconds without it.
func (inst *Instance) WaitLog(text string) string {
	inst.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		log := inst.Log()
		if strings.Contains(log, text) {
			return log
		}
		if time.Now().After(deadline) {
			inst.t.Fatalf("realpostfix: %q is not in the log:\n%s", text, log)
		}
	}
}

// Dial connects to the instance's smtpd(8).
func (inst *Instance) Dial() net.Conn {
	inst.t.Helper()
	conn, err := net.DialTimeout("tcp", inst.Addr, 10*time.Second)
	if err != nil {
		inst.t.Fatal(err)
	}
	return conn
}

// FreePort is a loopback TCP port above 1023 that nothing listens on now.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(fmt.Errorf("realpostfix: no free port: %w", err))
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
