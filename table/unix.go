package table

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// openUnix: unix:passwd.byname or unix:group.byname, a line of /etc/passwd or
// /etc/group by the name it starts with. The file is read at each lookup, so
// that it is never an old one. Users of other sources (nsswitch.conf) are not
// seen: the C library that knows them is not used.
func openUnix(_ context.Context, o *Opener, name string) (Closer, error) {
	file, ok := map[string]string{"passwd.byname": "/etc/passwd", "group.byname": "/etc/group"}[name]
	if !ok {
		return nil, fmt.Errorf("unknown table: unix:%s, want unix:passwd.byname or unix:group.byname", name)
	}
	options, fsys := o.Options, o.FS
	return NopCloser(Func(func(_ context.Context, key string) (string, bool, error) {
		f, err := openFile(fsys, file)
		if err != nil {
			return "", false, &Error{Spec: "unix:" + name, Key: key, Temporary: true, Err: err}
		}
		defer f.Close()
		line, found, err := account(f, options.Key(key))
		if err != nil {
			return "", false, &Error{Spec: "unix:" + name, Key: key, Temporary: true, Err: err}
		}
		return line, found, nil
	})), nil
}

// openFile opens a file of the Opener's file system, or a real one.
func openFile(fsys fs.FS, name string) (io.ReadCloser, error) {
	if fsys != nil {
		return fsys.Open(strings.TrimPrefix(name, "/"))
	}
	return os.Open(name)
}

// account finds the line of a name.
func account(r io.Reader, name string) (line string, found bool, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20) // members of a large group
	for s.Scan() {
		if first, _, ok := strings.Cut(s.Text(), ":"); ok && first == name && name != "" {
			return s.Text(), true, nil
		}
	}
	return "", false, s.Err()
}
